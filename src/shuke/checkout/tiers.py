"""Tiers as a pure replay: every sale and refund again, in the order in which it was recorded, must lead to what stands.

The replay reads what happened (sales, refunds, levels that were given and ended, and that somebody looked), never what was
decided: each decision is made anew by `loyalty.tier_logic` under the programme version of its instant, on every track, and
compared with the change that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from shuke.checkout.models import RefundKind
from shuke.kit.sql import load
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.tier_logic import (
    Grant,
    TierMove,
    TierState,
    after_refund,
    end_grants,
    grant,
    lapse,
    qualify,
    reassess,
    review_window_start,
    window_start,
)
from shuke.loyalty.tier_rows import lowest, state_of
from shuke.loyalty.tiers import Tiers

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
    points: int
    order_id: UUID | None
    word: str
    before: str
    after: str
    metric: int
    review_at: datetime | None
    ended: bool
    track: str
    grant_id: UUID | None
    held: str | None


@dataclass(slots=True)
class _Counted:
    """What a sale still counts for, by every metric."""

    at: datetime
    figures: dict[str, int]
    stands: bool = True


@dataclass(slots=True)
class _Member:
    joined: datetime
    orders: dict[UUID, _Counted] = field(default_factory=dict)
    states: dict[str, TierState] = field(default_factory=dict)
    moves: list[tuple[str, TierMove]] = field(default_factory=list)

    def total(self, tiers: Tiers, end: datetime, *, review: bool = False) -> int:
        """What counts in the window that ends at `end`."""
        if tiers.by_hand:
            return 0
        start = (review_window_start if review else window_start)(tiers, end, self.joined)
        counting = (each for each in self.orders.values() if each.stands and start <= each.at <= end)
        return sum(each.figures[tiers.metric] for each in counting)

    def total_then(self, track: str, end: datetime, *, review: bool = False) -> int:
        """The same under the programme of that instant, as reviews look at it."""
        in_force = programme_at(end)
        tiers = in_force.programme.track(track) if in_force else None
        return self.total(tiers, end, review=review) if tiers else 0

    def standing(self, tiers: Tiers) -> TierState:
        return self.states.get(tiers.code) or lowest(tiers, self.joined)

    def move(self, track: str, moves: Iterable[TierMove | None]) -> None:
        for each in moves:
            if each:
                self.moves.append((track, each))
                self.states[track] = each.after

    def look(self, tiers: Tiers, at: datetime) -> None:
        """Reviews and ends of grants that are due."""
        metric = partial(self.total_then, tiers.code, review=True)
        self.move(tiers.code, lapse(tiers, self.standing(tiers), metric, at)[1])


def replay_tiers(*, most: int = 10) -> TierReplay:
    """Replay every member from one snapshot. Streams the log: memory is that of one member."""
    members = sales = changes = 0
    differences: list[TierDifference] = []
    for member_id, group in groupby(_events(), key=lambda event: event.member_id):
        joined, *events = group
        member, recorded, standings = _Member(joined.at), list[_Event](), dict[str, _Event]()
        for event in events:
            if event.kind == "sale":
                sales += 1
                _sale(member, event)
            elif event.kind == "refund":
                _refund(member, event)
            elif event.kind in ("grant", "ended"):
                _grant(member, event)
            elif event.kind == "change":
                changes += 1
                recorded.append(event)
                _review(member, event)
            else:
                standings[event.track] = event
        members += bool(events)
        if len(differences) < most:
            difference = _compare(member_id, member, recorded, standings)
            if difference:
                differences.append(difference)
    return TierReplay(members, sales, changes, tuple(differences))


def _events() -> Iterator[_Event]:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(load("checkout", "tier_events"))
        while rows := cursor.fetchmany(_ROWS):
            yield from map(_Event._make, rows)


def _tracks(programme: Programme) -> list[Tiers]:
    return [programme.tiers, *programme.tracks.values()]


def _sale(member: _Member, event: _Event) -> None:
    """Reviews that were due come first, then the sale counts and may lift the tiers."""
    assert event.order_id is not None
    programme = _programme(event)
    tracks = _tracks(programme) if programme else []
    for tiers in tracks:
        member.look(tiers, event.at)
    figures = {"spend": event.qualifying, "growth": event.growth, "points": event.points, "orders": 1}
    member.orders[event.order_id] = _Counted(event.at, figures)
    for tiers in tracks:
        state = member.standing(tiers)
        member.move(tiers.code, [qualify(tiers, state, member.total(tiers, event.at), event.at)])


def _refund(member: _Member, event: _Event) -> None:
    assert event.order_id is not None
    order = member.orders[event.order_id]
    order.figures["spend"] -= event.qualifying
    order.figures["growth"] -= event.growth
    order.figures["points"] -= event.points
    order.stands = not event.ended
    in_force = programme_at(event.at)
    if in_force is None:
        return
    programme = in_force.programme
    if event.word not in _ALWAYS_REVIEWED and not programme.policies.tier_on_refund_at_once:
        return
    for tiers in _tracks(programme):
        state = member.states.get(tiers.code)
        if state is None or tiers.by_hand:
            continue
        total = member.total_then(tiers.code, event.at)
        then = member.total_then(tiers.code, state.earned.since)
        member.move(tiers.code, [after_refund(tiers, state, total=total, total_then=then, now=event.at)])


def _grant(member: _Member, event: _Event) -> None:
    """A level is given, or its grant is ended before its time."""
    programme = _programme(event) or _then(event.at)
    tiers = programme.track(event.track) if programme else None
    if tiers is None or event.grant_id is None:
        return
    state = member.standing(tiers)
    if event.kind == "grant":
        given = Grant(event.grant_id, event.after, event.review_at, event.word)
        member.move(tiers.code, [grant(tiers, state, given, event.at)])
    else:
        member.move(tiers.code, [end_grants(tiers, state, [event.grant_id], event.at)])


def _review(member: _Member, event: _Event) -> None:
    """A change that no sale, refund or grant brought says that somebody looked; what they had to find is decided here."""
    programme = _programme(event)
    tiers = programme.track(event.track) if programme else None
    if event.order_id is not None or tiers is None:
        return
    if event.word in ("lapsed", "renewed"):
        member.look(tiers, event.at)
    elif event.word in ("qualified", "programme"):
        decide = qualify if event.word == "qualified" else reassess
        total = member.total_then(tiers.code, event.at)
        member.move(tiers.code, [decide(tiers, member.standing(tiers), total, event.at)])


def _programme(event: _Event) -> Programme | None:
    return version_by_id(event.version_id).programme if event.version_id else None


def _then(at: datetime) -> Programme | None:
    in_force = programme_at(at)
    return in_force.programme if in_force else None


def _compare(
    member_id: UUID, member: _Member, recorded: list[_Event], standings: dict[str, _Event]
) -> TierDifference | None:
    decided = [
        (m.before, m.after.tier, m.cause, m.metric, m.after.ends_at, track) for track, m in member.moves
    ]
    live = [(e.before, e.after, e.word, e.metric, e.review_at, e.track) for e in recorded]
    if decided != live:
        at = next((i for i, pair in enumerate(zip(live, decided, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(live), len(decided)) if at is None else at
        return TierDifference(member_id, f"change {at + 1}", _said(live[at:]), _said(decided[at:]))
    for track in sorted({*standings, *member.states}):
        row, should = standings.get(track), member.states.get(track)
        stands = state_of(row.after, row.at, row.review_at, row.held) if row else None
        if stands != should:
            return TierDifference(member_id, "standing", _shown(stands, track), _shown(should, track))
    return None


def _shown(state: TierState | None, track: str) -> str:
    if state is None:
        return "none"
    beneath = f" above {state.held.tier} with {len(state.grants)} grants" if state.held else ""
    return f"'{state.tier}' since {state.since}, review {state.review_at}{beneath}" + (
        f" on {track}" if track else ""
    )


def _said(changes: list[tuple[Any, ...]]) -> str:
    if not changes:
        return "none"
    before, after, cause, metric, review_at, track = changes[0]
    return f"{before} → {after} {cause} at {metric}, review {review_at}" + (f" on {track}" if track else "")
