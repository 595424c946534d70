from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest

from shuke.checkout import errors
from shuke.checkout.allowances import exposure, issue_allowance
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Allowance, Order
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.stored_value import top_up
from shuke.checkout.trust import public_key, read_claim, sign
from shuke.checkout.values import TenderRequest
from shuke.core.models import IdempotentCall
from shuke.core.values import Actor
from shuke.ledger.models import Account, Entry
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import Standing
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
OFFLINE = {"allowance_points": 1_000, "allowance": "50.00", "accept_days": 30}


def row(*lines, hours=1, number, member=None, **more):
    return OfflineSale(sale(*lines, member=member, number=number, **more), NOW - timedelta(hours=hours))


def upload(*rows, now=NOW, actor=TILL):
    return commit_offline_sales(actor=actor, rows=rows, now=now)


def statuses(results):
    return [result.status for result in results]


def figures(member):
    rows = Account.objects.filter(member_id=member.id).order_by("asset")
    return [
        *rows.values_list("asset", "balance", "debt"),
        Standing.objects.filter(member=member).first().tier,
    ]


def assert_books_are_right():
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def test_any_order_of_upload_leaves_the_same_books_and_a_second_upload_changes_nothing():
    make_shop()
    seen = []
    for seed in range(3):
        member = make_member(now=NOW - timedelta(days=30))
        rows = [
            row(("A", 30 + n), hours=100 - n * 10, number=f"O{seed}-{n}", member=member) for n in range(6)
        ]
        shuffled = list(rows)
        Random(seed).shuffle(shuffled)
        assert statuses(upload(*shuffled)) == ["committed"] * 6
        seen.append(figures(member))
        again = upload(*reversed(rows))
        assert statuses(again) == ["known"] * 6
        assert figures(member) == seen[-1]
    assert seen[0] == seen[1] == seen[2]
    assert Order.objects.count() == 18
    assert_books_are_right()


def test_a_bad_row_is_refused_with_its_reason_and_the_others_are_sold():
    make_shop()
    results = upload(
        row(("A", 1), number="1"),
        row(("X", 1), number="2"),
        row(("A", 1), number="3", hours=24 * 31),
        replace(row(("A", 1), number="4"), occurred_at=NOW + timedelta(hours=1)),
        row(("A", 1), number=None),
        row(("A", 2), number="1", hours=2),
        row(("A", 1), number="5", hours=24 * 20),
    )
    codes = [result.error.code if result.error else result.status for result in results]
    # Of the two sales with number 1 the older is taken first; the other is no repetition of it.
    assert codes == [
        "idempotency_conflict",
        "unknown_product",
        "bad_occurred_at",
        "bad_occurred_at",
        "number_missing",
        "committed",
        "committed",
    ]
    assert sorted(Order.objects.values_list("number", flat=True)) == ["1", "5"]
    assert_books_are_right()


def test_an_upload_whose_key_is_long_forgotten_is_still_known_by_its_number():
    make_shop()
    sold = row(("A", 1), number="N1")
    first = upload(sold)[0]
    IdempotentCall.objects.all().delete()
    again = upload(sold, now=NOW + timedelta(days=10))[0]
    assert (again.status, again.order_id) == ("known", first.order_id)
    late = upload(sold, now=NOW + timedelta(days=100))[0]
    assert (late.status, late.order_id) == ("known", first.order_id)
    other = upload(replace(sold, occurred_at=NOW - timedelta(hours=9)))[0]
    assert (other.status, other.error.code) == ("refused", "order_exists")
    assert Order.objects.count() == 1


def test_sales_that_arrive_late_lift_the_tier_they_reach_together():
    make_shop()
    member = make_member(now=NOW - timedelta(days=30))
    sell(("A", 60), member=member, now=NOW)
    assert not Standing.objects.filter(member=member).exists()
    upload(row(("A", 50), number="L1", hours=30, member=member))
    standing = Standing.objects.get(member=member)
    assert (standing.tier, standing.since) == ("silver", NOW)


def test_a_late_sale_does_not_take_a_tier_away_that_was_reached_after_it():
    make_shop(
        tiers={
            "downgrade": "at_once",
            "levels": [
                {"code": "classic", "name": {"zh-Hans": "普"}, "threshold": "0"},
                {"code": "silver", "name": {"zh-Hans": "银"}, "threshold": "1000.00"},
            ],
        }
    )
    member = make_member(now=NOW - timedelta(days=30))
    sell(("A", 100), member=member, now=NOW)
    upload(row(("A", 1), number="L1", hours=30, member=member))
    assert Standing.objects.get(member=member).tier == "silver"


def test_a_store_out_of_reach_is_refused_row_by_row():
    make_shop()
    stranger = Actor("key", TILL.id, "other", False, frozenset())
    results = upload(row(("A", 1), number="1"), actor=stranger)
    assert results[0].error.code == "out_of_store_scope"
    with pytest.raises(errors.BatchSize):
        upload()


