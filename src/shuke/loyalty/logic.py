"""Earning, tiers and expiry as pure functions: no ORM, no clock, no I/O. The same code serves a live sale and an import.

All arithmetic is integer. A rule gives `give` for every full `per`; multipliers then act on what the rule gave, and the
parts are spread over lines by largest remainder, so that every point belongs to a line and to the rule that produced it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shuke.kit.clock import add_months, end_of_day, end_of_month, local_date, start_of_day
from shuke.kit.money import allocate, divide
from shuke.loyalty.assets import Expiry
from shuke.loyalty.programme import Conditions, EarningRule, Level, Multiplier, Programme, Tiers


@dataclass(frozen=True, slots=True)
class SaleContext:
    """What conditions look at: the order's side of a sale. `birthday` is (month, day) or None when unknown."""

    day: date
    store: str
    channel: str
    tier: str
    birthday: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Earned:
    """Units of one asset from one order: `by_line` sums to `total`; `parts` names each rule's share, summing too."""

    asset: str
    total: int
    by_line: list[int]
    parts: list[dict[str, Any]]


def holds(when: Conditions, context: SaleContext) -> bool:
    """True when every order-side condition holds (categories are looked at line by line)."""
    if when.tiers and context.tier not in when.tiers:
        return False
    if when.stores and context.store not in when.stores:
        return False
    if when.channels and context.channel not in when.channels:
        return False
    if when.weekdays and context.day.weekday() not in when.weekdays:
        return False
    if when.first_day and context.day < when.first_day:
        return False
    if when.last_day and context.day > when.last_day:
        return False
    return not when.birthday_month or (
        context.birthday is not None and context.birthday[0] == context.day.month
    )


def earn(
    programme: Programme, context: SaleContext, amounts: Sequence[int], categories: Sequence[str]
) -> list[Earned]:
    """What an order earns, per asset. `amounts[i]` is line i's qualifying amount in minor units, `categories[i]` its path."""
    level = programme.tiers.level(context.tier)
    active = [m for m in programme.multipliers if holds(m.when, context)]
    results: list[Earned] = []
    for asset in programme.expiry:
        total, by_line, parts = 0, [0] * len(amounts), list[dict[str, Any]]()
        for rule in programme.earning:
            if rule.asset != asset or not holds(rule.when, context):
                continue
            base = _base(rule, amounts, categories)
            given = sum(base)
            if given == 0:
                continue
            parts.append({"id": rule.id, "points": given})
            total += given
            by_line = [a + b for a, b in zip(by_line, base, strict=True)]
        if total:
            bonus_total, bonus_lines, bonus_parts = _bonus(
                programme, asset, active, level, by_line, categories
            )
            total += bonus_total
            by_line = [a + b for a, b in zip(by_line, bonus_lines, strict=True)]
            parts += bonus_parts
            results.append(Earned(asset, total, by_line, parts))
    return results


def _base(rule: EarningRule, amounts: Sequence[int], categories: Sequence[str]) -> list[int]:
    """What the rule gives each line, rounded once per order or per line as the rule says."""
    if rule.when.categories:
        covered = rule.when.covers_category
        amounts = [a if covered(c) else 0 for a, c in zip(amounts, categories, strict=True)]
    if rule.per_line:
        return [divide(a * rule.give, rule.per, rule.rounding) for a in amounts]
    # Whole steps of `per`: with floor, 3 per 100 of 199 gives 3, not 5.
    steps = divide(sum(amounts), rule.per, rule.rounding)
    return allocate(steps * rule.give, amounts)


def _bonus(
    programme: Programme,
    asset: str,
    active: list[Multiplier],
    level: Level,
    base: list[int],
    categories: Sequence[str],
) -> tuple[int, list[int], list[dict[str, Any]]]:
    """Extra units from multipliers: (total, by line, parts). Factors are thousandths."""
    factors: list[tuple[dict[str, Any], int, list[bool] | None]] = []
    if asset == "points" and level.multiplier != 1000:
        factors.append(
            ({"id": "tier", "tier": level.code, "factor": _text(level.multiplier)}, level.multiplier, None)
        )
    for m in active:
        if m.asset != asset:
            continue
        lines = [m.when.covers_category(c) for c in categories] if m.when.categories else None
        if lines is None or any(lines):
            factors.append(({"id": m.id, "factor": _text(m.factor)}, m.factor, lines))
    if not factors:
        return 0, [0] * len(base), []
    shares = [_shares(programme.policies.stacking, factors, i) for i in range(len(base))]
    # shares[i][k]: thousandths of line i's base that factor k adds.
    weights = [b * sum(row) for b, row in zip(base, shares, strict=True)]
    total_weight = sum(weights)
    if total_weight <= 0:
        return 0, [0] * len(base), []
    given = sum(base)
    bonus = divide(given * 1000 + total_weight, 1000, programme.policies.multiplier_rounding) - given
    by_factor = [sum(b * row[k] for b, row in zip(base, shares, strict=True)) for k in range(len(factors))]
    split = allocate(bonus, by_factor)
    parts = [{**info, "points": n} for (info, _, _), n in zip(factors, split, strict=True) if n]
    return bonus, allocate(bonus, weights), parts


