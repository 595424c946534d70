"""The reward catalogue on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import MAX_MINOR, Code, Cursor, In, Limit, NextCursor, Out

Status = Literal["placed", "ready", "done", "cancelled", "lapsed"]


class RewardsQuery(In):
    member_id: (
        Annotated[
            UUID,
            Meta(description="With it, prices are this member's, and `missing` says what stands in the way."),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class RewardOut(Out):
    """One reward of the programme in force."""

    code: str
    name: str
    kind: Literal["goods", "coupon", "bonus", "tier", "activity"]
    points: int
    cash_minor: int
    currency: str
    fulfilment: Literal["at_once", "pick_up", "delivery"]
    tiers: Annotated[list[str], Meta(description="Only members of these tiers may have it; empty: all.")]
    stores: Annotated[list[str], Meta(description="Where it is picked up; empty: everywhere.")]
    left: Annotated[
        int | None, Meta(description="Pieces left, for the member if one was named; null without a limit.")
    ]
    opens: datetime | None
    ends: datetime | None
    missing: Annotated[
        Literal["", "dates", "stock", "tier", "limit", "points"],
        Meta(description="Why it cannot be had now; empty when it can."),
    ]


class RewardList(Out):
    """Everything that the programme in force offers, in its order."""

    rewards: list[RewardOut]


class ExpectedPrice(In):
    """What was shown to the member, for all pieces together."""

    points: Annotated[int, Meta(ge=0, le=MAX_MINOR)]
    cash_minor: Annotated[int, Meta(ge=0, le=MAX_MINOR)] = 0


class RedemptionIn(In):
    """What the member takes."""

    reward: Code
    quantity: Annotated[int, Meta(ge=1, le=100)] = 1
    store: Annotated[
        str, Meta(max_length=40, description="Code of the store where it is asked for, if any.")
    ] = ""
    pick_up_store: Annotated[
        str, Meta(max_length=40, description="Where it will be picked up; without it, at `store`.")
    ] = ""
    tender: Annotated[
        str,
        Meta(
            max_length=20,
            description="How the money was paid: cash, card, wechat, alipay, transfer or other.",
        ),
    ] = ""
    tender_reference: Annotated[str, Meta(max_length=80)] = ""
    expected: Annotated[
        ExpectedPrice | None, Meta(description="Refuse when it costs anything else by now.")
    ] = None


class RedemptionOut(Out):
    """A redemption. `pick_up_code` is told to whoever redeems or reads it; it is stored nowhere."""

    id: UUID
    member_id: UUID
    reward: str
    name: str
    kind: str
    fulfilment: str
    quantity: int
    points: int
    cash_minor: int
    currency: str
    tender: str
    status: Status
    store: str | None
    pick_up_store: str | None
    pick_up_code: str
    tracking: str
    placed_at: datetime
    collect_by: datetime | None
    ended_at: datetime | None
    transfer_id: UUID | None


class RedemptionsQuery(In):
    status: Status | msgspec.UnsetType = msgspec.UNSET
    reward: Code | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class RedemptionList(Out):
    """One page, newest first."""

    redemptions: list[RedemptionOut]
    next_cursor: NextCursor


class PickUpCodeIn(In):
    """The code that the member shows."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]


class ReadyIn(In):
    """The goods lie at the counter, or are on their way."""

    tracking: Annotated[str, Meta(max_length=80, description="The carrier's number of a delivery.")] = ""


class HandOverIn(In):
    """Where it was handed over."""

    store: Annotated[str, Meta(max_length=40)] = ""


class CancelRedemptionIn(In):
    """Why it is undone."""

    reason: Annotated[str, Meta(min_length=1, max_length=300)]
