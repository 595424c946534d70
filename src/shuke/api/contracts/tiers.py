"""Tiers of members on the wire: what is held, what was given, and how it came to that."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from shuke.api.contracts.shared import Cursor, In, Limit, NextCursor, Out

TrackCode = Annotated[str, Meta(max_length=30, description="Code of the track; empty: the main one.")]
GrantReason = Annotated[
    str, Meta(min_length=1, max_length=300, description="Kept with the grant and audited.")
]


class TierGrantOut(Out):
    """A level that was given beside what is earned. It holds until `until` (null: until it is ended), or `ended_at`."""

    id: UUID
    member_id: UUID
    track: TrackCode
    tier: str
    cause: Literal["override", "bought", "plan"]
    plan: Annotated[str | None, Meta(description="Code of the plan that gave it.")]
    reference: Annotated[
        str, Meta(description="What it was given for: <plan>:<number of the term> for a plan.")
    ]
    reason: Annotated[
        str,
        Meta(
            description="Why; of a plan: trial, bought, gift, renewed, auto_renewed, upgraded, or programme where a new "
            "version changed what the plan brings."
        ),
    ]
    granted_at: datetime
    granted_by: Annotated[str, Meta(description="Who: staff:<id>, key:<id> or system:<name>.")]
    until: datetime | None
    points: Annotated[int, Meta(description="What was paid for it, when it was bought.")]
    ended_at: datetime | None
    ended_by: str
    end_reason: Annotated[
        str, Meta(description="Why it ended before its time; of a plan: refunded, upgraded or programme.")
    ]


class EarnedTier(Out):
    """What is held by purchases alone."""

    tier: str
    since: datetime
    review_at: datetime | None


class TrackStandingOut(Out):
    """What a member holds on one track: the higher of what is earned and what was given."""

    track: TrackCode
    tier: str
    since: datetime
    ends_at: Annotated[datetime | None, Meta(description="When it ends or is reviewed; null: never.")]
    earned: EarnedTier
    grants: Annotated[list[TierGrantOut], Meta(description="Those that are alive, newest first.")]


class MemberTiers(Out):
    """Every track of the programme in force, the main one first."""

    tracks: list[TrackStandingOut]


class TierChangeOut(Out):
    """One change. Where `from` and `to` are equal, the tier was renewed, or something moved beneath a given level."""

    id: UUID
    track: TrackCode
    occurred_at: datetime
    from_tier: str
    to_tier: str
    cause: Literal[
        "qualified", "renewed", "lapsed", "refund", "programme", "override", "bought", "plan", "ended"
    ]
    explanation: str
    metric: Annotated[int, Meta(description="The figure that decided, in minor units or plain units.")]
    review_at: datetime | None
    order_id: UUID | None
    programme_version: int
    grant: TierGrantOut | None


class TierChanges(Out):
    """Newest first."""

    changes: list[TierChangeOut]
    next_cursor: NextCursor


class TierChangesQuery(In):
    """Filters and pages."""

    track: (
        Annotated[str, Meta(max_length=30, description="Of one track only; main: the main one.")] | UnsetType
    ) = UNSET
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


class TierGrantIn(In):
    """A level to set by hand."""

    level: Annotated[str, Meta(min_length=1, max_length=30)]
    until: Annotated[Annotated[datetime, Meta(tz=True)] | None, Meta(description="null: until it is ended.")]
    reason: GrantReason
    track: TrackCode = ""


class TierGrantEndIn(In):
    """Why it ends before its time."""

    reason: GrantReason
