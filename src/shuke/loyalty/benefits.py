"""What a tier or a paid plan brings beside points: one shape for both, and what counts where a member has several.

Pure: no ORM, no clock. Percentages are thousandths of a percent, factors thousandths, money minor units. A sale asks
`discounts_of`, `factor_of`, `ships_free` and `reserved_for`; the jobs and the counter ask for gifts, packs and entitlements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from shuke.kit.clock import add_months
from shuke.kit.money import to_minor
from shuke.loyalty.conditions import Goods, Line
from shuke.loyalty.earning import TierFactor

Stack = Literal["best", "add"]
QuotaPeriod = Literal["day", "week", "month", "quarter", "year", "term"]
PackPeriod = Literal["month", "quarter", "year"]
HolderKind = Literal["tier", "plan"]
Counts = Literal["ignore", "best", "add"]

MONTHS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12}
WHOLE_PERCENT = 100_000


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Goods that only holders may buy, from `begins` to before `ends` of local days; afterwards everybody may."""

    goods: Goods
    begins: date | None
    ends: date | None

    def counts(self, day: date) -> bool:
        return (self.begins is None or day >= self.begins) and (self.ends is None or day < self.ends)


@dataclass(frozen=True, slots=True)
class BirthdayGift:
    """Once a year, `days_before` the birthday: points, coupons (template → pieces), or both."""

    points: int
    coupons: tuple[tuple[str, int], ...]
    days_before: int


@dataclass(frozen=True, slots=True)
class Pack:
    """Coupons that come once in each period: template → pieces. `worth`: what a pack is counted at in a refund."""

    code: str
    period: PackPeriod
    coupons: tuple[tuple[str, int], ...]
    worth: int


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Something to be had at the counter, `quota` times in each period. `stock`: pieces for all members together.

    No `stores`: anywhere. `worth`: what one is counted at in a refund.
    """

    code: str
    name: Mapping[str, str]
    quota: int
    period: QuotaPeriod
    stores: frozenset[str]
    stock: int | None
    worth: int


@dataclass(frozen=True, slots=True)
class Benefit:
    """All that one tier level or plan brings. A multiplier of 1000 and a discount of 0 change nothing."""

    discount: int = 0
    multiplier: int = 1000
    free_shipping_from: int | None = None
    """Least value of the sale, in minor units; None: shipping is not free."""
    free_shipping_worth: int = 0
    """What one delivery is counted at in a refund of a plan, in minor units."""
    priority_service: bool = False
    exclusive: tuple[Exclusive, ...] = ()
    birthday: BirthdayGift | None = None
    packs: tuple[Pack, ...] = ()
    entitlements: Mapping[str, Entitlement] = field(default_factory=dict)


NO_BENEFIT = Benefit()


@dataclass(frozen=True, slots=True)
class Held:
    """A tier or plan that a member has, with what it brings.

    `discount_counts` and `multiplier_counts` say how a level of a further track joins the one of the main track.
    """

    kind: HolderKind
    code: str
    benefit: Benefit
    discount_counts: Counts = "add"
    multiplier_counts: Counts = "add"

    @property
    def source(self) -> str:
        """`tier:gold`, `plan:vip`, as rows keep it."""
        return f"{self.kind}:{self.code}"


@dataclass(frozen=True, slots=True)
class Discount:
    """One part of what tiers and plans take off."""

    kind: HolderKind
    code: str
    percent: int


def discounts_of(held: Sequence[Held], stack: Stack) -> tuple[Discount, ...]:
    """Whose discount counts. Levels join as their tracks say; of several plans the best one counts; tier and plan: the
    better one, or both added up."""
    tiers = _joined([(each, each.benefit.discount, each.discount_counts) for each in held])
    plans = _best_plan(held, lambda benefit: benefit.discount)
    if tiers and plans and stack == "best":
        more = plans[0].benefit.discount > sum(each.benefit.discount for each in tiers)
        tiers, plans = ([], plans) if more else (tiers, [])
    return tuple(Discount(each.kind, each.code, each.benefit.discount) for each in (*tiers, *plans))


def factor_of(held: Sequence[Held], stack: Stack) -> TierFactor:
    """The multiplier of points: the better one, or ×1.5 and ×2 added up to ×2.5. 1000 when nothing multiplies."""
    tiers = _joined([(each, each.benefit.multiplier - 1000, each.multiplier_counts) for each in held])
    plans = _best_plan(held, lambda benefit: benefit.multiplier - 1000)
    by_tier = sum(each.benefit.multiplier - 1000 for each in tiers)
    by_plan = sum(each.benefit.multiplier - 1000 for each in plans)
    if tiers and plans and stack == "best":
        tiers, by_tier, plans, by_plan = (
            ([], 0, plans, by_plan) if by_plan > by_tier else (tiers, by_tier, [], 0)
        )
    return TierFactor(
        tiers[0].code if tiers else "", 1000 + by_tier + by_plan, plans[0].code if plans else ""
    )


def _joined(levels: Iterable[tuple[Held, int, Counts]]) -> list[Held]:
    """The levels whose figure counts, that of the main track first: the others join as their tracks say."""
    first: tuple[Held, int] | None = None
    more: list[Held] = []
    for each, figure, counts in levels:
        if each.kind != "tier":
            continue
        if first is None or (counts == "best" and figure > first[1]):
            first = (each, figure)
        elif counts == "add" and figure:
            more.append(each)
    return [*([first[0]] if first and first[1] else []), *more]


def _best_plan(held: Sequence[Held], figure: Callable[[Benefit], int]) -> list[Held]:
    """The plan that brings most of something, of equal ones the first by code; none when none brings any."""
    plans = sorted((each for each in held if each.kind == "plan"), key=lambda each: each.code)
    best = max(plans, key=lambda each: figure(each.benefit), default=None)
    return [best] if best and figure(best.benefit) else []


def ships_free(held: Iterable[Held], sales_minor: int) -> bool:
    """True when a tier or plan frees a sale of this value from shipping."""
    limits = [each.benefit.free_shipping_from for each in held]
    return any(limit is not None and sales_minor >= limit for limit in limits)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Goods that some tiers and plans only may buy, as a sale checks them."""

    holder: tuple[HolderKind, str]
    exclusive: Exclusive


