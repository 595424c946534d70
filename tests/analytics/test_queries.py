"""Every figure of the overview against a plain recount of the base tables, for many ranges and store choices."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from shuke.analytics.logic import RECENCY_LIMITS, Cell, Metric, Period, frequency_orders
from shuke.analytics.models import StoreDay
from shuke.analytics.operations import refresh
from shuke.analytics.queries import (
    compare_stores,
    first_sale_day,
    freshness,
    member_ids_in_rfm,
    member_insights,
    overview,
    rfm_grid,
    tier_counts,
)
from shuke.analytics.zone import HOME
from shuke.checkout.models import Order
from shuke.checkout.refunds import refund_order
from shuke.core.errors import InvalidInput
from shuke.core.values import SYSTEM
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import forget_versions
from shuke.members.models import MemberStatus
from shuke.members.operations import change_status
from tests.analytics import recount
from tests.factories.analytics import CHAIN_NOW, Chain, buy, make_chain
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 22)  # in Shanghai
PERIODS = [
    Period.last_days(7, TODAY),
    Period.last_days(30, TODAY),
    Period.last_days(90, TODAY),
    Period.last_days(365, TODAY),
    Period(date(2026, 2, 1), date(2026, 3, 31)),
    Period(TODAY, TODAY),
]
CHOICES = [None, (), ("S1",), ("S2", "S4"), ("S5",)]


@pytest.fixture(autouse=True)
def _no_programme_of_another_test() -> None:
    forget_versions()


@pytest.fixture
def chain() -> Chain:
    made = make_chain()
    refresh(now=CHAIN_NOW, full=True)
    return made


def chosen(chain: Chain, codes: tuple[str, ...] | None) -> list[UUID] | None:
    return None if codes is None else chain.ids(*codes)


def test_the_chain_has_what_the_recounts_are_about(chain: Chain) -> None:
    year = Period.last_days(400, TODAY)
    assert recount.member_sales(year, None) > 0
    assert recount.ledger("redeemed", year, None) > 0
    assert recount.ledger("expired", year, None) > 0
    assert Order.objects.filter(status="refunded").count() >= 5
    assert Order.objects.filter(member=None).count() >= 5


def test_every_figure_is_the_recount(chain: Chain) -> None:
    for period, codes in product(PERIODS, CHOICES):
        stores = chosen(chain, codes)
        found = overview(period=period, stores=stores)

        def recounted(count: object, period: Period = period) -> Metric:
            assert callable(count)
            return Metric(count(period), count(period.previous), tuple(count(step) for step in period.steps))

        where = (period, codes)
        assert found.steps == period.steps, where
        assert found.member_sales == recounted(lambda p, s=stores: recount.member_sales(p, s)), where
        assert found.active_members == recounted(lambda p, s=stores: recount.active(p, s)), where
        assert found.new_members == recounted(lambda p, s=stores: recount.joined(p, s)), where
        assert found.points_in == recounted(lambda p, s=stores: recount.turned(p, s)[0]), where
        assert found.points_out == recounted(lambda p, s=stores: recount.turned(p, s)[1]), where
        assert found.points_outstanding == recounted(lambda p, s=stores: recount.outstanding(p.last, s)), (
            where
        )


def test_a_sale_belongs_to_the_local_day_of_the_shop() -> None:
    make_shop()
    member = make_member()
    before = datetime(2026, 11, 20, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    after = datetime(2026, 11, 20, 16, 1, tzinfo=UTC)  # 00:01 on the 21st
    sell(("A", 1), now=before, member=member)
    sell(("A", 2), now=after, member=member)
    refresh(now=CHAIN_NOW, full=True)
    assert dict(StoreDay.objects.values_list("day", "sales_minor")) == {
        date(2026, 11, 20): 1000,
        date(2026, 11, 21): 2000,
    }
    days = overview(period=Period(date(2026, 11, 20), date(2026, 11, 21)))
    assert days.member_sales.series == (1000, 2000)
    assert days.active_members == Metric(1, 0, (1, 1))
    insights = member_insights(member.id, now=CHAIN_NOW)
    assert insights is not None
    assert [hour for hour, orders in enumerate(insights.hours) if orders] == [0, 23]


def test_a_refund_counts_on_its_own_day_and_takes_the_visit_back() -> None:
    make_shop()
    member = make_member()
    sold = sell(("A", 30), now=CHAIN_NOW - timedelta(days=5), member=member)
    refund_order(actor=TILL, order_id=UUID(sold["id"]), reason="test", now=CHAIN_NOW - timedelta(days=2))
    refresh(now=CHAIN_NOW, full=True)
    figures = overview(period=Period(TODAY - timedelta(days=5), TODAY))
    assert figures.member_sales.series == (30000, 0, 0, -30000, 0, 0)
    assert figures.points_in.series == (300, 0, 0, 0, 0, 0)
    assert figures.points_out.series == (0, 0, 0, 300, 0, 0)
    assert figures.points_outstanding.series == (300, 300, 300, 0, 0, 0)
    assert figures.active_members.value == 0


def test_stores_beside_each_other(chain: Chain) -> None:
    for period, codes in product(PERIODS, CHOICES):
        stores = chosen(chain, codes)
        page = compare_stores(period=period, stores=stores, limit=50)
        assert [row.sales_minor for row in page.rows] == sorted(
            (r.sales_minor for r in page.rows), reverse=True
        )
        for row in page.rows:
            own = [row.store_id]
            assert row.sales_minor == recount.member_sales(period, own)
            assert row.previous_sales_minor == recount.member_sales(period.previous, own)
            assert row.members == recount.active(period, own)
            assert (row.points_in, row.points_out) == recount.turned(period, own)
            orders = Order.objects.filter(store_id=row.store_id, member__isnull=False).filter(
                occurred_at__gte=recount.within(period, None)["since"],
                occurred_at__lt=recount.within(period, None)["until"],
            )
            standing = orders.filter(status="committed")
            assert row.orders == standing.count()
            amounts = [order.sales_minor - order.refunded_sales_minor for order in standing]
            assert row.basket_minor == (int(sum(amounts) / len(amounts) + 0.5) if amounts else None)
        assert sum(row.sales_minor for row in page.rows) == recount.member_sales(period, stores)
        assert page.total == len(page.rows)


def test_stores_come_in_pages_of_one_order(chain: Chain) -> None:
    period = Period.last_days(365, TODAY)
    for sort in ("sales", "change", "orders", "members", "basket", "points_in", "points_out", "name"):
        whole = compare_stores(period=period, sort=sort, limit=50)
        assert whole.total == 4
        pages = [compare_stores(period=period, sort=sort, limit=2, offset=n) for n in (0, 2)]
        assert pages[0].rows + pages[1].rows == whole.rows
        other = compare_stores(period=period, sort=sort, descending=False, limit=50)
        assert {row.code for row in other.rows} == {"S1", "S2", "S3", "S4"}
        if sort in ("orders", "members", "name"):
            values = [getattr(row, sort) for row in other.rows]
            assert values == sorted(values)
    with pytest.raises(InvalidInput):
        compare_stores(period=period, sort="code; DROP TABLE")


def test_tiers_of_members_at_home(chain: Chain) -> None:
    Standing.objects.update_or_create(
        member=chain.members[0], defaults={"tier": "gold", "since": CHAIN_NOW, "review_at": None}
    )
    change_status(
        actor=SYSTEM,
        now=CHAIN_NOW,
        member_id=chain.members[13].id,
        status=MemberStatus.CLOSED,
        reason="x" * 5,
    )
    refresh(now=CHAIN_NOW, full=True)
    everybody = {tier.code: tier.members for tier in tier_counts(now=CHAIN_NOW)}
    standing = dict(Standing.objects.values_list("member_id", "tier"))
    expected = {"classic": 0, "silver": 0, "gold": 0}
    for member in chain.members[:13]:
        expected[standing.get(member.id, "classic")] += 1
    assert everybody == expected
    assert expected["gold"] >= 1
    split = [tier_counts(now=CHAIN_NOW, stores=chain.ids(code)) for code in ("S1", "S2", "S3", "S4", "S5")]
    nowhere = sum(expected.values()) - sum(tier.members for tiers in split for tier in tiers)
    assert nowhere == 1  # number 12 joined at no store and bought nothing; 13 is closed


def test_the_grid_is_the_recount_and_its_cells_list_the_same_members(chain: Chain) -> None:
    current = freshness()
    assert current.today == TODAY
    for codes in (None, ("S1",), ("S2", "S3", "S4")):
        stores = chosen(chain, codes)
        grid = rfm_grid(current=current, stores=stores)
        lower = 0
        for recency, limit in enumerate(RECENCY_LIMITS):
            for frequency in range(5):
                expected = recount.in_cell(
                    TODAY,
                    (lower, min(limit, 364)),
                    frequency_orders(frequency, current.frequency_starts),
                    stores,
                )
                cell = Cell(recency, frequency)
                assert grid.counts[recency][frequency] == len(expected)
                assert sorted(member_ids_in_rfm(cell, stores=stores, limit=200).ids) == expected
                assert sorted(_paged(cell, stores)) == expected
            lower = limit + 1
        assert grid.lapsed == len(recount.in_cell(TODAY, (365, 9999), (0, 0), stores))
    grid = rfm_grid(current=current)
    assert sum(map(sum, grid.counts)) + grid.lapsed + grid.never == len(chain.members)
    assert grid.never >= 2


def _paged(cell: Cell, stores: list[UUID] | None) -> list[UUID]:
    ids: list[UUID] = []
    cursor = None
    while True:
        page = member_ids_in_rfm(cell, stores=stores, cursor=cursor, limit=1)
        ids += page.ids
        cursor = page.next_cursor
        if cursor is None:
            return ids


def test_a_cell_outside_the_grid_and_a_foreign_cursor_are_refused(chain: Chain) -> None:
    for cell in (Cell(5, 0), Cell(0, 5), Cell(-1, 0)):
        with pytest.raises(InvalidInput):
            member_ids_in_rfm(cell)
    with pytest.raises(InvalidInput):
        member_ids_in_rfm(Cell(0, 0), cursor="made up")


def test_what_a_member_likes() -> None:
    make_shop()
    member = make_member()
    other = make_member()
    at = datetime(2026, 11, 2, 3, 15, tzinfo=UTC)  # 11:15 in Shanghai
    sell(("A", 5), ("B", 2), now=at, member=member)
    sell(("B", 1), now=at + timedelta(days=7), member=member, store="S2")
    sell(("B", 1), now=at + timedelta(days=8), member=member, store="S2")
    sell(("A", 1), now=at - timedelta(days=400), member=member)
    gone = sell(("A", 50), now=at + timedelta(days=9), member=member)
    refund_order(actor=TILL, order_id=UUID(gone["id"]), reason="test", now=at + timedelta(days=9, hours=1))
    refresh(now=CHAIN_NOW, full=True)
    insights = member_insights(member.id, now=CHAIN_NOW)
    assert insights is not None
    assert insights.first_order_at == at - timedelta(days=400)
    assert insights.last_order_at == at + timedelta(days=8)
    assert (insights.orders_year, insights.spend_year_minor) == (3, 6000)
    assert insights.categories == [("FOOD", 6000)]
    assert insights.brands == []
    assert [(name, orders) for _id, name, orders in insights.stores] == [("Second", 2), ("First", 1)]
    assert [hour for hour, orders in enumerate(insights.hours) if orders] == [11]
    assert insights.hours[11] == 3
    assert [orders for _month, orders in insights.months] == [0] * 11 + [3]
    assert insights.months[0][0] == date(2025, 12, 1)
    assert insights.cell == Cell(1, 2)
    quiet = member_insights(other.id, now=CHAIN_NOW)
    assert quiet is not None
    assert (quiet.cell, quiet.hours, quiet.categories, quiet.orders_year) == (None, [], [], 0)
    assert member_insights(UUID(int=1), now=CHAIN_NOW) is None


def test_before_the_first_refresh_there_is_nothing() -> None:
    assert freshness().as_of is None
    assert first_sale_day() is None
    assert overview(period=PERIODS[1]).member_sales == Metric(0, 0, (0,) * 30)
    assert rfm_grid(current=freshness()).counts == ((0,) * 5,) * 5
    assert tier_counts(now=CHAIN_NOW) == []
    assert member_ids_in_rfm(Cell(0, 0)).ids == []


def test_the_first_sale_of_the_chosen_stores(chain: Chain) -> None:
    assert first_sale_day(chain.ids("S5")) is None
    buy(chain, CHAIN_NOW, None, "S5", 1)
    refresh(now=CHAIN_NOW, full=True)
    assert first_sale_day(chain.ids("S5")) == TODAY
    days = [order.occurred_at.astimezone(HOME).date() for order in Order.objects.filter(store__code="S1")]
    assert first_sale_day(chain.ids("S1", "S5")) == min(days)
    assert first_sale_day() <= min(days)  # type: ignore[operator]
