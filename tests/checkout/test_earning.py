"""Earning at the till: facts are read, caps and budgets taken in the sale's own commit, and an import agrees."""

from __future__ import annotations

import json
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from shuke.catalog.models import Product
from shuke.checkout.answers import receipt_code
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.errors import NotEnoughPoints
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.values import MemberRef
from shuke.ledger.models import Account, Entry, Lot
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import budget_states, verify_counters
from shuke.loyalty.groups import join_group
from shuke.loyalty.models import Use
from shuke.loyalty.queries import programme_at
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)  # Tuesday noon in Shanghai
NAME = {"zh-Hans": "规则"}


def rule(id: str = "base", **keys: Any) -> dict[str, Any]:
    effect = {} if "fixed" in keys else {"give": 1, "per": "1.00"}
    return {"id": id, "name": NAME, **effect, **keys}


def budget(limit: int, **keys: Any) -> dict[str, Any]:
    return {"id": "launch", "name": NAME, "limit": limit, **keys}


def used(rule_id: str) -> int:
    return sum(Use.objects.filter(rule=rule_id, budget=None).values_list("amount", flat=True))


@pytest.mark.django_db
def test_caps_by_order_day_month_and_member() -> None:
    make_shop(earning=[rule(caps={"order": 90, "day": 150, "month": 200, "member": 230})])
    member = make_member(now=NOW)

    def earns(at: datetime) -> int:
        quoted = quote_order(actor=TILL, sale=sale(("A", 10), member=member), now=at)
        sold = sell(("A", 10), member=member, now=at)
        assert quoted["earned"] == sold["earned"]
        return sold["points_earned"]

    assert [earns(NOW + timedelta(hours=h)) for h in range(3)] == [90, 60, 0]
    assert earns(NOW + timedelta(hours=12)) == 50  # the next local day; the month's cap
    april = NOW + timedelta(days=30)
    assert [earns(april), earns(april)] == [30, 0]  # 230 ever
    assert used("base") == 230
    assert reconcile().differences == ()


@pytest.mark.django_db
def test_what_rules_ask_of_the_member_and_the_goods_is_read() -> None:
    make_shop(
        earning=[
            rule("first", fixed=1, when={"first_purchase": True}),
            rule("later", fixed=10, when={"first_purchase": False}),
            rule("own", fixed=100, when={"brands": ["own"]}),
            rule("plus", fixed=1000, when={"plans": ["plus"], "segments": ["loyal"], "tags": ["vip"]}),
            rule("new", fixed=10_000, when={"tenure_days": {"to": 0}}),
        ]
    )
    Product.objects.filter(sku="A").update(brand="own")
    member = make_member(now=NOW, tags=["vip"])
    assert sell(("B", 4), member=member, now=NOW)["points_earned"] == 10_001
    join_group(kind="plan", code="plus", member_ids=[member.id], since=NOW)
    join_group(kind="segment", code="loyal", member_ids=[member.id], since=NOW, until=NOW + timedelta(days=2))
    later = NOW + timedelta(days=1)
    assert sell(("A", 1), member=member, now=later)["points_earned"] == 1_110
    assert sell(("B", 1), member=member, now=NOW + timedelta(days=3))["points_earned"] == 10


