"""Looking at tiers when nobody buys: terms that have ended, a version that begins, and warnings ahead of a downgrade.

Every run works in batches of one transaction each and keeps its place in the rows themselves: a run that is killed goes on
where it stopped, two at once share the work or find it done, and nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from shuke.core.operations import NewEvent, publish_events
from shuke.kit.sql import load
from shuke.ledger.writing import take_books
from shuke.loyalty.models import Reassessment, Standing, TrackStanding
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_logic import TierMove, TierState, at_risk, lapse, reassess
from shuke.loyalty.tier_rows import lowest, states_of, write_moves
from shuke.loyalty.tiers import Tiers
from shuke.members.models import Member
from shuke.members.queries import joined_days

REVIEW_BATCH = 2000
_BEFORE_ALL = UUID(int=0)


class Qualifying(Protocol):
    """The metric of a track of members in the window that ends at each one's instant (`review`: that a review looks at).

    Sales know it, and they live above.
    """

    def __call__(
        self, member_ids: list[UUID], ends: Mapping[UUID, datetime], *, track: str = ..., review: bool = ...
    ) -> dict[UUID, int]: ...


def review_member(*, member_id: UUID, now: datetime, qualifying: Qualifying) -> int:
    """Apply every review of one member's tiers that is due by `now`, on all tracks. Returns how many there were.

    Waits for the member's book and holds it until the transaction ends.
    """
    in_force = programme_at(now)
    if in_force is None:
        return 0
    with transaction.atomic():
        take_books([member_id])
        return sum(_review(in_force, tiers, [member_id], now, qualifying) for tiers in _tracks(in_force))


def review_tiers(*, now: datetime, qualifying: Qualifying, limit: int = REVIEW_BATCH) -> int:
    """Review one batch of tiers whose term ended by `now`, longest overdue first. Returns how many members it had.

    One transaction per batch and no memory between batches: a run that is killed goes on where it stopped, and two runs
    at once share the work or find it done. Call it until it returns 0.
    """
    in_force = programme_at(now)
    if in_force is None:
        return 0
    for tiers in _tracks(in_force):
        with transaction.atomic():
            due = _standings(tiers).filter(review_at__lte=now).order_by("review_at", "member_id")
            members = list(due.values_list("member_id", flat=True)[:limit])
            if members:
                take_books(members)
                _review(in_force, tiers, members, now, qualifying)
                return len(members)
    return 0


def _tracks(in_force: InForce) -> list[Tiers]:
    return [in_force.programme.tiers, *in_force.programme.tracks.values()]


def _standings(tiers: Tiers) -> QuerySet[Standing] | QuerySet[TrackStanding]:
    return TrackStanding.objects.filter(track=tiers.code) if tiers.code else Standing.objects.all()


def _joined(tiers: Tiers, members: Iterable[UUID]) -> dict[UUID, datetime]:
    """Read only where the track counts by it."""
    return joined_days(members) if tiers.window == "anniversary" else {}


def _review(
    in_force: InForce, tiers: Tiers, members: list[UUID], now: datetime, qualifying: Qualifying
) -> int:
    """Under the members' books: a sale may have renewed or changed the tier meanwhile, so all is read again."""
    states = states_of(members, tiers.code, _joined(tiers, members))
    ends = {m: s.review_at for m, s in states.items() if s.review_at is not None and s.review_at <= now}
    if not ends:
        return 0
    totals = qualifying(list(ends), ends, track=tiers.code, review=True)
    moves: list[tuple[UUID, str, TierMove]] = []
    for member_id in sorted(ends):
        metric = _metric(member_id, tiers.code, ends, totals, qualifying)
        _after, steps = lapse(tiers, states[member_id], metric, now)
        moves += [(member_id, tiers.code, step) for step in steps]
    write_moves(in_force.version_id, moves)
    return len(moves)


def _metric(
    member_id: UUID,
    track: str,
    ends: Mapping[UUID, datetime],
    totals: Mapping[UUID, int],
    qualifying: Qualifying,
) -> Callable[[datetime], int]:
    """The first due review was read with the whole batch; a term that ended long ago may need more of them."""

    def metric(at: datetime) -> int:
        if at == ends[member_id]:
            return totals[member_id]
        return qualifying([member_id], {member_id: at}, track=track, review=True)[member_id]

    return metric


