"""Sixty-four hands on one coupon: exactly as many as there are, never a cent over, and counters that equal their rows."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.db.models import Sum

from shuke.kit.ids import uuid7
from shuke.rewards import errors
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Alarm, Coupon, Use
from shuke.rewards.operations import claim_code, generate_codes, order_codes, pass_coupon, void_coupon
from shuke.rewards.operations.codes import download_codes
from shuke.rewards.queries import figures_of, find_code
from tests.core.races import race
from tests.factories.checkout import TILL
from tests.factories.core import NOW
from tests.factories.members import make_member
from tests.factories.rewards import VERSION, ZONE, issue, restore, template, use

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 64
HALF = CLIENTS // 2
ROUNDS = 3


def refused(error: Any) -> bool:
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") == "40001"


def uses(document: dict[str, Any], values: list[int]) -> int:
    """Use it for each of the values, as a till does; how often that went well."""
    done = 0
    for value in values:
        try:
            use({**document, "v": value})
        except OperationalError as error:
            if not refused(error):
                raise
        else:
            done += 1
    return done


@pytest.mark.parametrize(
    ("limits", "count", "minor"),
    [
        ({"s": 100}, 100, 100_000),
        ({"q": 100, "m": 100_000}, 100, 100_000),
        ({"s": 100, "m": 50_999}, 50, 50_000),
    ],
    ids=["pieces", "both", "money"],
)
def test_a_public_code_is_used_exactly_as_often_as_its_limits_allow(
    limits: dict[str, int], count: int, minor: int
) -> None:
    document = {"t": "ten", "a": 80, **limits}
    done = race([partial(uses, document, [1000] * ROUNDS)] * CLIENTS)
    assert sum(done) == count
    figures = figures_of(["ten"])["ten"]
    assert (figures.used, figures.given_minor) == (count, minor)
    rows = Use.objects.aggregate(uses=Sum("uses"), pieces=Sum("pieces"), minor=Sum("minor"))
    assert rows == {"uses": count, "pieces": figures.issued, "minor": minor}
    alarms = {each.kind: each.taken for each in Alarm.objects.all()}
    assert Alarm.objects.count() == len(alarms), "each alarm once, however many reach it together"
    assert verify_coupons()[1] == []


def test_odd_sums_fill_a_money_budget_without_passing_it() -> None:
    values = [[317 + client * 7, 1001, 89] for client in range(CLIENTS)]
    orders = {"t": "ten", "m": 40_003}
    race([partial(uses, orders, each) for each in values])
    given = figures_of(["ten"])["ten"].given_minor
    assert 40_003 - 1001 < given <= 40_003
    assert given == Use.objects.aggregate(minor=Sum("minor"))["minor"]
    assert verify_coupons()[1] == []


def test_uses_and_refunds_at_once_leave_room_for_exactly_what_came_back() -> None:
    document = {"t": "ten", "q": 20, "m": 20_000}
    orders = [use({**document, "v": 1000}) for _ in range(20)]

    def back(order_id: Any) -> int:
        return len(restore(order_id))

    outcomes = race(
        [partial(back, order_id) for order_id in orders[:8]] + [partial(uses, document, [1000] * 40)] * 8
    )
    assert outcomes[:8] == [1] * 8
    figures = figures_of(["ten"])["ten"]
    assert figures.used <= 20
    assert figures.used == 12 + sum(outcomes[8:])
    assert uses(document, [1000] * 20) == 20 - figures.used
    assert verify_coupons()[1] == []


def test_as_many_members_claim_a_piece_as_there_are_pieces() -> None:
    kind = template(public_code="HELLO", per_member=1, stock=50, alarm_percent=100)
    members = [make_member().id for _ in range(CLIENTS)]

    def claims(index: int) -> int:
        done = 0
        for member_id in (members[index], members[index], members[HALF + index]):
            try:
                claim_code(
                    actor=TILL,
                    member_id=member_id,
                    code="hello",
                    templates={kind.code: kind},
                    version_id=VERSION,
                    zone=ZONE,
                    now=NOW,
                )
            except (errors.CouponsOutOfStock, errors.CouponClaimLimit):
                continue
            done += 1
        return done

    done = race([partial(claims, index) for index in range(HALF)])
    assert sum(done) == Coupon.objects.count() == 50
    assert Coupon.objects.values("member_id").distinct().count() == 50
    assert Alarm.objects.get().taken == 50
    assert verify_coupons()[1] == []


def test_one_code_in_many_hands_belongs_to_one_of_them() -> None:
    kind = template()
    job = order_codes(actor=TILL, template=kind, version_id=VERSION, zone=ZONE, count=1, note="", now=NOW)
    generate_codes(job_id=job.id, now=NOW)
    (code,) = download_codes(actor=TILL, job_id=job.id, now=NOW, reason="printing")
    members = [make_member().id for _ in range(16)]
    outcomes = race(
        [
            partial(
                claim_code,
                actor=TILL,
                member_id=member_id,
                code=code,
                templates={kind.code: kind},
                version_id=VERSION,
                zone=ZONE,
                now=NOW,
            )
            for member_id in members
        ]
    )
    assert sum(isinstance(each, Coupon) for each in outcomes) == 1
    assert all(isinstance(each, Coupon | errors.CouponCodeTaken) for each in outcomes)
    assert verify_coupons()[1] == []


@pytest.mark.parametrize("is_claimed", [False, True])
def test_a_code_is_claimed_while_a_till_uses_it_and_neither_waits_for_the_other_for_ever(
    is_claimed: bool,
) -> None:
    kind = template()
    job = order_codes(actor=TILL, template=kind, version_id=VERSION, zone=ZONE, count=8, note="", now=NOW)
    generate_codes(job_id=job.id, now=NOW)
    anna = make_member().id
    for code in download_codes(actor=TILL, job_id=job.id, now=NOW, reason="printing"):
        found = find_code(code)
        assert found is not None
        claim = partial(
            claim_code,
            actor=TILL,
            member_id=anna,
            code=code,
            templates={kind.code: kind},
            version_id=VERSION,
            zone=ZONE,
            now=NOW,
        )
        term = {"t": kind.code, "v": 100, "a": 80}
        piece = {"c": claim().id} if is_claimed else {"b": found.blind.hex(), "f": code[-4:]}
        sales = [partial(use, {**term, **piece, "i": uuid7()}, member_id=anna) for _ in range(3)]
        for outcome in race([*sales, *[claim] * 3]):
            # A rival may have won; nobody was sacrificed because two waited for each other.
            assert isinstance(outcome, UUID | Coupon | errors.CouponCodeTaken) or refused(outcome)
    assert verify_coupons()[1] == []


def test_a_piece_is_used_passed_on_or_called_back_but_one_of_them() -> None:
    kind = template(transferable=True)
    anna, ben = make_member().id, make_member().id
    for nth in range(6):
        ((coupon_id, _member),) = issue(kind, anna, reference=f"r{nth}").coupons
        race(
            [
                partial(use, {"t": "ten", "c": coupon_id, "v": 700}, member_id=anna),
                partial(
                    pass_coupon, actor=TILL, coupon_id=coupon_id, receiver_id=ben, template=kind, now=NOW
                ),
                partial(void_coupon, actor=TILL, coupon_id=coupon_id, reason="mistake", now=NOW),
            ]
        )
        coupon = Coupon.objects.get(id=coupon_id)
        # Passed on first, it may still be called back; used or void, nothing follows.
        assert coupon.state in ("used", "held", "void")
        assert (coupon.state == "used") == (coupon.member_id == anna and coupon.value_minor == 700)
    assert verify_coupons()[1] == []
