"""A tier change as the rows it becomes: what `loyalty_move_tier` takes, and a stored standing as a value again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from shuke.kit.ids import uuid7
from shuke.loyalty.tier_logic import TierMove, TierState, held_document, read_held
from shuke.loyalty.tiers import MAIN, Tiers

_json = msgspec.json.Encoder()


def move_document(move: TierMove, version_id: UUID, track: str = MAIN) -> dict[str, Any]:
    """One change as `loyalty_move_tier` takes it."""
    after = move.after
    document = {
        "id": uuid7(),
        "at": move.at,
        "from": move.before,
        "to": after.tier,
        "since": after.since,
        "review_at": after.review_at,
        "cause": move.cause,
        "metric": move.metric,
        "programme_version_id": version_id,
    }
    if track:
        document["track"] = track
    if after.held:
        document |= {"held": held_document(after), "ends_at": after.ends_at}
    if move.grant_id:
        document["grant_id"] = move.grant_id
    return document


def moves_document(moves: Mapping[str, TierMove], version_id: UUID) -> dict[str, Any]:
    """The changes of one instant, by track, as one argument of `loyalty_move_tier`."""
    documents = [move_document(move, version_id, track) for track, move in moves.items()]
    return documents[0] if len(documents) == 1 else {"moves": documents}


def write_moves(
    version_id: UUID, moves: Iterable[tuple[UUID, str, TierMove]], order_id: UUID | None = None
) -> None:
    """Write (member, track, change) rows in one statement; those of a member keep their order."""
    rows = [(member_id, move_document(move, version_id, track)) for member_id, track, move in moves]
    if rows:
        with connection.cursor() as cursor:
            # One document, since an array of documents has each of its quotes escaped.
            cursor.execute(
                "SELECT count(*) FROM (SELECT loyalty_move_tier((m.row->>0)::uuid, m.row->1, %s)"
                " FROM jsonb_array_elements(%s::jsonb) AS m(row)) AS moved",
                [order_id, _json.encode(rows).decode()],
            )


def lowest(tiers: Tiers, joined: datetime | None, since: datetime | None = None) -> TierState:
    """What a member holds who has no standing on a track: its lowest level, since joining."""
    since = since or joined
    if since is None:
        raise ValueError("a member holds the lowest level since some day")
    return TierState(tiers.levels[0].code, since, None, None, joined)


def state_of(
    tier: str,
    since: datetime,
    review_at: datetime | None,
    held: dict[str, Any] | str | None,
    joined: datetime | None = None,
) -> TierState:
    """A stored standing; `held` as the driver or the ORM gives it."""
    if isinstance(held, str):
        held = msgspec.json.decode(held, type=dict[str, Any])
    return TierState(tier, since, review_at, read_held(held), joined)


def states_of(
    member_ids: Iterable[UUID], track: str, joined: Mapping[UUID, datetime]
) -> dict[UUID, TierState]:
    """The stored standings of members on a track, by member; who has none is missing. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT member_id, tier, since, review_at, held FROM loyalty_trackstanding"
            " WHERE member_id = ANY(%s::uuid[]) AND track = %s"
            if track
            else "SELECT member_id, tier, since, review_at, held FROM loyalty_standing WHERE member_id = ANY(%s::uuid[])",
            [list(member_ids), *([track] if track else [])],
        )
        return {m: state_of(tier, since, due, held, joined.get(m)) for m, tier, since, due, held in cursor}
