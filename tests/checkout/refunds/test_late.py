"""Claim and refund come to the same in either order: to the point, the lot, the tier, the cap and the budget."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, Refund, RefundLine
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import cancel_order, refund_order, write_off_debt
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.values import LineRequest, MemberRef, TenderRequest
from shuke.core.values import SYSTEM, Actor
from shuke.ledger.models import Account, Entry, Lot
from shuke.ledger.queries import reconcile
from shuke.loyalty.books import capture_hold, place_hold
from shuke.loyalty.counters import verify_counters
from shuke.loyalty.models import Standing, TierChange
from tests.checkout.refunds.twins import BEGIN, random_part, random_programme
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
BOSS = Actor("staff", TILL.id, "boss")
ONE = RefundRequest(lines=(LineBack(1, quantity=1000),))


def claim(order: dict[str, Any], member: Any, now: Any) -> dict[str, Any]:
    code = receipt_code(UUID(order["id"]), order["number"])
    return attach_order(actor=TILL, receipt=code, member=MemberRef("id", str(member.id)), now=now)


def back(order: dict[str, Any], request: RefundRequest, now: Any) -> dict[str, Any]:
    return refund_order(actor=TILL, order_id=order["id"], reason="returned", now=now, request=request)


def standing(member: Any) -> Any:
    return Standing.objects.filter(member=member).values_list("tier", "since", "review_at").first()


def all_of(member: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Everything that the two ways must agree on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rule, asset, budget, period, day, sum(amount) FROM loyalty_use WHERE member_id = %s"
            " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
            [member.id],
        )
        uses = cursor.fetchall()
    row = Order.objects.get(id=order["id"])
    return {
        "accounts": sorted(
            Account.objects.filter(member_id=member.id).values_list("asset", "balance", "debt")
        ),
        "lots": sorted(
            Lot.objects.filter(member_id=member.id).values_list(
                "asset", "earned_at", "active_at", "expires_at", "amount", "remaining"
            ),
            key=repr,
        ),
        "entries": sorted(
            Entry.objects.filter(transfer__member_id=member.id, account="member").values_list(
                "transfer__kind", "asset", "amount"
            )
        ),
        "order": [
            getattr(row, name)
            for name in ("points_earned", "growth_earned", "refunded_points", "refunded_growth",
                         "refunded_qualifying_minor", "refunded_sales_minor", "status", "tier")
        ],
        "refunds": list(
            Refund.objects.filter(order=row).order_by("seq").values_list(
                "points_clawed_back", "growth_clawed_back", "points_owed", "points_settled", "debt_created",
                "sales_minor", "payable_minor",
            )
        ),
        "lines": list(
            RefundLine.objects.filter(order_id=row.id).order_by("refund__seq", "line_no").values_list(
                "line_no", "points_clawed_back", "growth_clawed_back"
            )
        ),
        "holders": set(Refund.objects.filter(order=row).values_list("member_id", flat=True)) - {member.id},
        "standing": standing(member),
        "changes": list(
            TierChange.objects.filter(member_id=member.id).order_by("id").values_list("to_tier", "cause", "metric")
        ),
        "uses": uses,
    }  # fmt: skip


def books_add_up() -> None:
    assert reconcile().differences == ()
    assert verify_orders()[1] == []
    assert verify_counters() == []
    assert replay_tiers().differences == ()


@pytest.mark.parametrize("seed", range(14))
def test_claim_and_refunds_come_to_the_same_in_either_order(seed: int) -> None:
    random, now = Random(seed), BEGIN
    make_shop()
    programme = random_programme(random)
    programme["policies"]["tier_on_refund"] = random.choice(["at_once", "period_end"])
    if programme["policies"]["refund_shortfall"] == "cash_value":
        programme["policies"]["refund_shortfall"] = "debt"  # money that was handed out is not asked back
    programme["earning"] += [
        {"id": "welcome", "asset": "points", "fixed": 40, "budget": "opening"},
        {"id": "stars2", "asset": "stars", "give": 1, "per": "3.00"},
    ]
    # What the first way leaves of the budget is what the second one finds: all comes back, or there is plenty.
    keeps = programme["policies"]["refund_earned_points"] == "keep"
    programme["budgets"] = [
        {
            "id": "opening",
            "name": {"zh-Hans": "预算"},
            "limit": 9_000 if keeps else 30,
            "period": "month",
        }
    ]
    publish(effective_at=now, **programme)
    lines = tuple(
        LineRequest(
            random.choice("AB"), random.choice([1000, 3000, 7000]), list_minor=random.randint(1, 90_000)
        )
        for _ in range(random.randint(1, 4))
    )
    found, owes = [], random.choice([0, 0, 7, 400])
    seeds = random.randrange(10**9)
    for claims_first in (True, False):
        with_same = Random(seeds)
        member = make_member(now=now)
        if owes:
            old = sell(("A", owes), member=member, now=now)
            give_away(member, now)
            back(old, ALL_THAT_IS_LEFT, now)
        order = sell(line_requests=lines, now=now)
        later = now + timedelta(hours=1)
        if claims_first:
            claim(order, member, later)
        for _ in range(with_same.randint(1, 4)):
            request = random_part(with_same, order["id"])
            if request == ALL_THAT_IS_LEFT:
                break
            back(order, request, later)
            if Order.objects.get(id=order["id"]).status != "committed":
                return  # nothing is left to claim
        if not claims_first:
            told = claim(order, member, later)
            clawed = Refund.objects.filter(order_id=order["id"]).values_list("points_clawed_back", flat=True)
            assert told["points_taken_back"] == sum(clawed)
        books_add_up()
        now_held = all_of(member, order)
        rest = back(order, ALL_THAT_IS_LEFT, later)
        figures = {
            k: rest[k] for k in ("points_clawed_back", "growth_clawed_back", "debt_created", "tenders")
        }
        found.append({**now_held, "rest": figures, "in the end": all_of(member, order)})
        books_add_up()
    for figure in found[0]:
        assert found[0][figure] == found[1][figure], figure


def give_away(member: Any, now: Any) -> None:
    """Nothing is left of what can be spent, so that the return leaves a debt."""
    lots = Lot.objects.filter(member_id=member.id, asset="points", active_at__lte=now)
    free = sum(lots.values_list("remaining", flat=True))
    if free:
        held = place_hold(
            actor=SYSTEM, member_id=member.id, asset="points", amount=free, reason="a trip", now=now
        )
        capture_hold(actor=SYSTEM, hold_id=held.id, now=now)


def test_what_went_back_before_the_claim_earns_nothing_and_what_is_left_does() -> None:
    make_shop()
    member = make_member(now=BEGIN)
    order = sell(("A", 10), now=BEGIN)
    back(order, RefundRequest(lines=(LineBack(1, quantity=3000),)), BEGIN)
    told = claim(order, member, BEGIN)
    assert (told["points_earned"], told["points_taken_back"]) == (100, 30)
    assert Account.objects.get(member_id=member.id, asset="points").balance == 70
    assert back(order, ALL_THAT_IS_LEFT, BEGIN)["points_clawed_back"] == 70
    assert Account.objects.get(member_id=member.id, asset="points").balance == 0
    books_add_up()


def test_a_tier_is_reached_by_what_is_left() -> None:
    make_shop()
    member, other = make_member(now=BEGIN), make_member(now=BEGIN)
    order, second = sell(("A", 100), now=BEGIN), sell(("A", 110), now=BEGIN)
    for each in (order, second):
        back(each, ONE, BEGIN)
    assert claim(order, member, BEGIN)["tier"] is None
    assert Standing.objects.get(member=member).tier == "classic"
    assert claim(second, other, BEGIN)["tier"] == {"from": "classic", "to": "silver"}
    books_add_up()


def test_nothing_that_is_all_back_is_claimed() -> None:
    make_shop()
    order, member = sell(("A", 2), now=BEGIN), make_member(now=BEGIN)
    back(order, ONE, BEGIN)
    back(order, ONE, BEGIN)
    with pytest.raises(errors.AlreadyRefunded):
        claim(order, member, BEGIN)
    assert not Account.objects.filter(member_id=member.id).exists()


def test_a_cancellation_takes_back_whatever_the_policy_of_refunds() -> None:
    make_shop(policies={"refund_earned_points": "keep"})
    member = make_member(now=BEGIN)
    order = sell(("A", 10), now=BEGIN, facts={"delivery": "pending"})
    cancel_order(actor=TILL, order_id=order["id"], reason="late", now=BEGIN, request=ONE)
    back(order, ONE, BEGIN)
    told = claim(order, member, BEGIN)
    assert (told["points_earned"], told["points_taken_back"]) == (100, 10)
    books_add_up()


def test_what_it_leaves_owed_can_be_written_off() -> None:
    make_shop(policies={"refund_shortfall": "write_off"})
    member = make_member(now=BEGIN)
    old = sell(("A", 10), member=member, now=BEGIN)
    give_away(member, BEGIN)
    back(old, ALL_THAT_IS_LEFT, BEGIN)
    order = sell(("A", 10), now=BEGIN)
    refunded = back(order, RefundRequest(lines=(LineBack(1, quantity=4000),)), BEGIN)
    claim(order, member, BEGIN)
    # The 100 earned paid the debt of 100; of these 40 were taken back and are owed again, by this refund.
    assert Account.objects.get(member_id=member.id, asset="points").debt == 40
    done = write_off_debt(actor=BOSS, refund_id=refunded["id"], reason="goodwill", now=BEGIN)
    assert done["points_written_off"] == 40
    books_add_up()


@pytest.mark.parametrize("claimed", [False, True])
def test_what_paid_a_claimed_sale_counts_as_if_the_card_had_been_shown(claimed: bool) -> None:
    rate = {"code": "vat", "name": {"zh-Hans": "增值税"}, "percent": "13"}
    low = {"code": "low", "name": {"zh-Hans": "低税率"}, "percent": "1"}
    wechat = {"id": "wechat", "asset": "points", "fixed": 7, "when": {"tenders": ["wechat"]}}
    base = [{"id": "base", "asset": "points", "give": 1, "per": "1.00"}, wechat]
    make_shop(
        gift_cards={"earns": False},
        earning=base,
        taxes={"prices": "inclusive", "tax_earns": False, "rates": [rate, low], "default": "vat"},
    )
    member = make_member(now=BEGIN)
    card = issue_gift_cards(actor=TILL, face_minor=6000, count=1, now=BEGIN)[0]
    (code,) = codes_of([card.id])
    activate_gift_cards(actor=TILL, codes=[code], store="S1", tender="cash", now=BEGIN)
    tenders = (TenderRequest("gift_card", code=code), TenderRequest("wechat"))
    lines = (LineRequest("A", 10_000, tax="low"),)
    more = {"line_requests": lines, "tenders": tenders, "now": BEGIN}
    if claimed:
        claim(sell(**more), member, BEGIN)
    else:
        sell(member=member, **more)
    order = Order.objects.get()
    # 100.00 less 0.99 of tax, less the six tenths that the gift card paid: 39.60, and seven for paying by wallet.
    assert (order.qualifying_minor, order.points_earned) == (3960, 39 + 7)
    assert Account.objects.get(member_id=member.id, asset="points").balance == 46
    assert replay_tiers().differences == ()
    books_add_up()
