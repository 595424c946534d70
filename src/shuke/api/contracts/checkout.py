"""Carts and orders on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import MAX_MINOR, Amount, Code, Cursor, In, Limit, NextCursor, Out, Sku

Moment = Annotated[datetime, Meta(tz=True)]
Quantity = (
    Annotated[int, Meta(ge=1, le=1_000_000)]
    | Annotated[str, Meta(pattern=r"^[0-9]{1,7}(\.[0-9]{1,3})?$", examples=["1.250"])]
)


class MemberRefIn(In):
    """Who buys. A till that has identified the member sends its id."""

    kind: Literal["id", "number", "phone", "email", "card", "external"]
    value: Annotated[str, Meta(min_length=1, max_length=254)]
    system: Annotated[str, Meta(max_length=40, description="For external ids: the system that gave it.")] = ""


class DiscountIn(In):
    """A discount that the till has given on a line."""

    code: Code
    minor: Amount


class LineIn(In):
    """One line of the cart."""

    sku: Sku
    quantity: Annotated[
        Quantity,
        Meta(description="Units: a whole number, or text with up to three decimals, at most 1,000,000."),
    ]
    unit_price_minor: Annotated[
        Amount | None, Meta(description="Price of one unit; without it the catalogue's list price counts.")
    ] = None
    list_minor: Annotated[
        Amount | None,
        Meta(description="Price of the whole line before discounts, instead of unit_price_minor."),
    ] = None
    discounts: Annotated[list[DiscountIn], Meta(max_length=20)] = []
    tax: Annotated[
        Annotated[str, Meta(min_length=1, max_length=30)] | None,
        Meta(description="Code of the tax rate; without it the programme decides."),
    ] = None


class TenderIn(In):
    """One way the sale is paid."""

    kind: Literal["stored_value", "gift_card", "cash", "card", "wechat", "alipay", "transfer", "other"]
    amount_minor: Annotated[
        Amount | None, Meta(description="Without it: as much as is there, or the rest of the sale.")
    ] = None
    code: Annotated[str, Meta(max_length=40, description="For gift cards: the code.")] = ""
    reference: Annotated[
        str, Meta(max_length=80, description="The payment's number outside, such as the card terminal's.")
    ] = ""


CouponNamed = Annotated[str, Meta(min_length=1, max_length=60)]


class CartIn(In):
    """What is sold, to whom, and how it is paid."""

    store: Annotated[Code, Meta(description="Code of the store.")]
    channel: Annotated[Code, Meta(description="Code of the channel, for example pos.")]
    lines: Annotated[list[LineIn], Meta(min_length=1, max_length=500)]
    member: MemberRefIn | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "CNY"
    settled: Annotated[
        bool, Meta(description="The till's prices are final: the tier discount stays out.")
    ] = False
    points_to_use: Annotated[int, Meta(ge=0, le=MAX_MINOR)] = 0
    tenders: Annotated[
        list[TenderIn],
        Meta(
            max_length=20,
            description="How it is paid. Once money from outside is named, all tenders must add up to the sale.",
        ),
    ] = []
    coupons: Annotated[
        list[CouponNamed] | Literal["best"],
        Meta(
            description="Ids of the member's pieces, unique codes and public codes, in order of preference. `best`, alone or"
            " in the list: the best legal combination of these and all that the member holds. An order that names a coupon"
            " which does not count is refused (`coupon_not_usable`; `errors` has the cause as `code`); `best` never refuses."
        ),
    ] = []


class QuoteIn(CartIn):
    """A cart to be priced."""

    all_coupons: Annotated[
        bool, Meta(description="Also tell of every other coupon that the member holds.")
    ] = False


class OrderIn(CartIn):
    """A sale to be recorded."""

    system: Annotated[Code, Meta(description="The selling system; (system, number) exists once.")] = "api"
    number: Annotated[
        Annotated[str, Meta(min_length=1, max_length=80)] | None,
        Meta(description="Order number in the selling system; without it the order's id serves."),
    ] = None
    occurred_at: Annotated[
        Moment | None, Meta(description="When it was sold, up to 24 hours back; without it, now.")
    ] = None
    facts: Annotated[
        dict[str, Any] | None,
        Meta(
            description='Kept with the order as it is, at most 16 KiB: campaign facts, and `"delivery": "pending"` for'
            " an order whose goods are still to be handed over: until then it can be cancelled."
        ),
    ] = None


class OrdersQuery(In):
    """Filters of the list of orders."""

    member: Annotated[UUID, Meta(description="Id of the member.")] | msgspec.UnsetType = msgspec.UNSET
    store: Annotated[Code, Meta(description="Code of the store.")] | msgspec.UnsetType = msgspec.UNSET
    since: (
        Annotated[datetime, Meta(tz=True, description="Sold at or after this instant.")] | msgspec.UnsetType
    ) = msgspec.field(name="from", default=msgspec.UNSET)
    until: Annotated[datetime, Meta(tz=True, description="Sold before this instant.")] | msgspec.UnsetType = (
        msgspec.field(name="to", default=msgspec.UNSET)
    )
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class LineTax(Out):
    """The tax of one line; percent in thousandths of a percent."""

    code: str
    percent: int
    tax_minor: int


class TaxTotal(Out):
    """One tax rate over the whole sale. `taxable_minor` is without the tax."""

    code: str
    percent: int
    taxable_minor: int
    tax_minor: int
    discount_minor: Annotated[int, Meta(description="Discounts that fell on lines of this rate.")]


class TenderOut(Out):
    """What one tender pays. Stored value comes as two: `stored_value` (principal) and `bonus`."""

    kind: str
    amount_minor: int
    gift_card_id: UUID | None
    reference: str


class SaleCoupon(Out):
    """A coupon on a sale: what it gives, what it would give besides those used, or why it gives nothing."""

    coupon: Annotated[
        str, Meta(description="Id of the piece or public code; of a unique code the last four only.")
    ]
    asked: Annotated[int | None, Meta(description="Its place in `coupons`; null: one the member holds.")]
    coupon_id: UUID | None
    template: str | None
    type: str | None
    name: str
    status: Literal["used", "usable", "refused"]
    minor: Annotated[int, Meta(description="What it takes off; of a usable one, what it would.")]
    valid_until: Annotated[
        datetime | None, Meta(description="The first instant at which it is no longer valid.")
    ]
    reason: Annotated[str | None, Meta(description="Why it gives nothing: a stable code.")]
    message: Annotated[str, Meta(description="The reason in words, with its figures.")]


class OrderCoupon(Out):
    """A coupon that a recorded order used."""

    template: str
    coupon_id: UUID | None
    minor: int
    is_undone: Annotated[bool, Meta(description="A refund of the whole order has undone it.")]


class LineOut(Out):
    """A line as it was priced; the sums over all lines are the figures of the order."""

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
    discounts: Annotated[
        list[dict[str, Any]],
        Meta(
            description="Each discount of the line: kind (given, tier or coupon), code (of a coupon: its template), minor,"
            " percent in thousandths, and for a piece `coupon`, its id."
        ),
    ]
    tax: LineTax | msgspec.UnsetType = msgspec.UNSET


class Earned(Out):
    """Units of one asset that the sale earns, and each rule's share in them."""

    asset: str
    amount: int
    rules: list[dict[str, Any]]


