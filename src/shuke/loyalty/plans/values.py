"""A paid plan as compiled values, and the pure rules of its terms and money: how long, how much back, what is earned yet.

No ORM, no clock. Days are local days of the programme; a term of a month from 1 February ends with the 28th, from the
28th with 27 March (pretix' membership tests): the last day is the one before the same day of the next month.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shuke.kit.clock import add_months, end_of_month, local_date, start_of_day
from shuke.kit.money import to_minor
from shuke.loyalty.benefits import Benefit, compile_benefit
from shuke.loyalty.tiers import Tiers

RefundPolicy = Literal["pro_rata", "none"]
UsedPolicy = Literal["greater", "added", "ignored"]


@dataclass(frozen=True, slots=True)
class Duration:
    months: int = 0
    days: int = 0

    def after(self, start: date, anchor: int = 0) -> date:
        """The first day after a term that begins on `start`. `anchor`: the day of the month that a chain of terms began
        on, so that one from the 31st comes back to it after a short month."""
        end = add_months(start, self.months)
        if self.months and not self.days and anchor > end.day:
            end = end.replace(day=min(anchor, end_of_month(end).day))
        return end + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Refund:
    """`full_days`: within them an unused plan is paid back whole. `used`: how benefits count against the time left."""

    policy: RefundPolicy
    full_days: int
    used: UsedPolicy
    fee: int
    """Of what is paid back, in thousandths of a percent."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """`ahead_days`: how early a plan can be renewed by hand. `retry_days`: waits after each charge that failed."""

    manual: bool
    auto: bool
    ahead_days: int
    charge_days_before: int
    retry_days: tuple[int, ...]
    reminder_days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`price` in minor units. `tier`: the level that holders have at least; "" for none."""

    code: str
    name: Mapping[str, str]
    price: int
    duration: Duration
    on_sale: bool
    trial: Duration | None
    grace_days: int
    tier: str
    benefit: Benefit
    refund: Refund
    renewal: Renewal
    gift_code_months: int
    upgrade_to: tuple[str, ...]
    per_member: int | None
    holders: int | None


def compile_plans(raw: Iterable[Mapping[str, Any]], currency: str) -> dict[str, Plan]:
    """The plans by code, in the order of the document."""
    return {plan.code: plan for plan in (_plan(each, currency) for each in raw)}


def _plan(raw: Mapping[str, Any], currency: str) -> Plan:
    refund, renewal, limits = raw.get("refund", {}), raw.get("renewal", {}), raw.get("limits", {})
    return Plan(
        code=raw["code"],
        name=raw["name"],
        price=to_minor(str(raw["price"]), currency),
        duration=_duration(raw["duration"]),
        on_sale=raw.get("on_sale", True),
        trial=_duration(raw["trial"]) if raw.get("trial") else None,
        grace_days=raw.get("grace_days", 0),
        tier=raw.get("tier", ""),
        benefit=compile_benefit(raw.get("benefits"), currency),
        refund=Refund(
            refund.get("policy", "pro_rata"),
            # What an earlier release published without saying had none.
            refund.get("full_days", 0),
            refund.get("used", "greater"),
            int(Decimal(str(refund.get("fee_percent", 0))) * 1000),
        ),
        renewal=Renewal(
            renewal.get("manual", True),
            renewal.get("auto", False),
            renewal.get("ahead_days", 60),
            renewal.get("charge_days_before", 1),
            tuple(renewal.get("retry_days", (1, 2, 3))),
            tuple(sorted(renewal.get("reminder_days", (7, 1)), reverse=True)),
        ),
        gift_code_months=raw.get("gift_code_months", 12),
        upgrade_to=tuple(raw.get("upgrade_to", ())),
        per_member=limits.get("per_member"),
        holders=limits.get("holders"),
    )


def _duration(raw: Mapping[str, Any]) -> Duration:
    return Duration(raw.get("months", 0), raw.get("days", 0))


def brings_nothing_beyond(plan: Plan, held: Plan, tiers: Tiers) -> bool:
    """True when whoever holds the other plan has all that this one brings: it would only cost."""
    mine, theirs = plan.benefit, held.benefit
    free = mine.free_shipping_from is None or (
        theirs.free_shipping_from is not None and theirs.free_shipping_from <= mine.free_shipping_from
    )
    given = all(
        code in theirs.entitlements
        and each.period == theirs.entitlements[code].period
        and each.quota <= theirs.entitlements[code].quota
        for code, each in mine.entitlements.items()
    )
    return (
        mine.discount <= theirs.discount
        and mine.multiplier <= theirs.multiplier
        and (not plan.tier or tiers.level(plan.tier).rank <= tiers.level(held.tier).rank)
        and free
        and given
        and mine.priority_service <= theirs.priority_service
        and not (mine.packs or mine.birthday or mine.exclusive)
    )


