"""Adjustments, holds, transfers between members, debts and activations on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import Cursor, In, Limit, NextCursor, Out

MAX_UNITS = 10**15

Moment = Annotated[datetime, Meta(tz=True)]
Asset = Annotated[
    str, Meta(min_length=1, max_length=30, description="Code of the asset, for example points.")
]
Units = Annotated[int, Meta(ge=1, le=MAX_UNITS, description="Whole units of the asset.")]
Reason = Annotated[
    str, Meta(min_length=1, max_length=300, description="Why, on one line; it stands in the book.")
]


class AdjustmentIn(In):
    """Units to add or to take by hand."""

    amount: Annotated[
        int, Meta(ge=-MAX_UNITS, le=MAX_UNITS, description="Above zero adds, below zero takes.")
    ]
    reason: Reason
    asset: Asset = "points"


class RejectIn(In):
    """Why a request is refused or taken back."""

    note: Reason


class AdjustmentOut(Out):
    """An adjustment: requested, posted, rejected or lapsed."""

    id: UUID
    member_id: UUID
    asset: str
    amount: int
    reason: str
    status: Literal["requested", "posted", "rejected", "lapsed"]
    requested_by: str
    requested_at: datetime
    lapses_at: Annotated[datetime, Meta(description="Undecided by then, the request is void.")]
    decided_by: str
    decided_at: datetime | None
    note: str
    transfer_id: UUID | None


class AdjustmentsQuery(In):
    status: Literal["requested", "posted", "rejected", "lapsed"] | msgspec.UnsetType = msgspec.UNSET
    member_id: UUID | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class Adjustments(Out):
    """One page, newest request first."""

    adjustments: list[AdjustmentOut]
    next_cursor: NextCursor


class HoldIn(In):
    """Units to be set aside."""

    amount: Units
    reason: Reason
    asset: Asset = "points"
    until: Annotated[
        Moment | None, Meta(description="Free again from then on; without it, in seven days.")
    ] = None
    reference: Annotated[str, Meta(max_length=80, description="Your own number for it.")] = ""


class CaptureIn(In):
    """What of the hold is spent."""

    amount: Annotated[
        Units | None, Meta(description="Without it, all; the rest of a partial capture is free again.")
    ] = None
    order_id: UUID | None = None


class HoldOut(Out):
    """A hold: held, captured, released or expired."""

    id: UUID
    member_id: UUID
    asset: str
    amount: int
    captured: int
    status: Literal["held", "captured", "released", "expired"]
    reason: str
    reference: str
    placed_at: datetime
    placed_by: str
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str
    transfer_id: UUID | None


class Holds(Out):
    """One page of the member's holds, newest first."""

    holds: list[HoldOut]
    next_cursor: NextCursor


class GiftIn(In):
    """Units for another member."""

    receiver_id: UUID
    amount: Units
    reason: Reason
    asset: Asset = "points"


class GiftOut(Out):
    """A transfer from one member to another; the sender paid `fee` on top of `amount`."""

    id: UUID
    sender_id: UUID
    receiver_id: UUID
    asset: str
    amount: int
    fee: int
    occurred_at: datetime
    actor: str
    reason: str
    out_transfer_id: UUID
    in_transfer_id: UUID
    fee_transfer_id: UUID | None


class Gifts(Out):
    """One page of what the member gave and received, newest first."""

    transfers: list[GiftOut]
    next_cursor: NextCursor


class RecoveryOut(Out):
    """Part of a debt that later units paid."""

    transfer_id: UUID
    at: datetime
    amount: int


class DebtOut(Out):
    """What is owed and why: kind, order_id, refund_id and reason name the act that made it."""

    asset: str
    amount: int
    outstanding: int
    at: datetime
    age_days: int
    kind: str
    transfer_id: UUID
    order_id: UUID | None
    refund_id: UUID | None
    reason: str
    recoveries: list[RecoveryOut]


class DebtsQuery(In):
    include: (
        Annotated[Literal["settled"], Meta(description="Also those that are paid.")] | msgspec.UnsetType
    ) = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class Debts(Out):
    """One page, oldest first; the oldest is paid first."""

    debts: list[DebtOut]
    next_cursor: NextCursor


class ActivationIn(In):
    """An event that waiting units wait for; name the member, the order, or both."""

    event: Annotated[str, Meta(min_length=1, max_length=40, description="As the programme's assets name it.")]
    member_id: UUID | None = None
    order_id: UUID | None = None


class Activation(Out):
    """How many lots the event made usable; 0 when it was reported before."""

    lots: int
