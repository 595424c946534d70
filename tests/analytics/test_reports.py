"""Liability equals the ledger exactly; the settlement statement gives every cent to one pair of stores and takes it back."""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Sum
from typer.testing import CliRunner

from shuke.analytics.exports import liability_csv, settlement_csv
from shuke.analytics.finance import AGES
from shuke.analytics.queries import liability, settlement
from shuke.analytics.report_commands import app
from shuke.catalog.models import Store
from shuke.catalog.queries import store_names
from shuke.checkout.models import Order
from shuke.checkout.refunds import refund_order
from shuke.kit import clock
from shuke.ledger.models import Account, Entry, Lot
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import balances_of, reconcile
from shuke.loyalty.queries import asset_names_at, forget_versions
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.core import NOW
from tests.factories.ledger import owe
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
LONG_AGO = NOW - 3000 * DAY


@pytest.fixture
def shop() -> Iterator[Store]:
    yield make_shop()
    forget_versions()


def _history(seed: int) -> None:
    """Members who buy at two stores, pay with points, get refunds, let points lapse and fall into debt."""
    random = Random(seed)
    members = [make_member(now=NOW - 900 * DAY) for _ in range(4)]
    open_orders: list[UUID] = []
    for day in range(800, 0, -20):
        now = NOW - day * DAY
        member = random.choice(members)
        given = sell(
            ("A", random.randint(1, 40)),
            ("B", random.randint(1, 9)),
            now=now,
            member=member,
            points=random.choice([0, 0, 100, 300]) if _usable(member.id, now) >= 300 else 0,
            store=random.choice(["S1", "S2"]),
        )
        open_orders.append(UUID(given["id"]))
        if random.random() < 0.25:
            refund_order(
                actor=TILL,
                order_id=open_orders.pop(random.randrange(len(open_orders))),
                reason="back",
                now=now + DAY,
            )
        expire_lots(now=now + DAY)
    owe(members[0].id, 17, at=NOW - DAY)


def _usable(member_id: UUID, now: datetime) -> int:
    return next((b.usable for b in balances_of(member_id, now) if b.asset == "points"), 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_liability_is_the_ledger_now_and_at_any_instant(shop: Store, seed: int) -> None:
    _history(seed)
    report = liability(as_of=NOW, since=NOW - 30 * DAY)
    assert report.equals_ledger
    assert {asset.asset: asset.units for asset in report.assets} == dict(
        Account.objects.values_list("asset").annotate(Sum("balance"))
    )
    totals = reconcile().totals
    assert {asset.asset: (asset.units, asset.debt) for asset in report.assets} == totals
    points = report.assets[0]
    assert points.debt >= 0
    assert report.value_minor == report.deferred_minor + report.breakage_minor
    assert any(row.rate < 1 for row in points.rows), "points lapsed, so some breakage must be expected"
    for day in (700, 400, 45, 1):
        earlier = liability(as_of=NOW - day * DAY, since=NOW - (day + 90) * DAY)
        assert earlier.equals_ledger
        assert all(
            asset.opening + sum(f.units for f in asset.flows) == asset.units for asset in earlier.assets
        )


def _by_replay(as_of: datetime) -> dict[tuple[str, str, int], tuple[int, int]]:
    """(asset, state, class of age) → (lots, units), lot by lot from the entries."""
    moved: dict[UUID, int] = defaultdict(int)
    for lot_id, amount in Entry.objects.filter(
        account="member", lot_id__isnull=False, transfer__occurred_at__lte=as_of
    ).values_list("lot_id", "amount"):
        moved[lot_id] += amount
    found: dict[tuple[str, str, int], tuple[int, int]] = {}
    for lot in Lot.objects.all():
        if not moved[lot.id]:
            continue
        lapsed = lot.expires_at is not None and lot.expires_at <= as_of
        state = "pending" if lot.active_at > as_of else "lapsed" if lapsed else "usable"
        key = (lot.asset, state, bisect_right(AGES, (as_of - lot.earned_at).days))
        lots, units = found.get(key, (0, 0))
        found[key] = (lots + 1, units + moved[lot.id])
    return found


@pytest.mark.parametrize("seed", [4, 5])
def test_lots_by_age_are_what_a_replay_of_the_entries_gives(shop: Store, seed: int) -> None:
    _history(seed)
    # One lot that has lapsed and that no run has written off yet.
    sell(("A", 5), now=NOW - 500 * DAY, member=make_member(now=NOW - 600 * DAY))
    states = set()
    for as_of in (NOW, NOW - 45 * DAY, NOW - 333 * DAY, NOW - 650 * DAY):
        report = liability(as_of=as_of, since=as_of - 30 * DAY)
        rows = {
            (each.asset, row.state, row.age): (row.lots, row.units)
            for each in report.assets
            for row in each.rows
        }
        assert rows == _by_replay(as_of)
        states |= {state for _asset, state, _age in rows}
    assert states >= {"usable", "lapsed"}


def test_a_lot_that_tells_more_than_its_entries_is_told(shop: Store) -> None:
    sell(("A", 3), now=NOW - DAY, member=make_member())
    lot = Lot.objects.filter(asset="points").get()
    Lot.objects.filter(id=lot.id).update(remaining=lot.remaining - 1)
    report = liability(as_of=NOW, since=LONG_AGO)
    assert {asset.asset: asset.equals_ledger for asset in report.assets} == {"points": False, "growth": True}


def test_a_book_that_does_not_add_up_is_told(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member()
    sell(("A", 3), now=NOW - DAY, member=member)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    assert CliRunner().invoke(app, ["liability"]).exit_code == 0
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount)"
            " SELECT transfer_id, 99, member_id, 'member', 'points', 1 FROM ledger_entry LIMIT 1"
        )
    assert not liability(as_of=NOW, since=LONG_AGO).equals_ledger
    told = CliRunner().invoke(app, ["liability"])
    assert told.exit_code == 1
    assert "DIFFERENT" in told.output


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_every_cent_that_points_paid_is_settled_between_two_stores(shop: Store, seed: int) -> None:
    _history(seed)
    statement = settlement(since=LONG_AGO, until=NOW)
    kept = Order.objects.filter(status="committed").aggregate(Sum("points_minor"))["points_minor__sum"]
    assert statement.value_minor == kept
    assert (
        sum(row.units for row in statement.rows if row.asset == "points")
        == (Order.objects.filter(status="committed").aggregate(Sum("points_used"))["points_used__sum"])
    )
    assert sum(position.net for position in statement.positions) == 0
    cut = NOW - 333 * DAY
    parts = [settlement(since=LONG_AGO, until=cut), settlement(since=cut, until=NOW)]
    assert sum(part.value_minor for part in parts) == statement.value_minor
    assert sum(part.across_minor for part in parts) == statement.across_minor