def reassess_members(*, now: datetime, qualifying: Qualifying, limit: int = REVIEW_BATCH) -> int:
    """Look at one batch of members under the version in force, once for each version. Returns how many members it had.

    What a new version makes of a member is said by the `on_change` of each track. Nothing happens for the first version.
    Call it until it returns 0.
    """
    in_force = programme_at(now)
    if in_force is None or in_force.number == 1:
        return 0
    with transaction.atomic():
        Reassessment.objects.bulk_create(
            [Reassessment(version_id=in_force.version_id)], ignore_conflicts=True
        )
        progress = Reassessment.objects.select_for_update().get(version_id=in_force.version_id)
        if progress.done_at is not None:
            return 0
        members = list(
            Member.objects.filter(id__gt=progress.last_member or _BEFORE_ALL)
            .order_by("id")
            .values_list("id", flat=True)[:limit]
        )
        if members:
            progress.moved += _reassess(in_force, members, now, qualifying)
            progress.last_member = members[-1]
        else:
            progress.done_at = now
        progress.save(update_fields=["last_member", "moved", "done_at"])
    return len(members)


def _reassess(in_force: InForce, members: list[UUID], now: datetime, qualifying: Qualifying) -> int:
    concerned = {
        tiers.code: [m for m, _move in _reassessed(tiers, members, now, qualifying)]
        for tiers in _tracks(in_force)
    }
    # Once for all tracks: who takes books again cannot take them in the order of ids, as everybody does.
    take_books({m for of_track in concerned.values() for m in of_track})
    moves = []
    for tiers in _tracks(in_force):
        # Again under their books; most members were never locked.
        again = _reassessed(tiers, concerned[tiers.code], now, qualifying) if concerned[tiers.code] else []
        moves += [(m, tiers.code, move) for m, move in again]
    write_moves(in_force.version_id, moves)
    return len(moves)


def _reassessed(
    tiers: Tiers, members: list[UUID], now: datetime, qualifying: Qualifying
) -> list[tuple[UUID, TierMove]]:
    joined = joined_days(members)
    states = states_of(members, tiers.code, joined)
    totals = qualifying(members, dict.fromkeys(members, now), track=tiers.code)
    found = []
    for member_id in sorted(members):
        state = states.get(member_id) or lowest(tiers, joined[member_id])
        if state.review_at is not None and state.review_at <= now:
            continue  # its review decides, under this very version
        move = reassess(tiers, state, totals[member_id], now)
        if move is not None:
            found.append((member_id, move))
    return found


def announce_downgrades(*, now: datetime, qualifying: Qualifying, limit: int = REVIEW_BATCH) -> int:
    """Tell one batch of members what they still need to keep a tier that is soon reviewed. Returns how many it looked at.

    Each is told once for each of the track's `warn_days` (`loyalty.tier_at_risk.v1`); whoever has enough by then, or can
    lose nothing, is not. Call it until it returns 0.
    """
    in_force = programme_at(now)
    if in_force is None:
        return 0
    for tiers in _tracks(in_force):
        for days in tiers.warn_days:
            looked = _announce(tiers, days, now, qualifying, limit)
            if looked:
                return looked
    return 0


def _announce(tiers: Tiers, days: int, now: datetime, qualifying: Qualifying, limit: int) -> int:
    sooner = max((each for each in tiers.warn_days if each < days), default=0)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                load("loyalty", "due_notices"),
                {
                    "track": tiers.code,
                    "days": days,
                    "now": now,
                    "after": now + timedelta(days=sooner),
                    "until": now + timedelta(days=days),
                    "limit": limit,
                },
            )
            ends: dict[UUID, datetime] = dict(cursor.fetchall())
        if not ends:
            return 0
        states = states_of(ends, tiers.code, _joined(tiers, ends))
        totals = qualifying(sorted(ends), ends, track=tiers.code, review=True)
        warnings = [_warning(tiers, days, m, states[m], totals[m], ends[m], now) for m in sorted(ends)]
        publish_events([warning for warning in warnings if warning])
    return len(ends)


def _warning(
    tiers: Tiers, days: int, member_id: UUID, state: TierState, total: int, review_at: datetime, now: datetime
) -> NewEvent | None:
    risk = at_risk(tiers, state, total)
    if risk is None or risk.review_at != review_at:
        return None
    return NewEvent(
        name="loyalty.tier_at_risk.v1",
        member_id=member_id,
        occurred_at=now,
        payload={
            "tier": risk.tier,
            "falls_to": risk.target,
            "review_at": risk.review_at.isoformat(),
            "metric": tiers.metric,
            "missing": risk.missing,
            "days": days,
            **({"track": tiers.code} if tiers.code else {}),
        },
    )