class MemberAfter(Out):
    """The member once the sale stands."""

    id: UUID
    tier: str
    tier_before: str
    tier_review_at: datetime | None
    balances: dict[str, int]


class Figures(Out):
    """list − discount = sales; sales − points + tax_added = payable. All `_minor` in whole minor units of `currency`.

    `tax_minor` is the tax in what is paid; where prices are without tax, `tax_added_minor` is the same, else zero.
    """

    store: str
    channel: str
    currency: str
    list_minor: int
    discount_minor: int
    sales_minor: int
    points_minor: int
    tax_minor: int
    tax_added_minor: int
    payable_minor: int
    points_used: int
    points_earned: int
    growth_earned: int


class BenefitsOut(Out):
    """What the till has to know of the member's tier and plans, beside the prices."""

    plans: Annotated[list[str], Meta(description="Codes of the paid plans that counted.")]
    free_shipping: bool
    priority_service: bool


class Quote(Figures):
    """What a commit of the same cart would give, unless facts change."""

    taxes: list[TaxTotal]
    tenders: list[TenderOut]
    due_minor: Annotated[int, Meta(description="What the ledger does not pay.")]
    earned: list[Earned]
    benefits: BenefitsOut
    programme_version: int
    member: MemberAfter | None
    lines: list[LineOut]
    points_usable: Annotated[int, Meta(description="Points that the member could use now.")]
    points_limit: Annotated[int, Meta(description="Points that this sale could take.")]
    coupons: Annotated[
        list[SaleCoupon],
        Meta(description="Those named, then those that the member holds if all were asked for."),
    ]
    stored_value_usable: Annotated[int, Meta(description="Principal that the member could spend now.")]
    bonus_usable: Annotated[int, Meta(description="Bonus money that the member could spend now.")]
    stored_value_limit: Annotated[int, Meta(description="Stored value that this sale could take.")]


