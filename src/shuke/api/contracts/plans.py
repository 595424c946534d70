"""Paid plans and entitlements on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import MAX_MINOR, Amount, Code, Cursor, In, Limit, NextCursor, Out

Tender = Annotated[
    str,
    Meta(
        max_length=20, description="How it was paid outside: cash, card, wechat, alipay, transfer or other."
    ),
]
Reference = Annotated[str, Meta(max_length=80, description="The payment's own number, if any.")]
StoreCode = Annotated[str, Meta(max_length=40, description="Code of the store where it happens, if any.")]
Reason = Annotated[str, Meta(min_length=1, max_length=300)]
Signed = Annotated[int, Meta(ge=-MAX_MINOR, le=MAX_MINOR)]
State = Literal["trial", "active", "grace", "ended"]
Cause = Literal["trial", "bought", "gift", "renewed", "auto_renewed", "upgraded"]


class DurationOut(Out):
    months: int
    days: int


class PlanOut(Out):
    """A plan of the programme in force."""

    code: str
    name: str
    price_minor: int
    currency: str
    duration: DurationOut
    trial: DurationOut | None
    grace_days: int
    on_sale: bool
    renews_by_hand: bool
    renews_itself: bool
    upgrade_to: list[str]


class PlanList(Out):
    """The programme's plans, in its order."""

    plans: list[PlanOut]


class TermOut(Out):
    """A stretch of a plan. `paid_minor` + `credit_minor` is its worth; credit came from a plan given up for it."""

    id: UUID
    plan: str
    cause: Cause
    starts_at: datetime
    ends_at: datetime
    price_minor: int
    paid_minor: int
    credit_minor: int
    currency: str
    tender: str
    sold_at: datetime
    closed_at: datetime | None
    refunded_minor: int


class MemberPlan(Out):
    """A plan that the member has or had; it gives benefits while `held`, grace included."""

    plan: str
    name: str
    state: State
    held: bool
    since: datetime
    until: datetime
    grace_until: datetime
    renews_itself: bool
    charge_at: Annotated[datetime | None, Meta(description="When the next renewal is charged.")]
    terms: list[TermOut]


class MemberPlans(Out):
    """Held ones first; terms newest first."""

    plans: list[MemberPlan]


class BuyIn(In):
    """A plan sold, paid for with money from outside."""

    plan: Code
    tender: Tender
    reference: Reference = ""
    store: StoreCode = ""
    number: Annotated[str, Meta(max_length=80, description="Your number of this sale: recorded once.")] = ""


class TrialIn(In):
    plan: Code


class RenewIn(In):
    """The next term, paid for with money from outside."""

    tender: Tender
    reference: Reference = ""
    store: StoreCode = ""
    number: Annotated[str, Meta(max_length=80, description="Your number of this sale: recorded once.")] = ""


class UpgradeIn(RenewIn, kw_only=True):
    """Give the plan up for a better one."""

    target: Code
    expected_minor: Annotated[
        Signed | None,
        Meta(
            description="to_pay_minor less paid_back_minor of the quote; refused when it is another by now."
        ),
    ] = None


class UpgradeQuery(In):
    target: Code


class UpgradeQuote(Out):
    """What an upgrade costs now: price less what of the former plan is not used up in time."""

    currency: str
    price_minor: int
    credit_minor: int
    to_pay_minor: int
    paid_back_minor: int


class RefundSums(Out):
    """What is paid back and why."""

    currency: str
    paid_minor: int
    unearned_minor: Annotated[
        int, Meta(description="For the days that are left; the day that runs counts as served.")
    ]
    used_discounts_minor: Annotated[
        int, Meta(description="What its discount took off sales, less what came back.")
    ]
    used_entitlements_minor: int
    used_packs_minor: int
    used_shipping_minor: Annotated[
        int,
        Meta(
            description="Sales that it had delivered free of charge, at the worth that the programme states."
        ),
    ]
    kept_minor: int
    fee_minor: int
    refund_minor: int
    is_full: bool


class PlanRefundQuote(RefundSums):
    terms: Annotated[int, Meta(description="How many terms end with it.")]


class PlanRefundIn(In):
    """Give the plan up for money."""

    tender: Tender
    reason: Reason
    reference: Reference = ""
    store: StoreCode = ""
    expected_minor: Annotated[
        Amount | None, Meta(description="What the quote said; refused when it is another by now.")
    ] = None


class PlanRefundOut(Out):
    id: UUID
    plan: str
    refund_minor: int
    currency: str
    tender: str
    occurred_at: datetime
    sums: RefundSums


class AutoRenewIn(In):
    """Leave to charge renewals."""

    provider: Annotated[str, Meta(min_length=1, max_length=30)] = "local"
    token: Annotated[
        str, Meta(max_length=80, description="The agreement at the provider; without it, one is opened.")
    ] = ""


class PlanGiftIn(In):
    """Codes for a plan that are given away."""

    plan: Code
    tender: Tender
    count: Annotated[int, Meta(ge=1, le=100)] = 1
    buyer_id: UUID | None = None
    reference: Reference = ""
    store: StoreCode = ""


class PlanGiftOut(Out):
    """A gift. Its code is told to whoever has sold it; it is stored nowhere."""

    id: UUID
    code: str
    price_minor: int
    currency: str
    expires_at: datetime | None


class GiftList(Out):
    plan: str
    gifts: list[PlanGiftOut]


class PlanCodeIn(In):
    """What stands on the gift."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]


class TakeBackIn(In):
    """How the money goes back, and why."""

    tender: Tender
    reason: Reason
    reference: Reference = ""
    store: StoreCode = ""


class TakenBack(Out):
    id: UUID
    refund_minor: int
    currency: str


class ChargeReport(In):
    """What the payment provider says became of a charge; it may come late and more than once."""

    outcome: Literal["approved", "declined", "unknown"]
    reason: Annotated[str, Meta(max_length=80)] = ""


class ChargeOut(Out):
    reference: str
    state: Literal["pending", "unknown", "declined", "approved", "given_up"]
    amount_minor: Annotated[int, Meta(ge=0, le=MAX_MINOR)]
    currency: str


class HistoryQuery(In):
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 100


class PlanEventOut(Out):
    """Something that happened to a plan of the member."""

    id: UUID
    plan: str
    kind: str
    occurred_at: datetime
    data: dict[str, Any]


class PlanHistory(Out):
    """One page, newest first."""

    events: list[PlanEventOut]
    next_cursor: NextCursor


class EntitlementOut(Out):
    """What the member may have at the counter now."""

    code: str
    name: str
    quota: int
    used: int
    left: int
    period: Literal["day", "week", "month", "quarter", "year", "term"]
    since: Annotated[date, Meta(description="The local day on which the present period began.")]
    stores: Annotated[list[str], Meta(description="Where; empty: everywhere.")]
    sources: Annotated[list[str], Meta(description="Through which tier and plans, as tier:gold, plan:vip.")]
    stock_left: int | None


class EntitlementList(Out):
    entitlements: list[EntitlementOut]


class UseIn(In):
    """Where it is handed out."""

    store: Code


class UseOut(Out):
    id: UUID
    member_id: UUID
    entitlement: str
    store: str
    occurred_at: datetime
    undoes: UUID | None


class UndoIn(In):
    reason: Reason
