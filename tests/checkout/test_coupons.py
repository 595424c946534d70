"""Coupons on real sales: found, priced, written, told why not, given back; what was quoted is what is committed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import translation

from shuke.checkout.errors import CouponNotUsable, TooManyCoupons
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import get_order
from shuke.checkout.refunds import quote_refund, refund_order, void_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.values import BEST, LineRequest, TenderRequest
from shuke.core.models import IdempotentCall, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import programme_at
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Counter, Coupon, Use
from shuke.rewards.operations import download_codes, generate_codes, issue_coupons, order_codes
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
NAME = {"zh-Hans": "券", "en": "Coupon"}


def coupon(code: str, kind: str = "amount_off", **terms: Any) -> dict[str, Any]:
    if kind == "amount_off":
        terms = {"amount": "3.00", **terms}
    return {"code": code, "name": NAME, "type": kind, **terms}


def give(member: Any, code: str, count: int = 1, now: datetime = NOW) -> list[str]:
    """Hand out pieces under the programme in force; their ids."""
    in_force = programme_at(now)
    assert in_force
    issued = issue_coupons(
        actor=SYSTEM,
        template=in_force.programme.coupons[code],
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        member_ids=[member.id],
        source="manual",
        reference=f"{code}{now.isoformat()}",
        now=now,
        count=count,
    )
    return [str(coupon_id) for coupon_id, _member in issued.coupons]


def quote(*lines: tuple[str, int], now: datetime = NOW, **more: Any) -> dict[str, Any]:
    return quote_order(actor=TILL, sale=sale(*lines, **more), now=now)


def whole(figures: Any) -> Any:
    return json.loads(json.dumps(figures, default=str))


def assert_all_is_right() -> None:
    assert verify_orders()[1] == []
    assert verify_coupons()[1] == []
    assert reconcile().is_clean


def test_a_piece_is_used_once_and_told_on_lines_header_and_history():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    cart = {"member": member, "coupons": (piece,)}
    quoted = quote(("A", 1), ("B", 2), **cart)
    sold = sell(("A", 1), ("B", 2), now=NOW, **cart)
    assert (sold["list_minor"], sold["discount_minor"], sold["payable_minor"]) == (1500, 300, 1200)
    assert whole(quoted["lines"]) == sold["lines"]
    detail = [line["discounts"] for line in sold["lines"]]
    assert detail == [
        [{"kind": "coupon", "code": "three", "minor": 200, "coupon": piece}],
        [{"kind": "coupon", "code": "three", "minor": 100, "coupon": piece}],
    ]
    (told,) = sold["coupons"]
    assert (told["coupon"], told["status"], told["minor"], told["template"]) == (piece, "used", 300, "three")
    row = Coupon.objects.get(id=piece)
    assert (row.state, str(row.order_id), row.value_minor) == ("used", sold["id"], 300)
    assert get_order(order_id=UUID(sold["id"]))["coupons"] == [
        {"template": "three", "coupon_id": UUID(piece), "minor": 300, "is_undone": False}
    ]
    event = OutboxEvent.objects.filter(name="checkout.order_committed.v1").get().payload
    assert event["coupons"] == [{"template": "three", "minor": 300}]
    with pytest.raises(CouponNotUsable) as refused:
        sell(("A", 1), now=NOW, **cart)
    assert (refused.value.params["cause"], refused.value.field) == ("used_before", "coupons/0")
    assert Order.objects.count() == 1
    assert_all_is_right()


def test_coupons_come_after_the_tier_and_before_points():
    make_shop(coupons=[coupon("tenth", "percent_off", percent="10")])
    member = make_member(now=NOW)
    sell(("A", 100), member=member, now=NOW)  # silver: 2 % off
    (piece,) = give(member, "tenth")
    sold = sell(("A", 10), member=member, now=NOW, coupons=(piece,), points=1000)
    # 100.00 − 2 % = 98.00; − 10 % = 88.20; points pay 10.00
    assert (sold["sales_minor"], sold["points_minor"], sold["payable_minor"]) == (8820, 1000, 7820)
    kinds = [each["kind"] for each in sold["lines"][0]["discounts"]]
    assert kinds == ["tier", "coupon"]
    assert_all_is_right()


def test_the_quote_tells_every_coupon_what_it_gives_would_give_or_why_not():
    make_shop(
        coupons=[
            coupon("three", stacking={"group": "g"}),
            coupon("two", amount="2.00", stacking={"group": "g"}),
            coupon("tenth", "percent_off", percent="10"),
            coupon("big", "threshold", minimum_spend="50.00", amount="9.00"),
            coupon("old", validity={"days_after_issue": 1}),
            coupon("night", scope={"day_parts": [{"from": "22:00", "to": "02:00"}]}),
        ]
    )
    member = make_member(now=NOW)
    pieces = {code: give(member, code)[0] for code in ("three", "two", "tenth", "big", "night")}
    pieces["old"] = give(member, "old", now=NOW - timedelta(days=5))[0]
    with translation.override("en"):
        answer = quote(("A", 2), member=member, coupons=(pieces["three"], "nonsense"), all_coupons=True)
    by_id = {each["coupon"]: each for each in answer["coupons"]}
    rows = {code: by_id[piece] for code, piece in pieces.items()}
    assert answer["payable_minor"] == 1700
    assert (rows["three"]["status"], rows["three"]["minor"]) == ("used", 300)
    assert (rows["tenth"]["status"], rows["tenth"]["minor"]) == ("usable", 170)
    assert (rows["two"]["reason"], rows["two"]["message"]) == (
        "not_with",
        "It cannot be used together with “Coupon”.",
    )
    assert rows["big"]["message"] == "It needs ¥50.00 of its goods, and there are ¥20.00: ¥30.00 more."
    assert rows["night"]["message"] == "It counts only at these times of the day: 22:00–02:00."
    assert (rows["old"]["reason"], rows["old"]["message"]) == ("expired", "It was valid until 6 Mar 2026.")
    nothing = by_id["…ense"]
    assert (nothing["asked"], nothing["status"], nothing["message"]) == (
        1,
        "refused",
        "There is no such coupon.",
    )
    with translation.override("zh-hans"):
        again = quote(("A", 2), member=member, coupons=(pieces["big"],))
    assert again["coupons"][0]["message"] != rows["big"]["message"]


def test_best_is_the_same_in_quote_and_commit_and_never_refuses():
    make_shop(
        coupons=[
            coupon("five", amount="5.00", stacking={"exclusive": True}),
            coupon("three"),
            coupon("tenth", "percent_off", percent="10"),
        ]
    )
    member = make_member(now=NOW)
    pieces = {code: give(member, code)[0] for code in ("five", "three", "tenth")}
    small = quote(("A", 2), member=member, coupons=(BEST,))
    assert small["payable_minor"] == 1500  # five alone beats three and a tenth of the rest: 3.00 + 1.70
    large = quote(("A", 5), member=member, coupons=(BEST, "unheard-of"))
    sold = sell(("A", 5), member=member, now=NOW, coupons=(BEST, "unheard-of"))
    assert large["payable_minor"] == sold["payable_minor"] == 5000 - 300 - 470
    assert {each["coupon"] for each in sold["coupons"]} == {pieces["three"], pieces["tenth"]}
    assert Coupon.objects.get(id=pieces["five"]).state == "held"
    assert (
        sell(("B", 1), now=NOW, coupons=(BEST,))["payable_minor"] == 250
    )  # nobody there: nothing to choose from
    assert_all_is_right()


@pytest.mark.parametrize(
    ("who", "cause"), [("nobody", "member_needed"), ("other", "other_member"), ("owner", "")]
)
def test_a_piece_is_its_holders(who: str, cause: str):
    make_shop(coupons=[coupon("three")])
    people = {"owner": make_member(now=NOW), "other": make_member(now=NOW), "nobody": None}
    (piece,) = give(people["owner"], "three")
    answer = quote(("A", 1), member=people[who], coupons=(piece,))
    assert (answer["coupons"][0]["reason"] or "") == cause
    assert answer["payable_minor"] == (1000 if cause else 700)


def test_a_public_code_draws_on_its_stock_and_its_budget():
    limits = {"stock": 2, "budget": "5.00", "alarm_percent": 50}
    make_shop(coupons=[coupon("open", public_code="LUNCH", limits=limits)])
    assert sell(("A", 1), now=NOW, coupons=(" lunch ",))["payable_minor"] == 700
    answer = quote(("A", 1), coupons=("LUNCH",))
    assert answer["coupons"][0]["reason"] == "budget_spent"  # 2.00 left, 3.00 needed
    with pytest.raises(CouponNotUsable) as refused:
        sell(("A", 1), now=NOW, coupons=("LUNCH",))
    assert refused.value.params["cause"] == "budget_spent"
    counter = Counter.objects.get(template="open")
    assert (counter.issued, counter.used, counter.given_minor) == (1, 1, 300)
    assert (
        OutboxEvent.objects.filter(name="rewards.budget_alarm.v1").count() == 2
    )  # stock and money, each once
    assert_all_is_right()


def test_a_members_limit_counts_by_local_days():
    limits = {"per_member": 1, "per_member_per": "day"}
    make_shop(coupons=[coupon("open", public_code="DAILY", limits=limits)])
    member = make_member(now=NOW - timedelta(days=9))
    sell(("A", 1), member=member, now=NOW, coupons=("DAILY",))
    with pytest.raises(CouponNotUsable) as refused:
        sell(("A", 1), member=member, now=NOW + timedelta(hours=11), coupons=("DAILY",))
    assert refused.value.params["cause"] == "member_limit"
    midnight = datetime(2026, 3, 10, 16, tzinfo=UTC)  # of Shanghai
    assert sell(("A", 1), member=member, now=midnight, coupons=("DAILY",))["payable_minor"] == 700
    assert quote(("A", 1), coupons=("DAILY",))["coupons"][0]["reason"] == "member_needed"


def test_unique_codes_become_pieces_and_are_never_told_whole():
    make_shop(coupons=[coupon("flyer", validity={"until": "2026-12-31"})])
    in_force = programme_at(NOW)
    assert in_force
    job = order_codes(
        actor=SYSTEM,
        template=in_force.programme.coupons["flyer"],
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        count=2,
        note="",
        now=NOW,
    )
    generate_codes(job_id=job.id, now=NOW)
    code = list(download_codes(actor=SYSTEM, job_id=job.id, now=NOW, reason="t"))[-1]
    quoted = quote(("A", 1), coupons=(code.lower(),))
    assert quoted["payable_minor"] == 700
    plain = code.replace("-", "")
    assert plain not in json.dumps(whole(quoted)) and code not in json.dumps(whole(quoted))
    sold = sell(("A", 1), now=NOW, coupons=(code,), key="k")
    assert sold["coupons"][0]["coupon"] == f"…{plain[-4:]}"
    piece = Coupon.objects.get(id=sold["coupons"][0]["coupon_id"])
    assert (piece.state, piece.last_four, str(piece.order_id)) == ("used", plain[-4:], sold["id"])
    stored = bytes(IdempotentCall.objects.get().body).decode()
    assert plain not in stored and code not in stored
    with pytest.raises(CouponNotUsable) as refused:
        sell(("A", 1), now=NOW, coupons=(code,))
    assert refused.value.params["cause"] == "used_before"
    refund_order(actor=TILL, order_id=UUID(sold["id"]), reason="r", now=NOW)
    assert sell(("A", 1), now=NOW, coupons=(code,))["payable_minor"] == 700
    assert_all_is_right()


def test_a_piece_keeps_what_it_promised_within_the_limits_of_today():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    first, second, third = give(member, "three", 3)
    publish(
        effective_at=NOW + timedelta(days=1),
        coupons=[coupon("three", amount="1.00", limits={"budget_count": 1})],
    )
    later = NOW + timedelta(days=2)
    assert sell(("A", 1), member=member, now=later, coupons=(first,))["payable_minor"] == 700
    assert quote(("A", 1), member=member, coupons=(second,), now=later)["coupons"][0]["reason"] == "used_up"
    publish(effective_at=NOW + timedelta(days=3))  # the programme forgets the template: the piece does not
    end = NOW + timedelta(days=4)
    assert sell(("A", 1), member=member, now=end, coupons=(third,))["payable_minor"] == 700


def test_a_full_refund_gives_the_coupon_back_and_a_part_leaves_it_used():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    sold = UUID(sell(("A", 2), ("B", 4), member=member, now=NOW, coupons=(piece,))["id"])
    total = Order.objects.get(id=sold).payable_minor
    part = refund_order(
        actor=TILL, order_id=sold, reason="r", now=NOW, request=RefundRequest((LineBack(1, 1000),))
    )
    assert (part["payable_minor"], part["coupons"]) == (900, [])  # 20.00 − its 2.00, half of it
    assert Coupon.objects.get(id=piece).state == "used"
    planned = quote_refund(actor=TILL, order_id=sold, now=NOW)
    rest = refund_order(actor=TILL, order_id=sold, reason="r", now=NOW)
    assert (
        planned["coupons"]
        == rest["coupons"]
        == [{"coupon_id": UUID(piece), "template": "three", "state": "held"}]
    )
    assert part["payable_minor"] + rest["payable_minor"] == total
    assert Counter.objects.get(template="three").given_minor == 0
    assert sell(("A", 1), member=member, now=NOW, coupons=(piece,))["payable_minor"] == 700
    assert_all_is_right()


@pytest.mark.parametrize(
    ("policy", "act", "state"),
    [("void", refund_order, "void"), ("void", void_order, "held"), ("restore", refund_order, "held")],
)
def test_the_policy_decides_unless_the_sale_never_was(policy: str, act: Any, state: str):
    make_shop(coupons=[coupon("three")], policies={"refund_coupon": policy})
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    sold = sell(("A", 1), member=member, now=NOW, coupons=(piece,))
    act(actor=TILL, order_id=UUID(sold["id"]), reason="r", now=NOW)
    assert Coupon.objects.get(id=piece).state == state
    assert_all_is_right()


def test_what_lapsed_meanwhile_stays_lapsed():
    make_shop(coupons=[coupon("three", validity={"days_after_issue": 1})])
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    sold = sell(("A", 1), member=member, now=NOW, coupons=(piece,))
    late = NOW + timedelta(days=5)
    planned = quote_refund(actor=TILL, order_id=UUID(sold["id"]), now=late)
    done = refund_order(actor=TILL, order_id=UUID(sold["id"]), reason="r", now=late)
    assert planned["coupons"] == done["coupons"]
    assert done["coupons"][0]["state"] == "expired"
    assert_all_is_right()


def test_goods_tenders_and_fixed_prices():
    make_shop(
        coupons=[
            coupon("cup", "gift_item", gift={"skus": ["B"]}, minimum_spend="20.00"),
            coupon("wallet", scope={"tenders": ["wechat"]}),
        ]
    )
    member = make_member(now=NOW)
    (cup,), (wallet,) = give(member, "cup"), give(member, "wallet")
    answer = quote(("A", 2), member=member, coupons=(cup, wallet))
    assert [each["reason"] for each in answer["coupons"]] == ["put_in_cart", "wrong_tender"]
    paid = sell(
        ("A", 2), ("B", 1), member=member, now=NOW, coupons=(cup, wallet), tenders=(TenderRequest("wechat"),)
    )
    assert [line["payable_minor"] for line in paid["lines"]] == [1700, 0]
    fixed = quote(("A", 2), member=member, coupons=(cup,), settled=True)
    assert fixed["coupons"][0]["reason"] == "prices_fixed"


def test_too_many_coupons_and_one_named_twice():
    make_shop(coupons=[coupon("open", public_code="OPEN")])
    with pytest.raises(TooManyCoupons):
        quote(("A", 1), coupons=tuple(f"c{n}" for n in range(41)))
    answer = quote(("A", 1), coupons=("open", "OPEN"))
    assert [each["reason"] for each in answer["coupons"]] == [None, "named_twice"]
    assert answer["payable_minor"] == 700


def test_brands_are_read_for_a_coupon_that_looks_at_them():
    make_shop(coupons=[coupon("sunny", public_code="SUN", scope={"brands": ["Sunny"]})])
    from shuke.catalog.models import Product

    Product.objects.filter(sku="A").update(brand="Sunny")
    sold = sell(("A", 1), ("B", 2), now=NOW, coupons=("SUN",))
    assert [line["payable_minor"] for line in sold["lines"]] == [700, 500]


def test_points_of_the_sale_itself_may_be_spent_after_coupons():
    make_shop(
        coupons=[coupon("tenth", "percent_off", percent="10", public_code="TEN")],
        policies={"spend_own_points": True},
    )
    member = make_member(now=NOW)
    answer = quote(("A", 1000), member=member, coupons=(BEST, "TEN"))
    limit = answer["points_limit"]
    assert answer["sales_minor"] == 900_000
    sold = sell(("A", 1000), member=member, now=NOW, coupons=("TEN",), points=limit)
    assert sold["points_used"] == limit > 0
    assert_all_is_right()


@pytest.mark.django_db(transaction=True)
def test_eight_tills_and_one_last_piece_of_a_public_code():
    make_shop(coupons=[coupon("open", public_code="RUSH", limits={"stock": 3, "budget": "8.00"})])
    barrier, outcomes = Barrier(8), list[str]()

    def rush(number: int) -> None:
        barrier.wait()
        try:
            sell(("A", 1), now=NOW, coupons=("RUSH",))
            outcomes.append("sold")
        except CouponNotUsable as refused:
            outcomes.append(refused.params["cause"])
        finally:
            connection.close()

    threads = [Thread(target=rush, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 8.00 pay two times 3.00, although three pieces are there.
    assert sorted(outcomes) == ["budget_spent"] * 6 + ["sold"] * 2
    assert Counter.objects.get(template="open").given_minor == 600
    assert OrderLine.objects.count() == 2
    assert_all_is_right()


@pytest.mark.django_db(transaction=True)
def test_one_piece_in_two_hands_is_used_once():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    barrier, outcomes = Barrier(4), list[str]()

    def rush() -> None:
        barrier.wait()
        try:
            sell(("A", 1), member=member, now=NOW, coupons=(piece,))
            outcomes.append("sold")
        except CouponNotUsable as refused:
            outcomes.append(refused.params["cause"])
        finally:
            connection.close()

    threads = [Thread(target=rush) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["sold"] + ["used_before"] * 3
    assert_all_is_right()


def test_a_difference_between_lines_and_uses_is_found():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    sold = sell(("A", 1), member=member, now=NOW, coupons=tuple(give(member, "three")))
    line = OrderLine.objects.get(order_id=sold["id"])
    OrderLine.objects.filter(order_id=sold["id"]).update(detail=[{**line.detail[0], "minor": 200}])
    (found,) = verify_orders()[1]
    assert (found.what, found.said, found.found) == ("coupons by line", 300, 200)


def test_a_weighed_line_and_replays():
    make_shop(coupons=[coupon("three")])
    member = make_member(now=NOW)
    (piece,) = give(member, "three")
    request = sale(line_requests=(LineRequest("A", 1350),), member=member, coupons=(piece,))
    first = commit_order(actor=TILL, sale=request, now=NOW, key="same", input_hash=b"h")
    again = commit_order(actor=TILL, sale=request, now=NOW, key="same", input_hash=b"h")
    assert again.replayed and again.body == first.body
    assert json.loads(first.body)["payable_minor"] == 1050
    assert Use.objects.count() == 1
