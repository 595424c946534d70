"""Explanations on the wire: where a balance, a tier or a price came from, as of an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from shuke.api.contracts.members import EntryOut
from shuke.api.contracts.shared import In, Out

AsOf = Annotated[
    datetime,
    Meta(tz=True, description="What had happened by this instant; not in the future. Without it: now."),
]
KnownAt = Annotated[
    datetime,
    Meta(
        tz=True,
        description="Of that, only what was on record by this instant: sales that a till uploaded later stay out.",
    ),
]


class AsOfQuery(In):
    """The instant to look at."""

    as_of: AsOf | UnsetType = UNSET


class BalancesQuery(In):
    """The instant to look at, and what was known of it."""

    as_of: AsOf | UnsetType = UNSET
    known_at: KnownAt | UnsetType = UNSET


class ExplainedOrderRef(Out):
    """An order as a cause; number and store are null where the key may not look into that store."""

    id: UUID
    number: str | None
    store: str | None


class BalanceFlow(Out):
    """All movements of one kind in one direction. The amounts of all flows add up to the balance."""

    kind: str
    name: Annotated[str, Meta(description="The kind in the language of Accept-Language.")]
    amount: int
    entries: int
    first_at: datetime
    last_at: datetime


class ExplainedLot(Out):
    """Units that came in together. `active_at` null: they wait for an event; `expires_at` null: they never expire."""

    id: UUID
    amount: int
    remaining: int
    held: Annotated[int, Meta(description="Of what remains: promised by holds that were open.")]
    state: Annotated[str, Meta(description="usable, pending or lapsed.")]
    earned_at: datetime
    active_at: datetime | None
    expires_at: datetime | None
    programme_version: Annotated[
        int | None, Meta(description="The version whose rules gave them; null without rules.")
    ]
    rules: Annotated[
        list[dict[str, Any]], Meta(description="What each rule gave to the act that made the lot.")
    ]
    explanation: str
    order: ExplainedOrderRef | None
    moves: list[EntryOut]


class BalanceExplanation(Out):
    """balance = the sum of `flows` = the remaining units of all lots − debt."""

    member_id: UUID
    asset: str
    as_of: datetime
    known_at: datetime | None
    balance: int
    usable: int
    pending: int
    lapsed: int
    held: int
    debt: int
    adds_up: Annotated[bool, Meta(description="False would be a fault of the book.")]
    flows: list[BalanceFlow]
    lots: Annotated[
        list[ExplainedLot], Meta(description="Lots with something left, the next to expire first.")
    ]
    lots_total: Annotated[int, Meta(description="How many such lots there are; 200 are listed at most.")]
    debts: Annotated[list[EntryOut], Meta(description="What made and settled a debt.")]


class CountedOrder(Out):
    """An order in the window of a tier. `counted` is what is left of `qualifying` after refunds."""

    order: ExplainedOrderRef
    occurred_at: datetime
    qualifying: int
    counted: int


class ExplainedLevel(Out):
    """A level of the programme; the threshold in minor units, or in units of growth."""

    code: str
    name: str
    threshold: int


class TierExplanation(Out):
    """The tier held at an instant, the change that brought it, and what counted towards it then."""

    member_id: UUID
    as_of: datetime
    tier: ExplainedLevel
    since: datetime | None
    review_at: datetime | None
    cause: Annotated[str, Meta(description="joined, qualified, renewed, lapsed, refund or programme.")]
    explanation: str
    metric: Annotated[
        int | None, Meta(description="The figure that decided then; null where nothing was decided.")
    ]
    metric_again: Annotated[int | None, Meta(description="The same figure, added up anew from the orders.")]
    order: Annotated[ExplainedOrderRef | None, Meta(description="The order that brought the change.")]
    changed_under: Annotated[
        int | None, Meta(description="The version of the programme that decided the change.")
    ]
    programme_version: Annotated[int, Meta(description="The version in force at the instant.")]
    measured_by: Annotated[str, Meta(description="spend or growth.")]
    window_start: datetime
    total: Annotated[int, Meta(description="What counted in the window that ends at the instant.")]
    next: ExplainedLevel | None
    orders: Annotated[list[CountedOrder], Meta(description="Newest first, 200 at most.")]
    orders_total: int
    elsewhere: Annotated[int, Meta(description="Orders of stores that the key does not cover.")]
    elsewhere_total: int


class UnitFigures(Out):
    """`count` units of a line with the same figures; the figures of each one of them."""

    count: int
    list_minor: int
    discount_minor: int
    points_minor: int
    payable_minor: int
    points_earned: int


class ExplainedDiscount(Out):
    """A discount on a line in words and in structure."""

    explanation: str
    minor: int
    detail: dict[str, Any]


class ExplainedLine(Out):
    """A line as it was priced. `units` is empty for what is not sold by the piece."""

    line_no: int
    sku: str
    name: str
    quantity: str
    list_minor: int
    discount_minor: int
    points_minor: int
    payable_minor: int
    points_earned: int
    growth_earned: int
    discounts: list[ExplainedDiscount]
    units: list[UnitFigures]


class ExplainedEarning(Out):
    """What the order gave of an asset: by rule and by line, both of which add up to `total`."""

    asset: str
    total: int
    rules: list[dict[str, Any]]
    by_line: list[int]
    explanation: str


class LotThen(Out):
    """A lot that the order made, used or gave back to, as it stood at the instant."""

    id: UUID
    asset: str
    amount: int
    remaining: int
    state: str
    expires_at: datetime | None


class ExplainedTierMove(Out):
    """A change of tier that the order or its refund brought."""

    occurred_at: datetime
    from_tier: str
    to_tier: str
    cause: str
    explanation: str
    metric: int


class PriceDifference(Out):
    """A figure of the order (`line_no` 0) or of a line that the rules give otherwise than it was recorded."""

    line_no: int
    figure: str
    recorded: int
    again: int


class PricedAgain(Out):
    """The price made again by the function and the programme version that made it."""

    is_same: Annotated[
        bool | None,
        Meta(description="Null where the facts of that moment are not kept; false would be a fault."),
    ]
    explanation: str
    differences: list[PriceDifference]


class OrderExplanation(Out):
    """The price of an order taken apart, and what had become of its points by the instant."""

    id: UUID
    number: str
    store: str
    as_of: datetime
    occurred_at: datetime
    recorded_at: datetime
    member_id: UUID | None
    currency: str
    list_minor: int
    discount_minor: int
    sales_minor: int
    points_minor: int
    payable_minor: int
    points_used: int
    points_earned: int
    growth_earned: int
    tier: str
    status: str
    programme_version: int | None
    adds_up: Annotated[
        bool, Meta(description="Header, lines, units, rules and ledger agree; false would be a fault.")
    ]
    priced_again: PricedAgain
    lines: list[ExplainedLine]
    earnings: list[ExplainedEarning]
    entries: list[EntryOut]
    lots: list[LotThen]
    tier_changes: list[ExplainedTierMove]