def _shares(
    stacking: str, factors: list[tuple[dict[str, Any], int, list[bool] | None]], line: int
) -> list[int]:
    """How many thousandths of the line's base each factor adds, under the stacking policy."""
    gains = [f - 1000 if lines is None or lines[line] else 0 for _, f, lines in factors]
    if stacking == "add":
        return gains
    if stacking == "best":
        best = max(range(len(gains)), key=lambda k: gains[k])
        return [g if k == best else 0 for k, g in enumerate(gains)]
    # multiply: each factor's share is what it adds on top of those before it
    shares, running = [], 1000
    for gain in gains:
        grown = running * (1000 + gain) // 1000
        shares.append(grown - running)
        running = grown
    return shares


def _text(factor: int) -> str:
    whole, part = divmod(factor, 1000)
    return f"{whole}.{part:03d}".rstrip("0").rstrip(".") if part else str(whole)


def expires_at(expiry: Expiry, earned_at: datetime, programme: Programme) -> datetime | None:
    """The first instant at which units earned at `earned_at` are gone, in the programme's zone. None: never."""
    return expiry.lapses_at(earned_at, programme.zone)


@dataclass(frozen=True, slots=True)
class TierState:
    """The tier a member holds: since when, and when it lapses unless requalified (None: never)."""

    tier: str
    since: datetime
    review_at: datetime | None


@dataclass(frozen=True, slots=True)
class TierMove:
    """One change of tier or renewal of its term, with the figure that decided."""

    at: datetime
    before: str
    after: TierState
    cause: str
    metric: int


def window_start(tiers: Tiers, now: datetime, programme: Programme) -> datetime:
    """The first instant that counts towards the tier at `now`: local midnight `window_months` ago."""
    return start_of_day(add_months(local_date(now, programme.zone), -tiers.window_months), programme.zone)


def review_instant(tiers: Tiers, since: datetime, programme: Programme) -> datetime:
    """When a tier reached at `since` is reviewed: the end of the month after its term, plus grace days."""
    last = end_of_month(add_months(local_date(since, programme.zone), tiers.valid_months))
    return end_of_day(last + timedelta(days=tiers.grace_days), programme.zone)


def lapse(
    programme: Programme, state: TierState, metric: Callable[[datetime], int], now: datetime
) -> tuple[TierState, list[TierMove]]:
    """Apply every review due by `now`. `metric(t)` is the qualifying total in the window that ends at t."""
    tiers, moves = programme.tiers, list[TierMove]()
    while state.review_at is not None and state.review_at <= now:
        at = state.review_at
        total = metric(at)
        held = tiers.level(state.tier)
        if total >= held.threshold:
            after = TierState(state.tier, state.since, review_instant(tiers, at, programme))
            moves.append(TierMove(at, state.tier, after, "renewed", total))
        else:
            target = _after_lapse(tiers, held, total)
            after = _entered(programme, target, at)
            moves.append(TierMove(at, state.tier, after, "lapsed", total))
        state = after
    return state, moves


def _after_lapse(tiers: Tiers, held: Level, total: int) -> Level:
    if tiers.downgrade == "never":
        return held
    reached = tiers.reached(total)
    if tiers.downgrade == "one_level":
        return tiers.levels[max(held.rank - 1, reached.rank)]
    return reached


def _entered(programme: Programme, level: Level, at: datetime) -> TierState:
    review = review_instant(programme.tiers, at, programme) if level.rank > 0 else None
    return TierState(level.code, at, review)


def qualify(programme: Programme, state: TierState, total: int, now: datetime) -> TierMove | None:
    """The upgrade that a qualifying total brings at once, or None. With downgrade at_once, the drop as well."""
    tiers = programme.tiers
    held, reached = tiers.level(state.tier), tiers.reached(total)
    if reached.rank > held.rank:
        return TierMove(now, state.tier, _entered(programme, reached, now), "qualified", total)
    if reached.rank < held.rank and tiers.downgrade == "at_once":
        return TierMove(now, state.tier, _entered(programme, reached, now), "lapsed", total)
    return None


def after_refund(
    programme: Programme, state: TierState, *, total: int, total_then: int, now: datetime
) -> TierMove | None:
    """The lower tier that a refund leaves, or None.

    `total` is what qualifies now and `total_then` what qualified when the tier was reached, both without the refunded
    order. The tier stays when either still carries it: a refund takes back what its own order brought, not more.
    """
    tiers = programme.tiers
    kept = max(tiers.reached(total), tiers.reached(total_then), key=lambda level: level.rank)
    if kept.rank >= tiers.level(state.tier).rank:
        return None
    return TierMove(now, state.tier, _entered(programme, kept, now), "refund", total)
