"""Tiers as a pure replay: every sale and refund again, in the order in which it was recorded, must lead to what stands.

The replay reads what happened (sales, refunds, and that a review was held), never what was decided: each decision is made
anew by `loyalty.logic` under the programme version of its instant, and compared with the change that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from shuke.checkout.models import RefundKind
from shuke.kit.sql import load
from shuke.loyalty.logic import TierMove, TierState, after_refund, lapse, qualify, window_start
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at, version_by_id

_ALWAYS_REVIEWED = {RefundKind.VOID.value, RefundKind.CANCELLATION.value}
_ROWS = 5000


@dataclass(frozen=True, slots=True)
class TierDifference:
    """The first thing of a member that the replay decides otherwise: `live` is recorded, `replayed` is right."""

    member_id: UUID
    what: str
    live: str
    replayed: str


@dataclass(frozen=True, slots=True)
class TierReplay:
    """What was looked at, and the first differences, one a member."""

    members: int
    sales: int
    changes: int
    differences: tuple[TierDifference, ...]


class _Event(NamedTuple):
    """One row of `sql/tier_events.sql`."""

    member_id: UUID
    key: UUID
    kind: str
    at: datetime
    version_id: UUID | None
    qualifying: int
    growth: int
    order_id: UUID | None
    word: str
    before: str
    after: str
    metric: int
    review_at: datetime | None
    ended: bool


@dataclass(slots=True)
class _Counted:
    """What a sale still counts for, by both metrics."""

    at: datetime
    spend: int
    growth: int
    stands: bool = True


@dataclass(slots=True)
class _Member:
    orders: dict[UUID, _Counted] = field(default_factory=dict)
    state: TierState | None = None
    moves: list[TierMove] = field(default_factory=list)

    def total(self, end: datetime, programme: Programme) -> int:
        """What counts in the window that ends at `end`."""
        start, by_spend = window_start(programme.tiers, end, programme), programme.tiers.metric == "spend"
        counting = (each for each in self.orders.values() if each.stands and start <= each.at <= end)
        return sum(each.spend if by_spend else each.growth for each in counting)

    def total_then(self, end: datetime) -> int:
        """The same under the programme of that instant, as reviews look at it."""
        in_force = programme_at(end)
        return self.total(end, in_force.programme) if in_force else 0

    def standing(self, programme: Programme) -> TierState:
        return self.state or TierState(programme.tiers.levels[0].code, datetime.min.replace(tzinfo=UTC), None)

    def move(self, moves: Iterable[TierMove | None]) -> None:
        for each in moves:
            if each:
                self.moves.append(each)
                self.state = each.after


def replay_tiers(*, most: int = 10) -> TierReplay:
    """Replay every member from one snapshot. Streams the log: memory is that of one member."""
    members = sales = changes = 0
    differences: list[TierDifference] = []
    for member_id, events in groupby(_events(), key=lambda event: event.member_id):
        member, recorded, standing = _Member(), list[_Event](), None
        members += 1
        for event in events:
            if event.kind == "sale":
                sales += 1
                _sale(member, event)
            elif event.kind == "refund":
                _refund(member, event)
            elif event.kind == "change":
                changes += 1
                recorded.append(event)
                _review(member, event)
            else:
                standing = event
        if len(differences) < most:
            difference = _compare(member_id, member, recorded, standing)
            if difference:
                differences.append(difference)
    return TierReplay(members, sales, changes, tuple(differences))


def _events() -> Iterator[_Event]:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(load("checkout", "tier_events"))
        while rows := cursor.fetchmany(_ROWS):
            yield from map(_Event._make, rows)


def _sale(member: _Member, event: _Event) -> None:
    """Reviews that were due come first, then the sale counts and may lift the tier."""
    assert event.order_id is not None
    programme = _programme(event)
    if programme is not None:
        _due, moves = lapse(programme, member.standing(programme), member.total_then, event.at)
        member.move(moves)
    member.orders[event.order_id] = _Counted(event.at, event.qualifying, event.growth)
    if programme is not None:
        state = member.standing(programme)
        member.move([qualify(programme, state, member.total(event.at, programme), event.at)])


def _refund(member: _Member, event: _Event) -> None:
    assert event.order_id is not None
    order = member.orders[event.order_id]
    order.spend -= event.qualifying
    order.growth -= event.growth
    order.stands = not event.ended
    in_force = programme_at(event.at)
    if in_force is None or member.state is None:
        return
    programme = in_force.programme
    if event.word in _ALWAYS_REVIEWED or programme.policies.tier_on_refund_at_once:
        state = member.state
        total, then = member.total_then(event.at), member.total_then(state.since)
        member.move([after_refund(programme, state, total=total, total_then=then, now=event.at)])


def _review(member: _Member, event: _Event) -> None:
    """A change that no sale and no refund brought says that somebody looked; what they had to find is decided here."""
    programme = _programme(event)
    if event.order_id is not None or programme is None:
        return
    state = member.standing(programme)
    if event.word in ("lapsed", "renewed"):
        member.move(lapse(programme, state, member.total_then, event.at)[1])
    elif event.word == "qualified":
        member.move([qualify(programme, state, member.total_then(event.at), event.at)])


def _programme(event: _Event) -> Programme | None:
    return version_by_id(event.version_id).programme if event.version_id else None


def _compare(
    member_id: UUID, member: _Member, recorded: list[_Event], standing: _Event | None
) -> TierDifference | None:
    decided = [(m.before, m.after.tier, m.cause, m.metric, m.after.review_at) for m in member.moves]
    live = [(e.before, e.after, e.word, e.metric, e.review_at) for e in recorded]
    if decided != live:
        at = next((i for i, pair in enumerate(zip(live, decided, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(live), len(decided)) if at is None else at
        return TierDifference(member_id, f"change {at + 1}", _said(live[at:]), _said(decided[at:]))
    state = member.state
    stands = (standing.after, standing.at, standing.review_at) if standing else None
    should = (state.tier, state.since, state.review_at) if state else None
    if stands != should:
        return TierDifference(member_id, "standing", str(stands), str(should))
    return None


def _said(changes: list[tuple[Any, ...]]) -> str:
    if not changes:
        return "none"
    before, after, cause, metric, review_at = changes[0]
    return f"{before} → {after} {cause} at {metric}, review {review_at}"
