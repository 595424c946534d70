"""Refunds, voids, cancellations, exchanges and late receipts on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from shuke.api.contracts.checkout import (
    CommittedOrder,
    Earned,
    Figures,
    LineOut,
    MemberAfter,
    MemberRefIn,
    OrderIn,
    Quantity,
    TaxTotal,
    TenderOut,
)
from shuke.api.contracts.shared import Amount, In, Out

Reason = Annotated[str, Meta(min_length=1, max_length=300)]


class LineBackIn(In):
    """Part of one line: goods, value, or goods for a stated value."""

    line_no: Annotated[int, Meta(ge=1, le=500)]
    quantity: Annotated[
        Quantity | None, Meta(description="Units that come back; they are worth their share of what is left.")
    ] = None
    sales_minor: Annotated[
        Amount | None, Meta(description="Value to refund: what the goods cost before points and added tax.")
    ] = None


class PartIn(In):
    """What to refund: these lines, or a value spread over the whole order; with neither, all that is left."""

    lines: Annotated[list[LineBackIn], Meta(max_length=500)] = []
    sales_minor: Annotated[
        Amount | None, Meta(description="A value of the whole order, spread over what is left of its lines.")
    ] = None


class RefundIn(PartIn, kw_only=True):
    """What to give back, and why."""

    reason: Reason


class ReasonIn(In):
    """Why."""

    reason: Reason


class ExchangeQuoteIn(PartIn, kw_only=True):
    """What comes back, and what goes out instead."""

    order: OrderIn


class ExchangeIn(ExchangeQuoteIn, kw_only=True):
    """An exchange, and why."""

    reason: Reason


class AttachIn(In):
    """The code of the receipt, and who holds it."""

    receipt: Annotated[str, Meta(min_length=3, max_length=120)]
    member: MemberRefIn


class RefundedLine(Out):
    """What goes back of one line."""

    line_no: int
    quantity: str
    sales_minor: int
    points_minor: int
    payable_minor: int


class RefundedTender(Out):
    """What goes back the way it was paid; `seq` is the order's tender, 0 for money that none names."""

    seq: int
    kind: str
    amount_minor: int


class CouponBack(Out):
    """A coupon of an order that goes back as a whole, and its state from then on; a public code is `free` or `void`."""

    coupon_id: UUID | None
    template: str
    state: Literal["held", "issued", "expired", "void", "free"]


class RefundQuote(Out):
    """What a refund would do now. Points in units, money in minor units.

    sales − points + added tax = payable = Σ tenders. What the till hands over is `money_back_minor`: tenders that the
    house does not keep, less `deducted_minor`.
    """

    order_id: UUID
    currency: str
    sales_minor: int
    points_minor: int
    tax_minor: int
    payable_minor: int
    deducted_minor: Annotated[
        int,
        Meta(
            description="Kept for missing points, where the programme says so; negative when they came back."
        ),
    ]
    money_back_minor: Annotated[int, Meta(description="To hand over; negative: to collect.")]
    tenders: list[RefundedTender]
    coupons: Annotated[list[CouponBack], Meta(description="Of an order of which nothing is left.")]
    points_returned: int
    points_expired: Annotated[
        int, Meta(description="Of those returned: lapsed meanwhile, so they lapse again.")
    ]
    points_clawed_back: int
    growth_clawed_back: int
    points_bought: Annotated[int, Meta(description="Of those taken back: missing, so money paid for them.")]
    debt_created: Annotated[int, Meta(description="Points that the member owes because they are spent.")]
    points_balance_after: int
    is_whole: Annotated[bool, Meta(description="Nothing of the order is left afterwards.")]
    lines: list[RefundedLine]


class RefundOut(RefundQuote):
    """A recorded refund."""

    id: UUID
    kind: Literal["refund", "exchange", "void", "cancellation"]
    occurred_at: datetime
    exchange_order_id: UUID | None
    tier: Annotated[
        dict[str, str] | None, Meta(description="The change of tier, {from, to}; null without one.")
    ]


class ExchangeOut(Out):
    """Both halves of an exchange."""

    refund: RefundOut
    order: CommittedOrder
    balance_minor: Annotated[int, Meta(description="What the customer pays in the end; negative: gets.")]


class ExchangeSale(Figures):
    """The sale that the goods would be exchanged for."""

    taxes: list[TaxTotal]
    tenders: list[TenderOut]
    due_minor: int
    earned: list[Earned]
    programme_version: int
    member: MemberAfter | None
    lines: list[LineOut]


class ExchangeQuote(Out):
    """Both halves as they would be now."""

    refund: RefundQuote
    order: ExchangeSale
    balance_minor: int


class DeliveryOut(Out):
    """The goods of an order were handed over."""

    order_id: UUID
    delivered_at: datetime


class WriteOffOut(Out):
    """What was forgiven."""

    refund_id: UUID
    order_id: UUID
    points_written_off: int


class AttachOut(Out):
    """What the member earned by the sale."""

    order_id: UUID
    member_id: UUID
    points_earned: int
    growth_earned: int
    points_taken_back: Annotated[int, Meta(description="Of them: for what was given back before the claim.")]
    growth_taken_back: int
    tier: Annotated[
        dict[str, str] | None, Meta(description="The change of tier, {from, to}; null without one.")
    ]