@pytest.mark.django_db(transaction=True)
def test_only_a_programme_that_asks_costs_a_statement(django_assert_num_queries: Any) -> None:
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 1), member=member, now=NOW)
    with django_assert_num_queries(0):  # the two statements of every sale go past Django's cursor
        sell(("A", 1), member=member, now=NOW)
    assert not Use.objects.exists()
    publish(effective_at=NOW, earning=[rule(caps={"day": 500})])
    sell(("A", 1), member=member, now=NOW)
    with django_assert_num_queries(1):
        sell(("A", 1), member=member, now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("short", ["give_rest", "give_nothing"])
def test_64_tills_never_overspend_a_budget(short: str) -> None:
    make_shop(earning=[rule(budget="launch")], budgets=[budget(1_000, when_short=short)])
    members = [make_member(now=NOW) for _ in range(32)]
    acts = [
        partial(commit_order, actor=TILL, sale=sale(("A", 3), member=members[n % 32]), now=NOW)
        for n in range(64)
    ]
    results = race(acts)
    assert [each for each in results if isinstance(each, BaseException)] == []
    got = Tally(json.loads(each.body)["points_earned"] for each in results)
    # 33 sales of 30 points, and the last 10 for one who buys 30.
    assert got == ({30: 33, 10: 1, 0: 30} if short == "give_rest" else {30: 33, 0: 31})
    in_force = programme_at(NOW)
    assert in_force is not None
    (state,) = budget_states(in_force.programme, NOW)
    assert state.used == (1_000 if short == "give_rest" else 990)
    assert verify_counters() == []
    assert sum(Account.objects.filter(asset="points").values_list("balance", flat=True)) == state.used
    assert reconcile().differences == ()


@pytest.mark.django_db(transaction=True)
def test_64_tills_on_one_member_never_break_a_cap() -> None:
    make_shop(earning=[rule(caps={"day": 500})])
    member = make_member(now=NOW)
    acts = [partial(commit_order, actor=TILL, sale=sale(("A", 3), member=member), now=NOW) for _ in range(64)]
    results = race(acts)
    assert [each for each in results if isinstance(each, BaseException)] == []
    assert Order.objects.count() == 64
    assert used("base") == Account.objects.get(asset="points").balance == 500


@pytest.mark.django_db
def test_a_budget_begins_anew_with_its_period_and_is_named_in_the_entry() -> None:
    make_shop(earning=[rule(budget="launch")], budgets=[budget(25, period="day")])
    member = make_member(now=NOW)
    assert [sell(("A", 2), member=member, now=NOW)["points_earned"] for _ in range(3)] == [20, 5, 0]
    assert sell(("A", 2), member=member, now=NOW + timedelta(hours=12))["points_earned"] == 20
    limited = Entry.objects.filter(account="member", amount=5).get()
    assert limited.explain["rules"] == [{"id": "base", "points": 5, "of": 20, "cut": "budget"}]


@pytest.mark.django_db
def test_a_refund_gives_caps_and_budgets_back_in_step() -> None:
    make_shop(earning=[rule(budget="launch", caps={"day": 100})], budgets=[budget(1_000)])
    member = make_member(now=NOW)
    order = UUID(sell(("A", 7), ("B", 12), member=member, now=NOW)["id"])  # 100 points
    seen = []
    for line, units in ((1, 1), (2, 1), (1, 6), (2, 11)):
        request = RefundRequest(lines=(LineBack(line, quantity=units * 1000),))
        refund_order(actor=TILL, order_id=order, reason="back", now=NOW, request=request)
        seen.append((used("base"), Account.objects.get(member=member, asset="points").balance))
    assert [room for room, _points in seen] == [points for _room, points in seen]
    assert seen[-1] == (0, 0)
    assert verify_counters() == []
    assert sell(("A", 10), member=member, now=NOW)["points_earned"] == 100  # the day's room is there again


@pytest.mark.django_db
def test_a_sale_claimed_by_its_receipt_draws_like_any_other() -> None:
    make_shop(
        earning=[rule(budget="launch", caps={"day": 50}, when={"first_purchase": True})], budgets=[budget(30)]
    )
    member = make_member(now=NOW)
    sold = sell(("A", 4), now=NOW)
    receipt = receipt_code(UUID(sold["id"]), sold["number"])
    attached = attach_order(
        actor=TILL, receipt=receipt, member=MemberRef("id", str(member.id)), now=NOW + timedelta(days=1)
    )
    assert attached["points_earned"] == used("base") == 30
    assert verify_counters() == []
    assert sell(("A", 4), member=member, now=NOW)["points_earned"] == 0  # not the first any more


@pytest.mark.django_db
def test_units_last_as_their_rule_says() -> None:
    make_shop(
        earning=[
            rule("base"),
            rule("short", fixed=5, expiry={"model": "fixed_date", "on": "2026-03-31"}),
            rule("late", fixed=7, pending={"usable": "after_days", "days": 3}),
            rule("quick", fixed=2, expiry={"model": "fixed_date", "on": "2026-03-31"}),
        ]
    )
    member = make_member(now=NOW)
    assert sell(("A", 1), member=member, now=NOW)["points_earned"] == 24
    april = datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert sorted(Lot.objects.values_list("amount", "expires_at")) == [
        (7, april), (7, april.replace(year=2027)), (10, april.replace(year=2027)),
    ]  # fmt: skip
    assert Lot.objects.get(active_at__gt=NOW).active_at == datetime(2026, 3, 13, 16, tzinfo=UTC)
    assert reconcile().differences == ()


# An order may spend what it earns -----------------------------------------------------------------------

ONE_TO_ONE = {"points": 1, "worth": "0.01", "step": 1, "minimum": 0, "max_percent": "100"}


def own_shop(**policies: Any) -> None:
    make_shop(
        earning=[rule(give=5)],
        redemption=ONE_TO_ONE,
        policies={"spend_own_points": True, "points_paid_earn": True, **policies},
    )


@pytest.mark.django_db
def test_an_order_spends_what_it_earns_where_the_policy_lets_it() -> None:
    # Odoo's expiry tests: 575 earned and 500 spent by one order leave a lot of 75; later 75 + 425 are taken.
    own_shop()
    member = make_member(now=NOW)
    first = sell(("A", 11), ("B", 2), member=member, now=NOW, points=500)
    assert (first["points_earned"], first["points_used"]) == (575, 500)
    assert Lot.objects.get().remaining == 75
    second = sell(("A", 16), ("B", 0 + 1), member=member, now=NOW + timedelta(days=1), points=500)
    assert second["points_earned"] == 810
    assert [lot.remaining for lot in Lot.objects.order_by("earned_at")] == [0, 810 - 425]
    assert reconcile().differences == ()


@pytest.mark.django_db
def test_more_than_it_earns_and_the_member_has_is_refused() -> None:
    # Odoo: a balance of 3 and 1 earned do not pay a reward of 5; the whole order is refused.
    own_shop()
    member = make_member(now=NOW)
    sell(("B", 1), member=member, now=NOW)  # 2.50 → 10 points
    with pytest.raises(NotEnoughPoints) as refusal:
        sell(("B", 1), member=member, now=NOW, points=21)
    assert refusal.value.params == {"asked": 21, "usable": 20}
    assert Order.objects.count() == 1
    assert sell(("B", 1), member=member, now=NOW, points=20)["points_used"] == 20


@pytest.mark.django_db
@pytest.mark.parametrize("paid_earn", [True, False])
def test_the_limit_that_a_quote_shows_is_a_limit_that_the_commit_accepts(paid_earn: bool) -> None:
    own_shop(points_paid_earn=paid_earn)
    member = make_member(now=NOW)
    limit = quote_order(actor=TILL, sale=sale(("A", 3), member=member), now=NOW)["points_limit"]
    assert limit > 0
    assert sell(("A", 3), member=member, now=NOW, points=limit)["points_used"] == limit
    assert reconcile().differences == ()


@pytest.mark.django_db
def test_without_the_policy_or_while_they_wait_own_points_do_not_pay() -> None:
    make_shop(earning=[rule(give=5)], redemption=ONE_TO_ONE)
    with pytest.raises(NotEnoughPoints):
        sell(("A", 3), member=make_member(now=NOW), now=NOW, points=1)


@pytest.mark.django_db
def test_own_points_that_wait_do_not_pay() -> None:
    make_shop(
        earning=[rule(give=5, pending={"usable": "after_days", "days": 1})],
        redemption=ONE_TO_ONE,
        policies={"spend_own_points": True},
    )
    with pytest.raises(NotEnoughPoints):
        sell(("A", 3), member=make_member(now=NOW), now=NOW, points=1)


# Quote and commit -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_quote_says_what_the_commit_gives_on_random_carts() -> None:
    make_shop(
        **{
            **IMPORTED,
            "earning": [
                *IMPORTED["earning"],
                rule("drawn", fixed=9, budget="launch", when={"order_amount": {"from": 30}}),
            ],
            "budgets": [budget(400, period="month")],
            "redemption": {**ONE_TO_ONE, "max_percent": "70"},
            "policies": {"spend_own_points": True},
        }
    )
    Product.objects.filter(sku="A").update(brand="own")
    random, at = Random(5), NOW
    members = [make_member(now=NOW, tags=tags) for tags in (["vip"], [], [])]
    for _ in range(200):
        at += timedelta(minutes=random.randrange(5, 900))
        lines = [(sku, random.randrange(1, 6)) for sku in random.sample(["A", "B"], random.randrange(1, 3))]
        member = random.choice(members)
        limit = quote_order(actor=TILL, sale=sale(*lines, member=member), now=at)["points_limit"]
        cart = sale(*lines, member=member, points=random.randrange(limit + 1))
        quoted = json.loads(msgspec.json.encode(quote_order(actor=TILL, sale=cart, now=at)))
        sold = json.loads(commit_order(actor=TILL, sale=cart, now=at).body)
        assert {key: sold[key] for key in quoted.keys() & sold.keys()} == {
            key: quoted[key] for key in quoted.keys() & sold.keys()
        }
        assert sum(line["points_earned"] for line in sold["lines"]) == sold["points_earned"]
    days: dict[Any, int] = {}
    for member_id, day, amount in Use.objects.filter(rule="base", budget=None).values_list(
        "member_id", "day", "amount"
    ):
        days[member_id, day] = days.get((member_id, day), 0) + amount
    assert max(days.values()) == 60
    assert verify_counters() == []
    assert reconcile().differences == ()


# The import ---------------------------------------------------------------------------------------------

IMPORTED: dict[str, Any] = {
    "earning": [
        rule(caps={"day": 60, "month": 150, "member": 400}),
        rule("first", fixed=33, when={"first_purchase": True}),
        rule("own", fixed=5, fixed_per="unit", when={"brands": ["own"], "except": {"skus": ["B"]}}),
        rule(
            "alone",
            give=3,
            stacking="exclusive",
            priority=5,
            when={"hours": [{"from": "22:00", "to": "06:00"}]},
        ),
        rule(
            "vip",
            fixed=7,
            multiplied=True,
            caps={"month": 20},
            when={"tags": ["vip"], "order_amount": {"from": 20}},
        ),
        rule(
            "short",
            fixed=2,
            expiry={"model": "fixed_date", "on": "2027-01-31"},
            when={"tenure_days": {"to": 40}},
        ),
    ],
    "multipliers": [
        {"id": "x2", "name": NAME, "factor": "2", "caps": {"day": 9}, "when": {"weekdays": ["sat", "sun"]}},
        {"id": "x3", "name": NAME, "factor": "3", "stacking": "exclusive", "when": {"birthday": "month"}},
    ],
}


@pytest.mark.django_db
def test_an_import_gives_what_the_till_gives() -> None:
    make_shop(**IMPORTED)
    Product.objects.filter(sku__in=["A", "B"]).update(brand="own")
    random = Random(11)
    begin = NOW - timedelta(days=5)
    pairs = [
        (make_member(now=begin, tags=tags), make_member(now=begin, tags=tags))
        for tags in (["vip"], [], ["vip"])
    ]
    at, historic, products = begin, [], {p.sku: p for p in Product.objects.all()}
    store = None
    for n in range(120):
        at += timedelta(minutes=random.randrange(10, 1200))
        till, imported = random.choice(pairs)
        lines = [(sku, random.randrange(1, 5)) for sku in random.sample(["A", "B"], random.randrange(1, 3))]
        sold = sell(*lines, member=till, now=at, settled=True, number=f"till-{n}")
        store = store or Order.objects.get(id=sold["id"]).store
        historic.append(
            HistoricOrder(
                "import", f"I{n}", imported.id, store.id, "S1", "pos", at,
                [
                    CartLine(str(products[sku].id), sku, "FOOD", units * 1000, products[sku].price_minor * units)
                    for sku, units in lines
                ],
            )
        )  # fmt: skip
    # In two batches, so that the second one reads what the first one counted.
    for batch in (historic[:50], historic[50:]):
        by_member = sorted(batch, key=lambda order: (order.member_id, order.occurred_at))
        commit_batch(reference="system:import", orders=by_member, now=at)

    def figures(member: Any) -> Any:
        orders = Order.objects.filter(member=member).order_by("occurred_at")
        explains = Entry.objects.filter(member_id=member.id, account="member", asset="points").order_by(
            "transfer__occurred_at", "seq"
        )
        return (
            list(orders.values_list("occurred_at", "points_earned", "growth_earned", "tier")),
            list(explains.values_list("amount", "explain")),
            sorted(
                Lot.objects.filter(member=member).values_list(
                    "amount", "earned_at", "active_at", "expires_at"
                )
            ),
            sorted(Use.objects.filter(member_id=member.id).values_list("rule", "asset", "day", "amount")),
        )

    for till, imported in pairs:
        assert figures(imported) == figures(till)
    assert Use.objects.values("rule").distinct().count() == 3
    assert reconcile().differences == ()