def test_points_of_two_stores_are_shared_by_lots_and_a_refund_takes_it_back(shop: Store) -> None:
    other = Store.objects.get(code="S2")
    member = make_member(now=NOW - 60 * DAY)
    sell(("A", 7), now=NOW - 40 * DAY, member=member, store="S2")  # 70 points, the first to be used
    sell(("A", 50), now=NOW - 39 * DAY, member=member, store="S1")
    paid = sell(("A", 10), now=NOW - 20 * DAY, member=member, points=200, store="S1")
    statement = settlement(since=NOW - 30 * DAY, until=NOW)
    assert {(row.issuer, row.user): (row.units, row.value_minor) for row in statement.rows} == {
        (other.id, shop.id): (70, 70),
        (shop.id, shop.id): (130, 130),
    }
    assert statement.across_minor == 70
    by_store = {position.store: position.net for position in statement.positions}
    assert by_store == {str(shop.id): 70, str(other.id): -70}
    refund_order(actor=TILL, order_id=UUID(paid["id"]), reason="back", now=NOW - 5 * DAY)
    later = settlement(since=NOW - 10 * DAY, until=NOW)
    assert {(row.issuer, row.user): (row.returned, row.value_minor) for row in later.rows} == {
        (other.id, shop.id): (70, -70),
        (shop.id, shop.id): (130, -130),
    }
    assert settlement(since=NOW - 30 * DAY, until=NOW).value_minor == 0
    assert settlement(since=NOW - 30 * DAY, until=NOW - 6 * DAY, stores=[other.id]).value_minor == 70


def test_csv_is_read_back_as_it_was(shop: Store) -> None:
    Store.objects.filter(id=shop.id).update(name="=cmd|' /C calc'!A0")
    _history(1)
    report = liability(as_of=NOW, since=LONG_AGO)
    names = asset_names_at(NOW)
    lines = list(csv.reader(io.StringIO(liability_csv(report, names).removeprefix("\ufeff"))))
    totals = {line[0]: int(line[4]) for line in lines if line[2] == "total"}
    assert totals == {names(asset.asset): asset.units for asset in report.assets}
    moved = {line[0]: [int(cell) for cell in line[-3:]] for line in lines if line[2] == "total"}
    assert {name: opening + came - went for name, (opening, came, went) in moved.items()} == totals
    assert moved[names("points")][1] > moved[names("points")][2] > 0
    parts = [int(line[4]) for line in lines[1:] if line[0] == names("points") and line[2] != "total"]
    assert sum(parts) == totals[names("points")]
    statement = settlement(since=LONG_AGO, until=NOW)
    written = list(
        csv.reader(io.StringIO(settlement_csv(statement, store_names(), names).removeprefix("\ufeff")))
    )
    assert sum(round(float(line[10]) * 100) for line in written[1:]) == statement.value_minor
    assert any(line[3].startswith("'=cmd") for line in written[1:])


def test_the_commands_write_both_reports(
    shop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(2)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    told = CliRunner().invoke(app, ["liability", "--csv", f"{tmp_path}/l.csv", "--since", "2026-01-01"])
    assert told.exit_code == 0, told.output
    assert ": equal" in told.output
    told = CliRunner().invoke(app, ["settlement", "--from", "2024-01-01", "--csv", f"{tmp_path}/s.csv"])
    assert told.exit_code == 0, told.output
    assert "S1 First" in told.output
    for name in ("l", "s"):
        assert len((tmp_path / f"{name}.csv").read_text("utf-8-sig").splitlines()) > 2
