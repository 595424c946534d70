"""Gift codes of a plan in bulk on the wire: ordered, watched, read, paid back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.plans import Reason, Reference, StoreCode, Tender
from shuke.api.contracts.shared import Code, Cursor, In, Limit, NextCursor, Out


class PlanGiftOrderIn(In):
    """How many codes of which plan, how they are paid, and what for."""

    plan: Code
    count: Annotated[int, Meta(ge=1, le=20_000)]
    tender: Tender
    reference: Reference = ""
    store: StoreCode = ""
    note: Annotated[str, Meta(max_length=300, description="What they are for.")] = ""


class PlanGiftOrderOut(Out):
    """An order for gift codes, and how far it is."""

    id: UUID
    plan: str
    count: int
    made: int
    state: Annotated[
        Literal["running", "done", "void"],
        Meta(description="void: what nobody had redeemed was paid back."),
    ]
    currency: str
    price_minor: Annotated[int, Meta(description="Of one code.")]
    tender: str
    reference: str
    store: str | None
    note: str
    occurred_at: datetime
    expires_at: datetime | None
    finished_at: datetime | None
    ended_at: datetime | None
    taken_back: Annotated[int, Meta(description="How many codes were paid back.")]


class PlanGiftOrderFile(PlanGiftOrderOut):
    """An order with what became of its codes."""

    open: Annotated[int, Meta(description="Made, and neither redeemed nor paid back.")]
    redeemed: int


class PlanGiftOrdersQuery(In):
    """Which of the orders for gift codes."""

    plan: Code | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class PlanGiftOrderList(Out):
    """Orders for gift codes, newest first."""

    orders: list[PlanGiftOrderOut]
    next_cursor: NextCursor


class PlanGiftCodesIn(In):
    """What the codes are read for, and where to go on. Each call is on record."""

    reason: Reason
    after: Annotated[
        UUID | None, Meta(description="The last gift of the answer before; without it, from the first.")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class PlanGiftCode(Out):
    """A code that nobody has redeemed. `id`: the gift that it stands for, as a single take-back wants it."""

    id: UUID
    code: str


class PlanGiftCodes(Out):
    """Codes in the order in which they were made. `next`: pass it as `after`; null when these were the last."""

    codes: list[PlanGiftCode]
    next: UUID | None