# Terms -------------------------------------------------------------------------------------------------


def first_term(duration: Duration, now: datetime, zone: ZoneInfo) -> datetime:
    """When a term that begins at `now` ends: it counts by whole local days, today included."""
    today = local_date(now, zone)
    return start_of_day(duration.after(today, today.day), zone)


def next_term(duration: Duration, ends_at: datetime, anchor: int, zone: ZoneInfo) -> datetime:
    """When the term that follows one ends."""
    return start_of_day(duration.after(local_date(ends_at, zone), anchor), zone)


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of time that was paid for: `value` in minor units is what it is worth to the books."""

    starts_at: datetime
    ends_at: datetime
    value: int
    sold_at: datetime | None = None
    """When it was sold; with its beginning, where nothing else is said."""

    def unearned(self, at: datetime, zone: ZoneInfo) -> int:
        """What of its value is not earned yet at an instant: by whole local days, the day that runs counts as served."""
        start, end = local_date(self.starts_at, zone), local_date(self.ends_at, zone)
        days = max((end - start).days, 1)
        if at < self.starts_at:
            return self.value
        served = min((local_date(at, zone) - start).days + 1, days)
        return self.value - self.value * served // days


@dataclass(frozen=True, slots=True)
class Used:
    """What a plan has given since its terms began, in minor units, each by its own measure.

    `more`: it has also given what nobody stated a worth of, such as points of its multiplier or a birthday gift. That takes
    nothing from what is left, but the plan is not unused.
    """

    discounts: int = 0
    entitlements: int = 0
    packs: int = 0
    shipping: int = 0
    more: bool = False

    @property
    def total(self) -> int:
        return self.discounts + self.entitlements + self.packs + self.shipping

    @property
    def is_nothing(self) -> bool:
        return self.total == 0 and not self.more


@dataclass(frozen=True, slots=True)
class RefundSum:
    """What is paid back and why: paid = kept_for_time and kept_for_use under the policy + fee + refund."""

    paid: int
    unearned: int
    used: Used
    kept: int
    fee: int
    refund: int
    is_full: bool
    whole_terms: int = 0
    """How many terms were taken back whole: as if they had never been sold."""


def left_of(plan: Plan, terms: Iterable[Term], used: Used, at: datetime, zone: ZoneInfo) -> int:
    """What of these terms neither time nor use has taken, as the plan counts use: never less than nothing."""
    terms = list(terms)
    paid = sum(term.value for term in terms)
    unearned = sum(term.unearned(at, zone) for term in terms)
    left = {
        "greater": min(unearned, paid - used.total),
        "added": unearned - used.total,
        "ignored": unearned,
    }[plan.refund.used]
    return max(left, 0)


def refund_of(plan: Plan, terms: Iterable[Term], used: Used, at: datetime, zone: ZoneInfo) -> RefundSum:
    """What a member gets back who gives up the plan now. `terms` are those that are still open, with what was paid.

    `greater`: the time that has passed or the benefits that were had, whichever is more, is kept; `added`: both;
    `ignored`: the time only. Never more than was paid, never less than nothing. A term that was sold within the full days, and
    of which nothing was had, is paid back whole beside that, such as a renewal that was a mistake.
    """
    terms = list(terms)
    paid = sum(term.value for term in terms)
    unearned = sum(term.unearned(at, zone) for term in terms)
    whole = [term for term in terms if _is_taken_back_whole(plan, term, used, at, zone)]
    rest = [term for term in terms if term not in whole]
    back = left_of(plan, rest, used, at, zone) if rest and plan.refund.policy != "none" else 0
    fee = back * plan.refund.fee // 100_000
    refund = sum(term.value for term in whole) + back - fee
    return RefundSum(
        paid, unearned, used, paid - refund - fee, fee, refund, bool(whole) and not rest, len(whole)
    )


def _is_taken_back_whole(plan: Plan, term: Term, used: Used, at: datetime, zone: ZoneInfo) -> bool:
    days = (local_date(at, zone) - local_date(term.sold_at or term.starts_at, zone)).days
    return days < plan.refund.full_days and (at < term.starts_at or used.is_nothing)
