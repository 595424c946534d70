"""What a coupon is, as plain values: its template with every term spelt out, and what pricing finds out about it.

The programme compiles its section `coupons` into `CouponTemplate`; this room never reads the programme itself.
Money is in minor units, percentages in thousandths of a percent (15 % = 15000), quantities in thousandths of a unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol
from uuid import UUID

CouponType = Literal[
    "amount_off",
    "threshold",
    "percent_off",
    "fixed_price",
    "nth_item",
    "buy_x_get_y",
    "cheapest_free",
    "gift_item",
    "free_shipping",
    "exchange",
]
COUPON_TYPES: tuple[CouponType, ...] = (
    "gift_item",
    "exchange",
    "fixed_price",
    "buy_x_get_y",
    "cheapest_free",
    "nth_item",
    "threshold",
    "amount_off",
    "percent_off",
    "free_shipping",
)
"""In the order in which coupons of equal priority are taken off: first what is about pieces, then what is about the sum."""

Period = Literal["day", "week", "month", "all"]
Spread = Literal["amount", "quantity"]
CouponState = Literal["issued", "held", "used", "expired", "void"]

MINUTES_OF_A_DAY = 24 * 60


class Line(Protocol):
    """What coupons look at in a line of a sale."""

    @property
    def sku(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def brand(self) -> str: ...
    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Goods:
    """Lines by SKU, category (or what lies below it) or brand: of each kind that is given the line must match one."""

    skus: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    brands: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.skus or self.categories or self.brands)


@dataclass(frozen=True, slots=True)
class DayPart:
    """From `start` up to, not including, `end`, in minutes of the local day; past midnight when `end` is the smaller."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class Scope:
    """Which goods the coupon is about, and where, when and how paid it counts. Empty: no restriction."""

    goods: Goods = Goods()
    exclude: Goods = Goods()
    """A line that matches any of these is out."""
    stores: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    day_parts: tuple[DayPart, ...] = ()
    weekdays: frozenset[int] = frozenset()
    """Monday is 0, as in `date.weekday`."""
    tenders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Validity:
    """Between two local days, both included, or for `days_after_issue` days from `starts_after_days` after the issue.

    With both, the narrower counts. Nothing given: from the issue on, without end.
    """

    begins: date | None = None
    ends: date | None = None
    days_after_issue: int | None = None
    starts_after_days: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. `stock`: pieces that may be handed out (a public code hands one out at each use).

    `per_member`: uses by one member in each `per_member_per`. `budget_count` and `budget_minor`: uses, and what they give
    in money, of all members together. `per_order`: coupons of this template in one sale. `alarm_percent`: of a budget or
    stock, at which the business is told.
    """

    stock: int | None = None
    per_member: int | None = None
    per_member_per: Period = "all"
    per_order: int = 1
    budget_count: int | None = None
    budget_minor: int | None = None
    alarm_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Stacking:
    """Which coupons may be used together. Two of one `group` never are; an `exclusive` one stands alone.

    `allows`: None: all others; else only those whose group is named (none of them when empty). Both must allow it.
    """

    group: str = ""
    exclusive: bool = False
    allows: frozenset[str] | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Spend `least`, get `off`."""

    least: int
    off: int


@dataclass(frozen=True, slots=True)
class CouponTemplate:
    """One kind of coupon. Which of the amounts counts depends on `type` (docs/concepts/coupons.md)."""

    code: str
    name: Mapping[str, str]
    type: CouponType
    scope: Scope = Scope()
    amount: int = 0
    each_unit: bool = False
    """The amount is off each piece instead of off the sum."""
    percent: int = 0
    cap: int | None = None
    """The most it gives in one sale."""
    price: int = 0
    nth: int = 0
    buy: int = 0
    get: int = 0
    get_goods: Goods = Goods()
    """buy_x_get_y: what is got, when it is not what is bought. gift_item: the gift. free_shipping: the goods that are
    the shipping fee."""
    times: int | None = None
    """How often an offer on pieces counts in one sale; None: as often as it fits."""
    steps: tuple[Step, ...] = ()
    """threshold: least spend and what it takes off; the highest reached counts."""
    repeat: bool = False
    """threshold: the step counts for each time its spend is reached."""
    spread: Spread = "amount"
    minimum_spend: int = 0
    minimum_quantity: int = 0
    """In whole pieces."""
    validity: Validity = Validity()
    limits: Limits = Limits()
    stacking: Stacking = Stacking()
    transferable: bool = False
    public_code: str = ""
    auto_issue: tuple[str, ...] = ()

    @property
    def uses_brands(self) -> bool:
        return bool(self.scope.goods.brands or self.scope.exclude.brands or self.get_goods.brands)


@dataclass(frozen=True, slots=True)
class Occasion:
    """The sale around the goods. `at` is local time; `tenders` the kinds that the till named."""

    at: datetime
    store: str
    channel: str
    tenders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Room:
    """What limits leave to a template, as read before the sale; None: as much as you like."""

    uses: int | None = None
    """Uses by everybody, from the budget in count and, for a public code, from the stock."""
    minor: int | None = None
    member_uses: int | None = None


FREE_ROOM = Room()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a coupon does not count: a stable code and its figures (money in minor units)."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A coupon that a sale may use: a piece (`coupon_id`) or a public code (`coupon_id` None).

    `id` names it in requests and answers: the piece's id, or the code. `unusable` is a reason known beforehand: its state,
    its holder.
    """

    id: str
    template: CouponTemplate
    version_id: UUID
    """The programme version whose terms count."""
    coupon_id: UUID | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    room: Room = FREE_ROOM
    unusable: Reason | None = None
