"""Keep the figures: find what happened, and bring the days and members it touched up to date.

Sales and changes of the member file are read from the outbox. Points are not: whichever act moves them writes a transfer,
so the ledger itself is asked for its new ones, and no act can be forgotten.

Everything is recomputed from the base tables, never added to: an event that is read twice, a refund, a late import and
a rebuild all end in the same rows. A refresh is one transaction, so a page sees the figures of one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from shuke.analytics.logic import DAY, YEAR_DAYS, frequency_starts
from shuke.analytics.models import NO_STORE, RecencyCount, Refreshed
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import RefreshResult
from shuke.analytics.zone import reporting_zone
from shuke.core.outbox import Event, advance, read_batch
from shuke.kit.clock import local_date, start_of_day
from shuke.kit.sql import load
from shuke.ledger.queries import days_of_members, horizon, moved_between

T = TypeVar("T")

CONSUMER = "analytics.refresh"
EVENTS_AT_ONCE = 5_000
MEMBERS_AT_ONCE = 2_000
DAYS_AT_ONCE = 370
FAVOURITES_KEPT = 5
LONGEST_IMPORT = timedelta(days=40)
"""An imported chunk that spans more days than this is a history: taking in everything is then cheaper."""

_BACK_EVENTS = frozenset(
    {
        "checkout.order_refunded.v1",
        "checkout.order_exchanged.v1",
        "checkout.order_voided.v1",
        "checkout.order_cancelled.v1",
        "checkout.order_attached.v1",
    }
)
"""What changes a sale of an earlier day as well."""
_DAY_EVENTS = _BACK_EVENTS | {
    "checkout.order_committed.v1",
}
"""Events of sales, which the figures of sales follow. Points follow the ledger itself: see `moved_between`."""
_MEMBER_EVENTS = frozenset({"members.member_updated.v1", "loyalty.tier_changed.v1"})
_REGISTERED = "members.member_registered.v1"
_IMPORTED = "checkout.orders_imported.v1"


@dataclass(slots=True)
class _Touched:
    """What the events concern."""

    events: int = 0
    days: set[date] = field(default_factory=set)
    points_days: set[date] = field(default_factory=set)
    join_days: set[date] = field(default_factory=set)
    members: set[UUID] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)
    imports: list[dict[str, Any]] = field(default_factory=list)
    everything: bool = False


def refresh(*, now: datetime, full: bool = False) -> RefreshResult:
    """Bring the figures up to `now`; `full` rebuilds all of them. Waits for a refresh that is under way.

    Rebuilds by itself the first time, after an import of a longer history and when the programme's time zone has changed. Pages
    keep showing the old figures until it commits.
    """
    with transaction.atomic():
        state = _locked_state()
        zone = reporting_zone(now)
        today = local_date(now, zone)
        touched = _read_events(zone, now)
        full = full or touched.everything or state.today is None or state.zone != zone.key
        seen, state.ledger_txid = state.ledger_txid, horizon()
        # A book that was brought to another server counts its transactions anew: what came first cannot be told.
        full = full or seen is None or seen > state.ledger_txid
        if full:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET LOCAL work_mem = '64MB'"
                )  # one session, once in a while: spares sorting on disk
            _run("clear")
            days = join_days = _all_days(zone, today)
            batches: Iterable[list[UUID]] = _all_members()
        else:
            assert seen is not None
            for member_id, day in moved_between(seen, state.ledger_txid, zone):
                touched.members.add(member_id)
                touched.points_days.add(day)
            if state.today is not None and state.today != today:
                touched.members |= _leaving_the_year(state.today, today, zone)
            days, join_days = sorted(touched.days), sorted(touched.join_days)
            batches = _sliced(sorted(touched.members), MEMBERS_AT_ONCE)
        members = 0
        year = {
            "year_starts": start_of_day(today - timedelta(days=YEAR_DAYS - 1), zone),
            "most": FAVOURITES_KEPT,
        }
        for batch in batches:
            members += len(batch)
            given = {"members": batch, "zone": zone.key, "no_store": NO_STORE, **year}
            homes = {} if full else _homes(batch)
            _run("take_visits", given)
            _run("take_summaries", given)
            _run("take_favourites", given)
            if not full:
                moved = [
                    member_id for member_id, home in _homes(batch).items() if homes.get(member_id) != home
                ]
                touched.points_days |= days_of_members(moved, zone)
        for some in _sliced(days, DAYS_AT_ONCE):
            _run("take_store_days", {"days": some, "zone": zone.key})
        points_days = _all_points_days(zone) if full else sorted(touched.points_days)
        for first, last in _spans(points_days):
            _run("take_points_days", {"first": first, "last": last, "zone": zone.key, "no_store": NO_STORE})
        for some in _sliced(join_days, DAYS_AT_ONCE):
            _run("take_new_members", {"days": some, "zone": zone.key, "no_store": NO_STORE})
        if members:
            _run("sweep_zeros")
        if full or state.today != today:
            state.frequency_starts = list(_frequency_starts())
        state.as_of, state.today, state.zone = now, today, zone.key
        state.save()
    return RefreshResult(touched.events, len({*days, *points_days}), members, full)


def _locked_state() -> Refreshed:
    Refreshed.objects.bulk_create([Refreshed(id=1)], ignore_conflicts=True)
    return Refreshed.objects.select_for_update().get(id=1)


def _read_events(zone: ZoneInfo, now: datetime) -> _Touched:
    """Read all that is readable. The cursor moves with the figures: both are committed, or neither."""
    touched = _Touched()
    registered: set[UUID] = set()
    while events := read_batch(CONSUMER, EVENTS_AT_ONCE):
        for event in events:
            _touch(touched, registered, event, zone)
        advance(CONSUMER, events[-1], now=now)
        touched.events += len(events)
    for imported in touched.imports:
        _touch_import(touched, imported, zone)
    for given_back in _sliced(sorted(touched.orders), MEMBERS_AT_ONCE):
        sold = rows("SELECT occurred_at FROM checkout_order WHERE id = ANY(%s::uuid[])", [given_back])
        touched.days |= {local_date(at, zone) for (at,) in sold}
    for some in _sliced(sorted(registered), MEMBERS_AT_ONCE):
        joined = rows("SELECT joined_at FROM members_member WHERE id = ANY(%s)", [some])
        touched.join_days |= {local_date(at, zone) for (at,) in joined}
    return touched


def _touch(touched: _Touched, registered: set[UUID], event: Event, zone: ZoneInfo) -> None:
    if event.name == _IMPORTED:
        touched.imports.append(event.payload)
    if event.name in _BACK_EVENTS:
        touched.orders.add(event.payload["order_id"])
    if event.name in _DAY_EVENTS:
        touched.days.add(local_date(event.occurred_at, zone))
    if event.member_id is None:
        return
    if event.name in _DAY_EVENTS or event.name in _MEMBER_EVENTS:
        touched.members.add(event.member_id)
    elif event.name == _REGISTERED:
        touched.members.add(event.member_id)
        registered.add(event.member_id)


def _touch_import(touched: _Touched, imported: dict[str, Any], zone: ZoneInfo) -> None:
    """An import names the instants of its first and last order, and touches whoever bought between them."""
    try:
        first, last = (datetime.fromisoformat(imported[end]) for end in ("first", "last"))
    except (KeyError, TypeError, ValueError):
        touched.everything = True
        return
    if touched.everything or last - first > LONGEST_IMPORT:
        touched.everything = True
        return
    day, end = local_date(first, zone), local_date(last, zone)
    touched.days |= {day + DAY * n for n in range((end - day).days + 1)}
    found = rows(
        "SELECT DISTINCT member_id FROM checkout_order"
        " WHERE occurred_at BETWEEN %s AND %s AND member_id IS NOT NULL",
        [first, last],
    )
    touched.members |= {member_id for (member_id,) in found}


def _leaving_the_year(before: date, today: date, zone: ZoneInfo) -> set[UUID]:
    """Members with orders that the year of `before` held and the year of `today` does not."""
    edges = sorted(start_of_day(day - timedelta(days=YEAR_DAYS - 1), zone) for day in (before, today))
    found = rows(
        "SELECT DISTINCT member_id FROM checkout_order"
        " WHERE occurred_at >= %s AND occurred_at < %s AND member_id IS NOT NULL",
        edges,
    )
    return {member_id for (member_id,) in found}


def _all_days(zone: ZoneInfo, today: date) -> list[date]:
    """Every local day from the first order or member to today, or to a last order dated after it."""
    [(first, last)] = rows(
        "SELECT least((SELECT min(occurred_at) FROM checkout_order), (SELECT min(joined_at) FROM members_member)),"
        " (SELECT max(occurred_at) FROM checkout_order)",
        [],
    )
    if first is None:
        return []
    day = local_date(first, zone)
    end = max(today, local_date(last, zone)) if last else today
    return [day + DAY * n for n in range((end - day).days + 1)]


def _all_points_days(zone: ZoneInfo) -> list[date]:
    """Every local day from the first transfer of the ledger to the last."""
    [(first, last)] = rows("SELECT min(occurred_at), max(occurred_at) FROM ledger_transfer", [])
    if first is None:
        return []
    day, end = local_date(first, zone), local_date(last, zone)
    return [day + DAY * n for n in range((end - day).days + 1)]


def _spans(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Ascending days as runs that follow on each other, each short enough to be done at once."""
    start = 0
    for n in range(1, len(days) + 1):
        if n == len(days) or days[n] - days[n - 1] != DAY or n - start == DAYS_AT_ONCE:
            yield days[start], days[n - 1]
            start = n


def _homes(members: Sequence[UUID]) -> dict[UUID, UUID]:
    """Where members are at home by the summaries. Who comes to another home takes the points of earlier days along."""
    return dict(
        rows(
            "SELECT member_id, home_store_id FROM analytics_membersummary WHERE member_id = ANY(%s)",
            [list(members)],
        )
    )


def _all_members() -> Iterator[list[UUID]]:
    after = NO_STORE
    while found := rows(
        "SELECT id FROM members_member WHERE id > %s ORDER BY id LIMIT %s", [after, MEMBERS_AT_ONCE]
    ):
        yield [member_id for (member_id,) in found]
        after = found[-1][0]


def _frequency_starts() -> tuple[int, ...]:
    counted: dict[int, int] = {}
    for orders, members in RecencyCount.objects.values_list("orders_year", "members"):
        counted[orders] = counted.get(orders, 0) + members
    return frequency_starts(counted)


def _run(name: str, given: dict[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(load("analytics", name), given)


def _sliced(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
