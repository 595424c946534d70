"""Stored value, gift cards and sales made offline on the wire. Money is whole minor units."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from shuke.api.contracts.checkout import Moment, OrderIn
from shuke.api.contracts.shared import MAX_MINOR, Code, In, NextCursor, Out

OutsideTender = Literal["cash", "card", "wechat", "alipay", "transfer", "other"]
Money = Annotated[int, Meta(ge=1, le=MAX_MINOR, description="Whole minor units of the currency.")]
Reference = Annotated[str, Meta(max_length=80, description="The payment's number outside.")]
Reason = Annotated[str, Meta(min_length=1, max_length=300)]
GiftCode = Annotated[str, Meta(min_length=1, max_length=40, examples=["ABCD-EFGH-JKLM-NPQR"])]


class TopUpIn(In):
    """Money that a member pays in advance."""

    store: Code
    amount_minor: Money
    tender: OutsideTender
    reference: Reference = ""
    system: Code = "api"
    number: Annotated[
        Annotated[str, Meta(min_length=1, max_length=80)] | None,
        Meta(description="Receipt number; (system, number) exists once."),
    ] = None
    organisation: Annotated[
        bool, Meta(description="The payer is an organisation: the law limits its cash.")
    ] = False


class InstalmentOut(Out):
    """A part of a bonus and when it can be used."""

    amount_minor: int
    usable_from: datetime
    expires_at: datetime | None


class TopUpOut(Out):
    """A recorded top-up with the bonus it was given."""

    id: UUID
    currency: str
    amount_minor: int
    bonus_minor: int
    rule: Annotated[str, Meta(description="Id of the bonus rule, empty when none was reached.")]
    instalments: list[InstalmentOut]
    occurred_at: datetime


class TopUpSummary(Out):
    """An earlier top-up."""

    id: UUID
    occurred_at: datetime
    amount_minor: int
    bonus_minor: int
    tender: str
    store: str
    returned_at: datetime | None


class StoredValueOut(Out):
    """What a member has paid in advance."""

    currency: str
    principal_minor: Annotated[int, Meta(description="Paid in and usable now.")]
    bonus_minor: Annotated[int, Meta(description="Bonus money usable now.")]
    coming: Annotated[list[InstalmentOut], Meta(description="Not usable yet.")]
    owed_minor: Annotated[int, Meta(description="Owed after sales made offline; the next top-up settles it.")]
    top_ups: Annotated[list[TopUpSummary], Meta(description="The last fifty, newest first.")]


class ReturnIn(In):
    """How and why the money is paid back."""

    store: Code
    tender: OutsideTender
    reason: Reason
    reference: Reference = ""


class ReturnQuote(Out):
    """What returning the card pays back. paid = principal − deducted; unspent bonus money is forfeited."""

    currency: str
    principal_minor: int
    spent_bonus_minor: int
    deducted_minor: Annotated[int, Meta(description="For bonus money spent already, and for what is owed.")]
    paid_minor: int
    forfeited_minor: int


class ReturnOut(ReturnQuote):
    """A recorded return."""

    id: UUID
    occurred_at: datetime


class GiftCardsIn(In):
    """Cards to be made; they are worth nothing until they are activated."""

    face_minor: Money
    count: Annotated[int, Meta(ge=1, le=500)] = 1


class IssuedCard(Out):
    """A new card. The code is told here only, and to a repeated call with the same Idempotency-Key."""

    id: UUID
    code: str
    last_four: str


class IssuedCards(Out):
    """The cards that were made."""

    currency: str
    face_minor: int
    cards: list[IssuedCard]


class ActivateIn(In):
    """Cards that are sold together."""

    codes: Annotated[list[GiftCode], Meta(min_length=1, max_length=500)]
    store: Code
    tender: OutsideTender
    reference: Reference = ""
    buyer: Annotated[
        UUID | None, Meta(description="Id of the member who buys, where the law wants a name.")
    ] = None
    organisation: bool = False


class CodeIn(In):
    """The code goes into the body, so that no log of addresses keeps it."""

    code: GiftCode


class BlockIn(In):
    """A card that shall not pay any more, or shall pay again."""

    code: GiftCode
    reason: Reason
    blocked: bool = True


class GiftCardOut(Out):
    """A card without its code."""

    id: UUID
    last_four: str
    status: Literal["issued", "active", "blocked", "returned"]
    currency: str
    face_minor: int
    usable_minor: int
    expires_at: datetime | None


class GiftCardReturnIn(ReturnIn, kw_only=True):
    """A card whose money is paid back."""

    code: GiftCode


class GiftCardReturned(GiftCardOut):
    """A card that pays no more, and what was paid back for it."""

    paid_minor: int


class GiftCardList(Out):
    """The cards of one act."""

    cards: list[GiftCardOut]


class OfflineOrderIn(OrderIn, kw_only=True):
    """A sale that was made while the till was cut off; number and occurred_at are required."""

    number: Annotated[str, Meta(min_length=1, max_length=80)]
    occurred_at: Moment
    allowance: Annotated[
        str, Meta(max_length=2000, description="The signed allowance that it was made under.")
    ] = ""


class BatchIn(In):
    """Sales in any order; uploading one again does no harm."""

    orders: Annotated[list[OfflineOrderIn], Meta(min_length=1, max_length=200)]


class RowProblem(Out):
    """Why a row was refused."""

    code: str
    status: int
    detail: str
    field: str | None


class BatchRow(Out):
    """What became of one row, in the place it had in the upload."""

    index: int
    system: str
    number: str
    status: Annotated[
        Literal["committed", "known", "refused"],
        Meta(description="committed now, known from an earlier upload, or refused: nothing of it was done."),
    ]
    order_id: UUID | None
    order: Annotated[
        dict[str, Any] | None, Meta(description="The committed order; null when only its id is known.")
    ]
    problem: RowProblem | None


class BatchOut(Out):
    """Every row has its own result."""

    committed: int
    known: int
    refused: int
    results: list[BatchRow]


class AllowanceIn(In):
    """Who may spend on which device."""

    member: UUID
    device: Annotated[str, Meta(min_length=1, max_length=80)]
    store: Code


class AllowanceOut(Out):
    """A signed allowance."""

    id: UUID
    points: int
    money_minor: int
    currency: str
    expires_at: datetime
    token: Annotated[
        str, Meta(description="claim.signature (Ed25519), both base64url; verify with the public key.")
    ]


class PublicKey(Out):
    """What devices verify allowances with."""

    algorithm: Literal["Ed25519"]
    key: Annotated[str, Meta(description="The raw public key, base64url without padding.")]


class Exposed(Out):
    """One open allowance. `uncovered` is what is left of it beyond the member's usable balance."""

    id: UUID
    member_id: UUID
    device: str
    store: str
    issued_at: datetime
    expires_at: datetime
    points_left: int
    money_left_minor: int
    points_uncovered: int
    money_uncovered_minor: int
    points_owed: int
    money_owed_minor: int


class Exposure(Out):
    """What could be spent offline without being there."""

    count: Annotated[int, Meta(description="Of all open allowances, like the sums.")]
    points_left: int
    money_left_minor: int
    points_uncovered: int
    money_uncovered_minor: int
    allowances: list[Exposed]
    next_cursor: NextCursor
