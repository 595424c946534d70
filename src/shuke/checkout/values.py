"""What a till asks for and what it gets back, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

TenderKind = Literal["stored_value", "gift_card", "cash", "card", "wechat", "alipay", "transfer", "other"]
OUTSIDE_TENDERS = frozenset({"cash", "card", "wechat", "alipay", "transfer", "other"})
"""Money that moves outside this house: kept as facts of the sale, never in the ledger."""
MAX_TENDERS = 20

MAX_LINES = 500
MAX_QUANTITY = 10**9
"""In thousandths: a million units on one line."""


@dataclass(frozen=True, slots=True)
class MemberRef:
    """How the till names the member; `system` only for external ids."""

    kind: Literal["id", "number", "phone", "email", "card", "external"]
    value: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class LineRequest:
    """`quantity` in thousandths. Without `unit_price_minor` the catalogue's price counts; `discounts` are the till's own."""

    sku: str
    quantity: int
    unit_price_minor: int | None = None
    list_minor: int | None = None
    """The whole line's price before discounts, where the till states it instead of a unit price."""
    discounts: tuple[tuple[str, int], ...] = ()
    tax: str | None = None
    """Code of the tax rate, where the till knows better than the programme."""


@dataclass(frozen=True, slots=True)
class TenderRequest:
    """One way the sale is paid. Without `amount_minor`: as much as is there, or the rest. `code` only for gift cards."""

    kind: TenderKind
    amount_minor: int | None = None
    code: str = ""
    reference: str = ""
    """The payment's number outside, such as a card terminal's."""
    at_most: bool = False
    """The amount is a ceiling: less is taken, unasked, when less is there or to be paid."""


BEST = "best"


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """A cart to quote or commit. `settled`: the till's prices are final and the tier discount stays out."""

    store: str
    channel: str
    lines: tuple[LineRequest, ...]
    member: MemberRef | None = None
    currency: str = "CNY"
    settled: bool = False
    points_to_use: int = 0
    system: str = "api"
    number: str | None = None
    facts: dict[str, Any] | None = None
    tenders: tuple[TenderRequest, ...] = ()
    coupons: tuple[str, ...] = ()
    """Ids of pieces and codes, in order of preference; `BEST` among them: whatever is best of these and all that the member
    holds."""
    all_coupons: bool = False
    """A quote also tells of every other coupon that the member holds."""
    allowance: str = ""
    """The signed allowance under which it was sold offline."""


PRODUCT_RESERVED = "product_reserved"


class PricingRefusal(Exception):
    """The cart cannot be priced as asked; `code` says why and `params` with which figures."""

    def __init__(self, code: str, field: str, **params: int | str) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.params = params


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored or fresh answer: HTTP status and JSON bytes; `replayed` when it came from an earlier identical call."""

    status: int
    body: bytes
    replayed: bool
