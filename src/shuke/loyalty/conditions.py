"""When a rule counts: its conditions as compiled values, and what they look at. Pure: no ORM, no clock.

Conditions fall in two groups. Those of the goods (categories, SKUs, brands, and exceptions from them) look at a line and
say which lines a rule is about; all others look at the sale or the member as a whole. A day, an hour and a birthday are
those of the programme's zone, so the context carries the local time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from shuke.kit.money import to_minor

Birthday = Literal["", "day", "week", "month"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60


class Line(Protocol):
    """What conditions look at in a line. `quantity` in thousandths of a unit."""

    @property
    def sku(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def brand(self) -> str: ...
    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class MemberTraits:
    """What only some programmes ask of a member; the till reads it when the programme in force does.

    `plans` and `segments` are codes. `is_first_purchase`: no earlier order of the member exists.
    """

    joined: date | None = None
    tags: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    is_first_purchase: bool = False


NO_TRAITS = MemberTraits()


class SaleContext(Struct, frozen=True):
    """The sale's and the member's side of a rule. `at` is the local time; `birthday` (month, day) or None when unknown.

    An accrual without a sale has no store and no channel, and no rule that asks for one.
    """

    at: datetime
    store: str
    channel: str
    tier: str
    birthday: tuple[int, int] | None
    tenders: frozenset[str] = frozenset()
    traits: MemberTraits = NO_TRAITS
    track_tiers: frozenset[str] = frozenset()
    """What the member holds on the tracks beside the main one."""


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included; None: open."""

    low: int | None
    high: int | None

    def holds(self, value: int) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class Goods:
    """Lines by category (or what lies below it), SKU and brand. Of each kind that is given the line must match one."""

    categories: tuple[str, ...] = ()
    skus: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    _below: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What the paths of categories below the given ones begin with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_below", tuple(f"{each}/" for each in self.categories))

    def __bool__(self) -> bool:
        return bool(self.categories or self.skus or self.brands)

    def match_all(self, line: Line) -> bool:
        """True when every given kind matches."""
        return (
            (not self.categories or self._in_category(line.category))
            and (not self.skus or line.sku in self.skus)
            and (not self.brands or line.brand in self.brands)
        )

    def match_any(self, line: Line) -> bool:
        """True when one of the given kinds matches."""
        return (
            (bool(self.categories) and self._in_category(line.category))
            or line.sku in self.skus
            or line.brand in self.brands
        )

    def _in_category(self, path: str) -> bool:
        return path in self.categories or path.startswith(self._below)


@dataclass(frozen=True, slots=True)
class Conditions:
    """All given conditions must hold; an empty one always holds. Amounts in minor units, hours in minutes from midnight."""

    tiers: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    tenders: frozenset[str] = frozenset()
    weekdays: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    hours: tuple[tuple[int, int], ...] = ()
    """(from, to): `from` included, `to` not; a `to` that is not after `from` lies on the next day."""
    first_day: date | None = None
    last_day: date | None = None
    birthday: Birthday = ""
    tags: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    tenure_days: Range | None = None
    first_purchase: bool | None = None
    order_amount: Range | None = None
    """Of what qualifies in the whole order."""
    lines_amount: Range | None = None
    """Of what qualifies in the lines that the rule is about."""
    only: Goods = field(default_factory=Goods)
    exclude: Goods = field(default_factory=Goods)

    @property
    def picks_lines(self) -> bool:
        """True when the rule is about some lines only."""
        return bool(self.only) or bool(self.exclude)

    def covers(self, line: Line) -> bool:
        """True when the rule is about this line."""
        return self.only.match_all(line) and not self.exclude.match_any(line)

    def hold(self, context: SaleContext) -> bool:
        """True when every condition holds that looks neither at lines nor at amounts."""
        return self._sale_holds(context) and self._time_holds(context) and self._member_holds(context)

    def _sale_holds(self, context: SaleContext) -> bool:
        return (
            (not self.tiers or context.tier in self.tiers or not self.tiers.isdisjoint(context.track_tiers))
            and (not self.stores or context.store in self.stores)
            and (not self.channels or context.channel in self.channels)
            and (not self.tenders or not self.tenders.isdisjoint(context.tenders))
        )

    def _time_holds(self, context: SaleContext) -> bool:
        at = context.at
        return (
            (not self.weekdays or at.weekday() in self.weekdays)
            and (not self.month_days or at.day in self.month_days)
            and (self.first_day is None or at.date() >= self.first_day)
            and (self.last_day is None or at.date() <= self.last_day)
            and (not self.hours or self._hour_holds(at.hour * 60 + at.minute))
        )

    def _hour_holds(self, minute: int) -> bool:
        return any(
            start <= minute < end if start < end else minute >= start or minute < end
            for start, end in self.hours
        )

    def _member_holds(self, context: SaleContext) -> bool:
        traits = context.traits
        return (
            (not self.birthday or is_birthday(context.birthday, context.at.date(), self.birthday))
            and (not self.tags or not self.tags.isdisjoint(traits.tags))
            and (not self.segments or not self.segments.isdisjoint(traits.segments))
            and (not self.plans or not self.plans.isdisjoint(traits.plans))
            and (self.first_purchase is None or traits.is_first_purchase is self.first_purchase)
            and (
                self.tenure_days is None
                or (
                    traits.joined is not None
                    and self.tenure_days.holds((context.at.date() - traits.joined).days)
                )
            )
        )