def allow(member, device="till-1", now=NOW):
    return issue_allowance(actor=TILL, member_id=member.id, device=device, store="S1", now=now)


def test_an_allowance_is_signed_never_more_than_is_there_and_shared_by_devices():
    make_shop(offline=OFFLINE, stored_value={})
    member = make_member(now=NOW)
    sell(("A", 150), member=member, now=NOW)  # 1500 points
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=3_000, tender="card", now=NOW)
    first = allow(member)
    assert (first["points"], first["money_minor"]) == (1_000, 3_000)
    claim = read_claim(first["token"])
    assert (claim.member, claim.device, claim.points) == (member.id, "till-1", 1_000)
    second = allow(member, "till-2")
    assert (second["points"], second["money_minor"]) == (500, 0)
    # The same device again: its old allowance ends, so there is as much for it as before.
    assert allow(member)["points"] == 1_000
    assert Allowance.objects.filter(closed_at=None).count() == 2
    assert len(public_key()) == 43


@pytest.mark.parametrize("damage", ["", ".", "a.b", "x" * 5000])
def test_a_token_that_was_not_signed_here_is_refused(damage):
    make_shop(offline=OFFLINE)
    member = make_member(now=NOW)
    sell(("A", 150), member=member, now=NOW - timedelta(hours=2))
    token = allow(member, now=NOW - timedelta(hours=2))["token"]
    _body, _dot, signature = token.partition(".")
    greedy = msgspec.structs.replace(read_claim(token), points=10**9)
    forged = sign(greedy).partition(".")[0] + "." + signature
    for bad in (damage or forged, token[:-4] + "AAAA"):
        result = upload(row(("A", 10), number="F1", member=member, points=100, allowance=bad))[0]
        assert result.error.code == "allowance_invalid"
    other = make_member(now=NOW)
    result = upload(row(("A", 10), number="F2", member=other, allowance=token))[0]
    assert result.error.code == "allowance_foreign"
    assert Order.objects.count() == 1


def test_what_was_spent_elsewhere_meanwhile_becomes_a_debt_up_to_the_allowance():
    make_shop(offline=OFFLINE, stored_value={})
    member = make_member(now=NOW)
    early = NOW - timedelta(hours=3)
    sell(("A", 100), member=member, now=early)  # 1000 points
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=5_000, tender="card", now=early)
    token = allow(member, now=early)["token"]
    online = (TenderRequest("stored_value", 4_000),)
    sell(("A", 20), member=member, points=1_000, now=NOW - timedelta(hours=2), tenders=online)
    told = exposure(now=NOW)
    assert (told["count"], told["next_cursor"]) == (1, None)
    # 190.00 paid at silver for the online sale earned points again, which cover a part.
    assert (told["points_left"], told["money_left_minor"], told["money_uncovered_minor"]) == (
        1_000,
        5_000,
        4_000,
    )
    sold = row(
        ("A", 20),
        number="D1",
        member=member,
        points=1_000,
        settled=True,
        tenders=(TenderRequest("stored_value", 5_000), TenderRequest("cash")),
        allowance=token,
    )
    assert statuses(upload(sold)) == ["committed"]
    assert Account.objects.get(member_id=member.id, asset="stored_value").debt == 4_000
    owed = Entry.objects.filter(account="member", asset="stored_value", lot_id=None).get()
    assert (owed.amount, owed.explain) == (
        -4_000,
        {"cause": "offline", "allowance": str(Allowance.objects.get().id)},
    )
    spent = Allowance.objects.get()
    assert (spent.points_used, spent.money_used_minor) == (1_000, 5_000)
    assert_books_are_right()
    # The allowance is used up: the next offline sale finds nothing to trust.
    more = row(
        ("A", 20), number="D2", member=member, points=100, allowance=token, hours=0.5,
        tenders=(TenderRequest("stored_value", 100), TenderRequest("cash")),
    )  # fmt: skip
    assert upload(more)[0].error.code in ("not_enough_points", "not_enough_stored_value")
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=6_000, tender="card", now=NOW)
    account = Account.objects.get(member_id=member.id, asset="stored_value")
    assert (account.balance, account.debt) == (2_000, 0)
    assert exposure(now=NOW)["allowances"][0]["money_owed_minor"] == 0
    assert_books_are_right()


def test_no_allowance_where_the_programme_gives_none():
    make_shop()
    with pytest.raises(errors.OfflineNotAllowed):
        allow(make_member(now=NOW))
    publish(effective_at=NOW, offline=OFFLINE)
    with pytest.raises(errors.UnknownMember):
        issue_allowance(actor=TILL, member_id=TILL.id, device="d", store="S1", now=NOW)
