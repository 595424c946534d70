"""Coupons on the wire: templates with their figures, pieces with their history, codes in bulk."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import Code, Cursor, In, Limit, NextCursor, Out

State = Literal["issued", "held", "used", "expired", "void"]
Reason = Annotated[str, Meta(min_length=1, max_length=300, description="Why; it stays with the coupon.")]
CouponCode = Annotated[str, Meta(min_length=1, max_length=60, examples=["ABCD-EFGH-JKLM-NPQR", "WELCOME10"])]


class LimitsOut(Out):
    """What the programme allows; null is no limit."""

    stock: int | None
    per_member: int | None
    per_member_per: Literal["day", "week", "month", "all"]
    per_order: int
    budget_count: int | None
    budget_minor: int | None
    alarm_percent: int | None


class FiguresOut(Out):
    """Pieces by where they stand. issued = free + held + used + expired + void."""

    issued: int
    free: Annotated[int, Meta(description="Unique codes that nobody has claimed or used.")]
    held: int
    used: int
    expired: int
    void: int
    given_minor: Annotated[int, Meta(description="What all uses gave, less what refunds took back.")]
    last_used_at: datetime | None


class AlarmOut(Out):
    """A limit that was used up to the alarm's percentage."""

    kind: Literal["stock", "uses", "money"]
    percent: int
    most: int
    taken: int
    at: datetime


class TemplateOut(Out):
    """A coupon template of the programme in force."""

    code: str
    name: Annotated[str, Meta(description="In the language of Accept-Language.")]
    type: str
    currency: str
    public_code: Annotated[
        str, Meta(description="The code that everybody may use; empty when there is none.")
    ]
    transferable: bool
    auto_issue: list[str]
    limits: LimitsOut
    figures: FiguresOut
    alarms: list[AlarmOut]


class TemplateList(Out):
    """Templates by code."""

    templates: list[TemplateOut]
    next_cursor: NextCursor


class IssueIn(In):
    """Members who shall each get `count` pieces; all of them, or none."""

    members: Annotated[list[UUID], Meta(min_length=1, max_length=500)]
    reason: Reason
    count: Annotated[int, Meta(ge=1, le=20)] = 1
    reference: Annotated[
        str,
        Meta(max_length=80, description="Names the act; with the same one again nobody gets a second piece."),
    ] = ""


class IssuedPiece(Out):
    """One new piece."""

    id: UUID
    member_id: UUID


class IssuedOut(Out):
    """What was handed out now. `known`: pieces that an earlier call with this reference handed out."""

    coupons: list[IssuedPiece]
    known: int


class CouponsQuery(In):
    """Which of the member's coupons."""

    state: State | msgspec.UnsetType = msgspec.UNSET
    template: Code | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class CouponOut(Out):
    """One piece. It is valid from `valid_from` until before `valid_until`."""

    id: UUID
    template: str
    name: Annotated[str, Meta(description="As the programme in force calls it; else the template's code.")]
    state: State
    member_id: UUID | None
    source: str
    reference: str
    last_four: Annotated[str, Meta(description="Of its unique code; empty when it has none.")]
    issued_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    order_id: UUID | None
    used_at: datetime | None
    value_minor: Annotated[int, Meta(description="What it gave in the order that used it.")]
    passed_from: UUID | None


class CouponList(Out):
    """Pieces, newest first."""

    coupons: list[CouponOut]
    next_cursor: NextCursor


class CouponEventOut(Out):
    """What happened to a piece."""

    kind: Literal["issued", "held", "used", "restored", "passed", "expired", "void"]
    at: datetime
    member_id: Annotated[UUID | None, Meta(description="Whose it was afterwards.")]
    cause: str
    order_id: UUID | None
    refund_id: UUID | None
    actor: str


class CouponFile(CouponOut):
    """One piece with its history, oldest first."""

    history: list[CouponEventOut]


class ClaimIn(In):
    """The code goes into the body, so that no log of addresses keeps it."""

    code: CouponCode


class PassIn(In):
    """Who shall have it."""

    receiver_id: UUID


class VoidIn(In):
    """Why it is called back."""

    reason: Reason


class CodeJobIn(In):
    """How many unique codes of which template."""

    template: Code
    count: Annotated[int, Meta(ge=1, le=5_000_000)]
    note: Annotated[str, Meta(max_length=300, description="What they are for.")] = ""


class CodeJobOut(Out):
    """An order for codes, and how far it is."""

    id: UUID
    template: str
    count: int
    made: int
    status: Literal["running", "done", "expired", "void"]
    valid_from: datetime | None
    valid_until: datetime | None
    note: str
    created_at: datetime
    finished_at: datetime | None


class CodeJobsQuery(In):
    """Which of the orders for codes."""

    template: Code | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class CodeJobList(Out):
    """Orders for codes, newest first."""

    jobs: list[CodeJobOut]
    next_cursor: NextCursor


class CodesIn(In):
    """Which codes of the job, and what for. Each call is on record."""

    reason: Reason
    first: Annotated[int, Meta(ge=0, le=5_000_000, description="The place to begin at, from 0.")] = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class CodesOut(Out):
    """The codes from `first` on. `next`: where to go on; null when these were the last."""

    codes: list[str]
    first: int
    count: Annotated[int, Meta(description="How many codes the whole job has.")]
    next: int | None