def reserved_of(everyone: Iterable[Held]) -> tuple[Reserved, ...]:
    """All reservations of a programme."""
    return tuple(
        Reserved((each.kind, each.code), exclusive)
        for each in everyone
        for exclusive in each.benefit.exclusive
    )


def reserved_for(
    reserved: Sequence[Reserved], line: Line, day: date, held: Sequence[Held]
) -> tuple[tuple[HolderKind, str], ...]:
    """Who only may buy this line, when the buyer is not among them; empty when the buyer may."""
    holders = tuple(
        each.holder
        for each in reserved
        if each.exclusive.counts(day) and each.exclusive.goods.match_any(line)
    )
    mine = {(each.kind, each.code) for each in held}
    return () if mine.intersection(holders) else holders


# Quotas and periods ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Giver:
    """A tier or plan that gives an entitlement: how often, in the period that began on `since`."""

    source: str
    quota: int
    since: date


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a member may have of one entitlement in the current period, and through whom."""

    entitlement: Entitlement
    quota: int
    since: date
    givers: tuple[Giver, ...]
    stack: Stack

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(each.source for each in self.givers)

    @property
    def periods(self) -> frozenset[date]:
        """The periods whose uses count: who gets a second giver has not had nothing from the first."""
        return frozenset(each.since for each in self.givers)

    def next_use(self, used: int) -> tuple[tuple[str, ...], date]:
        """Through whom the next one is had after `used`, and the period that it counts in.

        Where the larger quota counts: through all whose own quota would give it as well. Where they add up: through each in
        turn.
        """
        if self.stack == "best":
            return tuple(each.source for each in self.givers if each.quota > used), self.since
        for each in self.givers:
            used -= each.quota
            if used < 0:
                return (each.source,), each.since
        return self.sources, self.since


def allowances_of(
    held: Sequence[Held], terms: Mapping[str, date], day: date, stack: Stack
) -> list[Allowance]:
    """The entitlements of a member on a local day. `terms`: source → the day on which its current term began.

    Where tier and plan give the same one, the larger quota counts, or both added up.
    """
    found: dict[str, list[tuple[Giver, Entitlement]]] = {}
    for each in held:
        for code, entitlement in each.benefit.entitlements.items():
            since = period_start(entitlement.period, day, terms.get(each.source, day))
            giver = Giver(each.source, entitlement.quota, since)
            found.setdefault(code, []).append((giver, entitlement))
    result = []
    for givers in found.values():
        best, main = max(givers, key=lambda pair: pair[1].quota)
        stores = frozenset[str]()
        if all(entitlement.stores for _giver, entitlement in givers):
            stores = frozenset().union(*(entitlement.stores for _giver, entitlement in givers))
        result.append(
            Allowance(
                Entitlement(main.code, main.name, main.quota, main.period, stores, main.stock, main.worth),
                sum(giver.quota for giver, _entitlement in givers) if stack == "add" else best.quota,
                best.since,
                tuple(giver for giver, _entitlement in givers),
                stack,
            )
        )
    return result


def period_start(period: QuotaPeriod | PackPeriod, day: date, term: date) -> date:
    """The first local day of the period that holds `day`; a `term` period begins with the plan's or tier's own term."""
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    if period == "year":
        return day.replace(month=1, day=1)
    return term


def pack_start(period: PackPeriod, anchor: date, day: date) -> date:
    """The first day of a plan's pack period that holds `day`; periods run from the day on which the plan began."""
    step = MONTHS[period]
    count = ((day.year - anchor.year) * 12 + day.month - anchor.month) // step
    while add_months(anchor, count * step) > day:
        count -= 1
    return add_months(anchor, max(count, 0) * step)


