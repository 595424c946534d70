"""What the simulator replays, as plain values: where members stood at the beginning, and what they then did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from shuke.checkout.logic import CartLine
from shuke.ledger.logic import OpenLot
from shuke.loyalty.tier_logic import Grant, TierState
from shuke.loyalty.tiers import Tiers

NO_CODES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StartLot:
    """A lot of points as it stood at the beginning."""

    lot: OpenLot
    slides: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """An order from before the period that still counts for the tier."""

    order_id: UUID
    at: datetime
    qualifying: int
    growth: int
    points: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A recorded change of a level: what decided it, under which tiers (None: the version that decided has no such track)."""

    tiers: Tiers | None
    at: datetime
    before: str
    after: str
    review_at: datetime | None
    cause: str
    metric: int
    grant_id: UUID | None


Come = tuple[datetime, Grant | UUID]
"""A level that is given, or (by its id) ended before its time, at an instant."""


@dataclass(slots=True)
class Start:
    """Where one member stood when the period began."""

    member_id: UUID
    joined_at: datetime
    tags: frozenset[str] = frozenset()
    birthday: tuple[int, int] | None = None
    standings: dict[str, TierState] = field(default_factory=dict)
    """What was held, by track; a track on which nothing ever changed is missing."""

    to_come: dict[str, list[Come]] = field(default_factory=dict)
    """Levels that were given or ended in the period, by track, the last first."""

    had_given: bool = False
    """True when a given level was held at some time of the period."""

    lots: list[StartLot] = field(default_factory=list)
    debt: int = 0
    counted: list[Counted] = field(default_factory=list)
    groups: list[tuple[str, str, datetime, datetime | None]] = field(default_factory=list)
    first_order_at: datetime | None = None
    used: dict[str, dict[date, int]] = field(default_factory=dict)
    """Units by rule and local day, for rules whose caps look back."""

    changes: list[tuple[datetime, str, str]] = field(default_factory=list)
    """When which further track led to which level, in order."""

    def levels(self, at: datetime) -> dict[str, str]:
        """What was held on the further tracks when something happened at `at`, before it changed anything."""
        return {track: level for when, track, level in self.changes if when < at}

    def codes(self, kind: str, at: datetime) -> frozenset[str]:
        """The plans that were held, or the segments that the member was in, at an instant."""
        if not self.groups:
            return NO_CODES
        return frozenset(
            code
            for each, code, since, until in self.groups
            if each == kind and since <= at and (until is None or until > at)
        )

    def had_plan(self, since: datetime, until: datetime) -> bool:
        """True when a plan was held at some time of the period."""
        return any(
            kind == "plan" and begin < until and (end is None or end > since)
            for kind, _code, begin, end in self.groups
        )


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line as it was sold; `sales_minor` is what it cost then, `cost` what a unit costs the shop (None: not known)."""

    cart: CartLine
    sales_minor: int
    cost: int | None


@dataclass(frozen=True, slots=True)
class Sale:
    """A real sale to a member, priced under `version_id` for a holder of `tier`.

    `is_discounted`: its programme gave a discount on some line. `settled`: its prices were final; None where that was not kept.
    `coupons_minor` is what its coupons took off; it stays
    among what the lines carry as given.
    """

    id: UUID
    member_id: UUID
    at: datetime
    store: str
    channel: str
    lines: tuple[SoldLine, ...]
    points_used: int
    tenders: Sequence[tuple[str, int, UUID | None]]
    tier: str
    version_id: UUID | None
    is_discounted: bool
    settled: bool | None = None
    coupons_minor: int = 0


@dataclass(frozen=True, slots=True)
class Back:
    """What one refund took back of a line: `by_goods`, or a stated value of `sales_minor`."""

    line_no: int
    quantity: int
    sales_minor: int
    by_goods: bool


@dataclass(frozen=True, slots=True)
class RefundOf:
    """A real refund. `never_was`: a void or a cancellation, after which nothing stays whatever the policies say."""

    id: UUID
    order_id: UUID
    member_id: UUID
    at: datetime
    lines: tuple[Back, ...]
    never_was: bool


@dataclass(frozen=True, slots=True)
class Did:
    """Something rewarded that is no sale, such as a check-in."""

    id: UUID
    member_id: UUID
    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Points moved by other acts (adjustments, gifts, rewards, refunds of older orders): the same under any programme.

    `legs` are (lot or None for debt, units); `opened` the lots that came with it.
    """

    id: UUID
    member_id: UUID
    at: datetime
    legs: tuple[tuple[UUID | None, int], ...]
    opened: Mapping[UUID, StartLot]
    counted: tuple[UUID, int, int, int, bool] | None = None
    """(order, qualifying, growth, points, ended) that a refund of an older order takes out of what counts for the tier."""


Event = Sale | RefundOf | Did | Moved