class CommittedOrder(Figures):
    """A recorded sale."""

    taxes: list[TaxTotal]
    tenders: list[TenderOut]
    due_minor: Annotated[int, Meta(description="What the ledger does not pay.")]
    coupons: Annotated[list[SaleCoupon], Meta(description="Those that count.")]
    id: UUID
    system: str
    number: str
    status: Literal["committed"]
    occurred_at: datetime
    earned: list[Earned]
    benefits: BenefitsOut
    programme_version: int
    member: MemberAfter | None
    lines: list[LineOut]
    receipt_code: Annotated[
        str | None,
        Meta(description="For a sale without a member: claims it for one later, /receipts/attach."),
    ]


class OrderSummary(Figures):
    """An order in a list. `tier` is the one it was priced under, empty without a member."""

    id: UUID
    system: str
    number: str
    status: Annotated[
        Literal["committed", "refunded", "voided", "cancelled"],
        Meta(description="Committed as long as something of it is left."),
    ]
    occurred_at: datetime
    recorded_at: datetime
    member_id: UUID | None
    refunded_sales_minor: Annotated[int, Meta(description="How much of sales_minor was given back.")]
    tier: str
    programme_version: int | None


class OrderLine(LineOut, kw_only=True):
    """A line of a recorded order, with what is back of it."""

    returned_quantity: str
    refunded_sales_minor: int


class OrderRefund(Out):
    """One of an order's refunds, in their order; all of them add up to what is back."""

    id: UUID
    seq: int
    kind: Literal["refund", "exchange", "void", "cancellation"]
    occurred_at: datetime
    sales_minor: int
    points_minor: int
    payable_minor: int
    deducted_minor: int
    points_returned: int
    points_expired: int
    points_clawed_back: int
    growth_clawed_back: int
    points_bought: int
    debt_created: int
    debt_written_off: int
    exchange_order_id: UUID | None
    reason: str


class Order(OrderSummary):
    """An order with its lines."""

    taxes: list[TaxTotal]
    coupons: list[OrderCoupon]
    tenders: list[TenderOut]
    due_minor: Annotated[int, Meta(description="What the ledger did not pay.")]
    lines: list[OrderLine]
    refunds: list[OrderRefund]
    receipt_code: Annotated[
        str | None, Meta(description="Claims the sale for a member later; null once it has one.")
    ]
    facts: dict[str, Any] | None


class OrderList(Out):
    """One page, newest first."""

    orders: list[OrderSummary]
    next_cursor: NextCursor
