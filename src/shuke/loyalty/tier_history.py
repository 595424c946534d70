"""What a member stands on, track by track, and how it came to that: each change with its cause and with who gave what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.loyalty.models import TierChange, TierGrant
from shuke.loyalty.queries import programme_at
from shuke.loyalty.tier_logic import TierState
from shuke.loyalty.tier_rows import lowest, states_of
from shuke.loyalty.tiers import Tiers
from shuke.members.queries import joined_days

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class TrackHeld:
    """One track of the programme in force: what the member holds there, and the grants that are alive, newest first."""

    tiers: Tiers
    state: TierState
    grants: tuple[TierGrant, ...]


@dataclass(frozen=True, slots=True)
class TierStep:
    """A change with the version that decided, and the grant that brought or ended it."""

    change: TierChange
    version: int
    grant: TierGrant | None


@dataclass(frozen=True, slots=True)
class TierSteps:
    """One page, newest first. `next_cursor` is None on the last."""

    steps: list[TierStep]
    next_cursor: str | None


def held_tiers(member_id: UUID, now: datetime) -> list[TrackHeld]:
    """Every track, the main one first; none before the first programme. One query a track, and two."""
    in_force = programme_at(now)
    if in_force is None:
        return []
    joined = joined_days([member_id])
    alive = _alive(member_id, now)
    found = []
    for tiers in (in_force.programme.tiers, *in_force.programme.tracks.values()):
        state = states_of([member_id], tiers.code, joined).get(member_id) or lowest(tiers, joined[member_id])
        found.append(TrackHeld(tiers, state, tuple(g for g in alive if g.track == tiers.code)))
    return found


def _alive(member_id: UUID, now: datetime) -> list[TierGrant]:
    rows = TierGrant.objects.filter(Q(until=None) | Q(until__gt=now), member_id=member_id, ended_at=None)
    return list(rows.order_by("-id"))


def list_tier_changes(
    member_id: UUID, *, track: str | None = None, cursor: str | None = None, limit: int = 50
) -> TierSteps:
    """One page of the history, newest first; of one track ("" is the main one), or (None) of all. Two queries.

    Raises InvalidInput for a damaged cursor.
    """
    limit = max(1, min(limit, MAX_PAGE))
    rows = TierChange.objects.filter(member_id=member_id).select_related("programme_version")
    rows = rows.defer("programme_version__document", "programme_version__source")
    if track is not None:
        rows = rows.filter(track=track)
    if cursor:
        at, change_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, id__lt=change_id))
    found = list(rows.order_by("-occurred_at", "-id")[: limit + 1])
    page = found[:limit]
    grants = _grants(page)
    steps = [
        TierStep(each, each.programme_version.number, grants.get(each.grant_id) if each.grant_id else None)
        for each in page
    ]
    following = encode_cursor([page[-1].occurred_at, page[-1].id]) if len(found) > limit else None
    return TierSteps(steps, following)


def _grants(changes: Iterable[TierChange]) -> dict[UUID, TierGrant]:
    return TierGrant.objects.in_bulk({each.grant_id for each in changes if each.grant_id})