def next_pack_start(period: PackPeriod, anchor: date, day: date) -> date:
    """The first day of the pack period after the one that holds `day`."""
    step, count = MONTHS[period], 0
    start = pack_start(period, anchor, day)
    while add_months(anchor, count * step) <= start:
        count += 1
    return add_months(anchor, count * step)


def birthday_due(birthday: tuple[int, int], gift: BirthdayGift, day: date, catch_up: int) -> int | None:
    """The year of the birthday whose gift is due on a local day, or was within `catch_up` days; None when none is.

    Who was born on 29 February has the 28th in other years.
    """
    for year in (day.year, day.year + 1):
        month, on = birthday
        if month == 2 and on == 29 and not _leap(year):
            on = 28
        due = date(year, month, on) - timedelta(days=gift.days_before)
        if due <= day <= due + timedelta(days=catch_up):
            return year
    return None


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


# Compiling ---------------------------------------------------------------------------------------------


def compile_benefit(
    raw: Mapping[str, Any] | None, currency: str, *, discount: int = 0, multiplier: int = 1000
) -> Benefit:
    """The section `benefits` of a plan or tier level; a level states discount and multiplier beside it."""
    raw = raw or {}
    birthday = raw.get("birthday")
    from_ = raw.get("free_shipping_from", "0") if raw.get("free_shipping") else None
    entitlements = [_entitlement(each, currency) for each in raw.get("entitlements", ())]
    if "discount_percent" in raw:
        discount = _thousandths(raw["discount_percent"])
    if "multiplier" in raw:
        multiplier = _thousandths(raw["multiplier"])
    return Benefit(
        discount=discount,
        multiplier=multiplier,
        free_shipping_from=to_minor(str(from_), currency) if from_ is not None else None,
        free_shipping_worth=to_minor(str(raw.get("free_shipping_worth", 0)), currency),
        priority_service=raw.get("priority_service", False),
        exclusive=tuple(_exclusive(each) for each in raw.get("exclusive", ())),
        birthday=BirthdayGift(
            birthday.get("points", 0), _coupons(birthday.get("coupons", ())), birthday.get("days_before", 0)
        )
        if birthday
        else None,
        packs=tuple(
            Pack(
                each["code"],
                each.get("period", "month"),
                _coupons(each["coupons"]),
                to_minor(str(each.get("worth", 0)), currency),
            )
            for each in raw.get("packs", ())
        ),
        entitlements={each.code: each for each in entitlements},
    )


def _thousandths(value: str | int) -> int:
    whole, _dot, part = str(value).partition(".")
    return int(whole) * 1000 + int((part + "000")[:3])


def _exclusive(raw: Mapping[str, Any]) -> Exclusive:
    goods = Goods(tuple(raw.get("categories", ())), frozenset(raw.get("skus", ())))
    return Exclusive(goods, _day(raw.get("from")), _day(raw.get("until")))


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _coupons(raw: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((each["template"], each.get("count", 1)) for each in raw)


def _entitlement(raw: Mapping[str, Any], currency: str) -> Entitlement:
    return Entitlement(
        code=raw["code"],
        name=raw["name"],
        quota=raw["quota"],
        period=raw.get("period", "year"),
        stores=frozenset(raw.get("stores", ())),
        stock=raw.get("stock"),
        worth=to_minor(str(raw.get("worth", 0)), currency),
    )
