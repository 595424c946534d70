"""Sales under programmes whose points wait, or lapse by inactivity; the import leaves the same lots as the till."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shuke.catalog.models import Product
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.logic import CartLine
from shuke.ledger.logic import WAITING
from shuke.ledger.models import Lot
from shuke.ledger.queries import balances_of, reconcile
from tests.factories.checkout import make_shop, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def points(**changes: object) -> dict[str, object]:
    return {"assets": {"points": {"name": {"zh-Hans": "积分"}, **changes}}}


def test_points_wait_until_full_days_have_passed() -> None:
    make_shop(**points(pending={"usable": "after_days", "days": 7}))
    member = make_member(now=NOON - DAY)
    sell(("A", 3), now=NOON, member=member)
    lot = Lot.objects.get(asset="points")
    assert (lot.active_at, lot.pending) == (datetime(2026, 3, 17, 16, tzinfo=UTC), True)
    before, after = (
        next(b for b in balances_of(member.id, at) if b.asset == "points")
        for at in (lot.active_at - timedelta(microseconds=1), lot.active_at)
    )
    assert (before.usable, before.pending) == (0, lot.amount)
    assert (after.usable, after.pending) == (lot.amount, 0)


def test_points_wait_for_an_event() -> None:
    make_shop(**points(pending={"usable": "on_event", "event": "delivered"}))
    member = make_member(now=NOON - DAY)
    sell(("A", 3), now=NOON, member=member)
    lot = Lot.objects.get(asset="points")
    assert (lot.active_at, lot.waits_for, lot.pending) == (WAITING, "delivered", True)
    assert not Lot.objects.get(asset="growth").pending


def test_a_sale_puts_off_the_end_of_points_that_lapse_by_inactivity() -> None:
    make_shop(**points(expiry={"model": "inactivity", "months": 3, "round_to": "month_end"}))
    member = make_member(now=NOON - DAY)
    sell(("A", 300), now=NOON, member=member)
    first = Lot.objects.get(asset="points")
    assert (first.expires_at, first.slides) == (datetime(2026, 6, 30, 16, tzinfo=UTC), True)
    sell(("A", 1), now=NOON + 40 * DAY, member=member)
    first.refresh_from_db()
    assert first.expires_at == datetime(2026, 7, 31, 16, tzinfo=UTC)
    # Nothing was bought until the points were gone: a later sale does not bring them back.
    sell(("A", 1), now=datetime(2026, 8, 1, 4, tzinfo=UTC), member=member)
    first.refresh_from_db()
    assert first.expires_at == datetime(2026, 7, 31, 16, tzinfo=UTC)
    assert reconcile().is_clean


@pytest.mark.parametrize(
    "asset",
    [
        {"pending": {"usable": "after_days", "days": 7}},
        {"pending": {"usable": "on_event", "event": "delivered"}},
        {"expiry": {"model": "inactivity", "months": 2, "round_to": "month_end"}},
        {"expiry": {"model": "rolling", "months": 2, "round_to": "quarter_end"}},
    ],
)
def test_the_import_leaves_the_lots_that_the_till_leaves(asset: dict[str, object]) -> None:
    store = make_shop(**points(**asset))
    sold, imported = make_member(now=NOON - DAY), make_member(now=NOON - DAY)
    # The fourth comes after everything that lapses by inactivity is gone.
    times = [NOON + days * DAY for days in (0, 20, 61, 190, 200)]
    for at in times:
        sell(("A", 3), now=at, member=sold)
    product = Product.objects.get(sku="A")
    lines = (CartLine(product.id, "A", "FOOD", 3000, 3000),)
    for number, chunk in enumerate((times[:2], times[2:])):
        commit_batch(
            reference="system:import",
            now=NOON + 300 * DAY,
            orders=[
                HistoricOrder("old", f"{number}-{at}", imported.id, store.id, "S1", "pos", at, lines)
                for at in chunk
            ],
        )
    fields = ("asset", "remaining", "earned_at", "active_at", "expires_at", "pending", "waits_for", "slides")
    lots = [
        sorted(Lot.objects.filter(member=member).values_list(*fields), key=str) for member in (sold, imported)
    ]
    assert lots[0] == lots[1]
    assert len({lot[4] for lot in lots[0]}) >= 2
    assert reconcile().is_clean