def is_birthday(birthday: tuple[int, int] | None, day: date, span: Birthday) -> bool:
    """True on the birthday, in its week (Monday to Sunday), or in its month.

    Who was born on 29 February has the birthday on the 28th in other years. An unknown birthday is never.
    """
    if birthday is None:
        return False
    if span == "month":
        return birthday[0] == day.month
    # The week of 1 January may hold a birthday of the other year.
    years = (day.year,) if span == "day" else (day.year - 1, day.year, day.year + 1)
    dates = [_birthday_in(birthday, year) for year in years]
    if span == "day":
        return day in dates
    return any(each.isocalendar()[:2] == day.isocalendar()[:2] for each in dates)


def _birthday_in(birthday: tuple[int, int], year: int) -> date:
    month, day = birthday
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, 2, 28)


ALWAYS = Conditions()


def compile_conditions(raw: Mapping[str, Any] | None, currency: str) -> Conditions:
    """The section `when` of a rule, as `loyalty.document.validate` returned it."""
    if not raw:
        return ALWAYS
    dates = raw.get("dates", {})
    except_ = raw.get("except", {})
    first, last = dates.get("from"), dates.get("to")
    return Conditions(
        tiers=frozenset(raw.get("tiers", ())),
        stores=frozenset(raw.get("stores", ())),
        channels=frozenset(raw.get("channels", ())),
        tenders=frozenset(raw.get("tenders", ())),
        weekdays=frozenset(WEEKDAYS.index(day) for day in raw.get("weekdays", ())),
        month_days=frozenset(raw.get("month_days", ())),
        hours=tuple((_minutes(each["from"]), _minutes(each["to"])) for each in raw.get("hours", ())),
        first_day=date.fromisoformat(first) if first else None,
        last_day=date.fromisoformat(last) if last else None,
        # Documents of the first release say birthday_month.
        birthday=raw.get("birthday", "month" if raw.get("birthday_month") else ""),
        tags=frozenset(raw.get("tags", ())),
        segments=frozenset(raw.get("segments", ())),
        plans=frozenset(raw.get("plans", ())),
        tenure_days=_range(raw.get("tenure_days")),
        first_purchase=raw.get("first_purchase"),
        order_amount=_range(raw.get("order_amount"), currency),
        lines_amount=_range(raw.get("lines_amount"), currency),
        only=_goods(raw),
        exclude=_goods(except_),
    )


def _goods(raw: Mapping[str, Any]) -> Goods:
    return Goods(
        tuple(raw.get("categories", ())), frozenset(raw.get("skus", ())), frozenset(raw.get("brands", ()))
    )


def _range(raw: Mapping[str, Any] | None, currency: str = "") -> Range | None:
    if not raw:
        return None
    low, high = raw.get("from"), raw.get("to")
    if currency:
        low = to_minor(low, currency) if low is not None else None
        high = to_minor(high, currency) if high is not None else None
    return Range(low, high)


def _minutes(text: str) -> int:
    hours, _colon, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) % DAY_MINUTES
