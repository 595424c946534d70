"""What a sale earns: pure functions over the compiled rules. The same code serves a quote, a commit and an import.

For each asset, in this order: the rules that apply, highest priority first; an exclusive one stands alone; each rule's
units are rounded as it says, cut to its caps and budgets, and spread over its lines. Multipliers then act on what the
rules gave, are rounded once, split among themselves, and cut in the same way. All arithmetic is integer, and every unit
belongs to a line and to the rule that produced it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from msgspec import Struct

from shuke.kit.money import Rounding, allocate, divide
from shuke.loyalty.assets import Expiry, Pending
from shuke.loyalty.conditions import ALWAYS, Conditions, Line, SaleContext

Stacking = Literal["add", "best", "multiply"]
Period = Literal["total", "year", "month", "day"]
CAPS = ("order", "day", "month", "member")

EPOCH = date(1, 1, 1)
"""The period of a counter that never starts anew."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Most units that a rule gives one member: in an order, a local day, a calendar month, ever. None: no limit."""

    order: int | None = None
    day: int | None = None
    month: int | None = None
    member: int | None = None

    @property
    def count(self) -> bool:
        """True when what was given before must be known."""
        return self.day is not None or self.month is not None or self.member is not None


NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Budget:
    """Units that all members together get from the rules that draw on it. `covers_all`: every rule of the asset does."""

    id: str
    asset: str
    limit: int
    period: Period
    covers_all: bool
    gives_rest: bool
    """When less is left than a sale would earn: give that (true), or nothing."""

    def period_of(self, day: date) -> date:
        """The first day of the period that holds a local day."""
        if self.period == "day":
            return day
        if self.period == "month":
            return day.replace(day=1)
        return day.replace(month=1, day=1) if self.period == "year" else EPOCH


@dataclass(frozen=True, slots=True)
class Terms:
    """What every giving rule may say: who stands back for whom, how much it may give, and how long that lasts.

    Without `expiry` and `pending` those of the asset count.
    """

    exclusive: bool = False
    priority: int = 0
    caps: Caps = NO_CAPS
    budgets: tuple[Budget, ...] = ()
    expiry: Expiry | None = None
    pending: Pending | None = None


PLAIN = Terms()


@dataclass(frozen=True, slots=True)
class EarningRule:
    """`give` units of `asset` for every full `per` minor units of what qualifies; with `per` 0, `give` units as they are.

    `each_unit`: a fixed rule gives for every whole unit sold, instead of once per order. `multiplied`: multipliers act
    on what this rule gives.
    """

    id: str
    asset: str
    give: int
    per: int
    rounding: Rounding
    per_line: bool
    each_unit: bool
    multiplied: bool
    when: Conditions
    terms: Terms = PLAIN


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Raises what the rules gave for its asset by `factor` thousandths."""

    id: str
    asset: str
    factor: int
    when: Conditions
    terms: Terms = PLAIN


@dataclass(frozen=True, slots=True)
class AccrualRule:
    """`give` units for something a member did other than buying, such as a check-in."""

    id: str
    kind: str
    asset: str
    give: int
    when: Conditions
    terms: Terms = PLAIN


class TierFactor(Struct, frozen=True):
    """The multiplier that the member's tier, plan or both bring, in thousandths; points only."""

    tier: str
    factor: int
    plan: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """How an entry names it."""
        by = {key: code for key, code in (("tier", self.tier), ("plan", self.plan)) if code}
        return {"id": "plan" if self.plan and not self.tier else "tier", **by, "factor": _text(self.factor)}


@dataclass(frozen=True, slots=True)
class Used:
    """What a rule has given this member before: on the local day of the sale, in its month, ever."""

    day: int = 0
    month: int = 0
    ever: int = 0


UNUSED = Used()


@dataclass(frozen=True, slots=True)
class Room:
    """What counters say before the sale: per rule what this member got, per budget how many units are left."""

    used: Mapping[str, Used] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)


NO_ROOM = Room()


class Use(Struct, frozen=True, gc=False):
    """Units that count against a rule's caps (`budget` None) or draw on a budget."""

    rule: str
    asset: str
    budget: Budget | None
    amount: int


class Batch(Struct, frozen=True, gc=False):
    """Units that become usable and lapse together; None: as the asset says."""

    amount: int
    expiry: Expiry | None = None
    pending: Pending | None = None


class Earned(Struct, frozen=True, gc=False):
    """Units of one asset from one order: `by_line` sums to `total`; `parts` names each rule's share, `batches` splits it by
    how long it lasts; both sum to it too.
    """

    asset: str
    total: int
    by_line: list[int]
    parts: list[dict[str, Any]]
    batches: tuple[Batch, ...]
    uses: tuple[Use, ...] = ()


@dataclass(slots=True)
class _Counters:
    """The room as it shrinks while one sale is priced."""

    room: Room
    left: dict[str, int]
    uses: list[Use] = field(default_factory=list)
    lasting: dict[tuple[Expiry | None, Pending | None], int] = field(default_factory=dict)
    """Units granted so far, by how long they last."""

    def grant(self, rule: str, terms: Terms, units: int) -> tuple[int, str]:
        """(units that may be given, what cut them: a cap's name, "budget", or "")."""
        granted, cut = units, ""
        if terms.caps is not NO_CAPS:
            caps, used = terms.caps, self.room.used.get(rule, UNUSED)
            for name, cap, before in (
                ("order", caps.order, 0),
                ("day", caps.day, used.day),
                ("month", caps.month, used.month),
                ("member", caps.member, used.ever),
            ):
                if cap is not None and max(cap - before, 0) < granted:
                    granted, cut = max(cap - before, 0), name
        for budget in terms.budgets:
            left = max(self.left.get(budget.id, 0), 0)
            if left < granted:
                granted, cut = (left if budget.gives_rest else 0), "budget"
        return granted, cut

    def begin(self) -> None:
        """Another asset: its units are noted apart."""
        self.uses, self.lasting = [], {}

    def batches(self) -> tuple[Batch, ...]:
        return tuple(Batch(amount, *lasting) for lasting, amount in self.lasting.items())

    def note(self, rule: str, asset: str, terms: Terms, granted: int) -> None:
        lasting = (terms.expiry, terms.pending)
        self.lasting[lasting] = self.lasting.get(lasting, 0) + granted
        if terms.caps.count:
            self.uses.append(Use(rule, asset, None, granted))
        for budget in terms.budgets:
            self.left[budget.id] -= granted
            self.uses.append(Use(rule, asset, budget, granted))


def earn(
    *,
    assets: Sequence[str],
    rules: Sequence[EarningRule],
    multipliers: Sequence[Multiplier],
    tier: TierFactor,
    stacking: Stacking,
    rounding: Rounding,
    context: SaleContext,
    amounts: Sequence[int],
    lines: Sequence[Line],
    room: Room = NO_ROOM,
) -> list[Earned]:
    """What an order earns, per asset. `amounts[i]` is line i's qualifying amount in minor units.

    `rules` and `multipliers` come highest priority first. `rounding` is that of the multipliers.
    """
    counters = _Counters(room, dict(room.left))
    active = [rule for rule in rules if rule.when is ALWAYS or rule.when.hold(context)]
    extra = [m for m in multipliers if m.when is ALWAYS or m.when.hold(context)]
    results: list[Earned] = []
    for asset in assets:
        counters.begin()
        own = [rule for rule in active if rule.asset == asset]
        given, parts, multiplied = _rules_give(own, amounts, lines, counters)
        if not parts:
            continue
        factors = _factors([m for m in extra if m.asset == asset], asset, tier, amounts, lines, counters)
        bonus, bonus_parts = _multipliers_give(asset, factors, multiplied, stacking, rounding, counters)
        by_line = [a + b for a, b in zip(given, bonus, strict=True)] if bonus_parts else given
        results.append(
            Earned(
                asset,
                sum(by_line),
                by_line,
                parts + bonus_parts,
                counters.batches(),
                tuple(counters.uses),
            )
        )
    return results


def accrue_rules(rules: Sequence[AccrualRule], context: SaleContext, room: Room) -> list[Earned]:
    """What something other than a purchase brings, per asset; all rules that hold add up, highest priority first."""
    counters = _Counters(room, dict(room.left))
    found: list[Earned] = []
    for asset in dict.fromkeys(rule.asset for rule in rules):
        counters.begin()
        parts = []
        for rule in rules:
            if rule.asset != asset or not rule.when.hold(context):
                continue
            granted, cut = counters.grant(rule.id, rule.terms, rule.give)
            if granted:
                counters.note(rule.id, asset, rule.terms, granted)
                parts.append(_part({"id": rule.id}, granted, rule.give, cut))
        if parts:
            total = sum(part["points"] for part in parts)
            found.append(Earned(asset, total, [], parts, counters.batches(), tuple(counters.uses)))
    return found


def _rules_give(
    rules: list[EarningRule], amounts: Sequence[int], lines: Sequence[Line], counters: _Counters
) -> tuple[list[int], list[dict[str, Any]], list[int]]:
    """(units by line, each rule's part, units by line that multipliers act on)."""
    total, multiplied = [0] * len(amounts), [0] * len(amounts)
    parts: list[dict[str, Any]] = []
    # An exclusive rule stands alone; one that has nothing to give, or nothing left, stands back.
    alone = [rule for rule in rules if rule.terms.exclusive]
    for rule in [*alone, *(rule for rule in rules if not rule.terms.exclusive)] if alone else rules:
        base = _base(rule, amounts, lines)
        wanted = sum(base)
        if wanted == 0:
            continue
        granted, cut = counters.grant(rule.id, rule.terms, wanted)
        if granted == 0:
            continue
        counters.note(rule.id, rule.asset, rule.terms, granted)
        if granted < wanted:
            base = allocate(granted, base)
        total = [a + b for a, b in zip(total, base, strict=True)] if parts else base
        if rule.multiplied:
            multiplied = [a + b for a, b in zip(multiplied, base, strict=True)]
        parts.append(_part({"id": rule.id}, granted, wanted, cut))
        if rule.terms.exclusive:
            break
    return total, parts, multiplied


def _base(rule: EarningRule, amounts: Sequence[int], lines: Sequence[Line]) -> list[int]:
    """What the rule would give each line, rounded once per order or per line as the rule says."""
    when = rule.when
    covered = None
    if when.picks_lines:
        covered = [when.covers(line) for line in lines]
        if not any(covered):
            return [0] * len(lines)
    if not _amounts_hold(when, amounts, covered):
        return [0] * len(lines)
    if covered is not None:
        amounts = [a if c else 0 for a, c in zip(amounts, covered, strict=True)]
    if rule.per:
        if rule.per_line:
            return [divide(a * rule.give, rule.per, rule.rounding) for a in amounts]
        # Whole steps of `per`: with floor, 3 per 100 of 199 gives 3, not 5.
        steps = divide(sum(amounts), rule.per, rule.rounding)
        return allocate(steps * rule.give, amounts)
    # A fixed number, too, needs something that qualifies: nothing for gifts, nor for what points have paid.
    if rule.each_unit:
        return [line.quantity // 1000 * rule.give if a else 0 for a, line in zip(amounts, lines, strict=True)]
    return allocate(rule.give, amounts) if any(amounts) else [0] * len(lines)


def _amounts_hold(when: Conditions, amounts: Sequence[int], covered: list[bool] | None) -> bool:
    if when.order_amount is not None and not when.order_amount.holds(sum(amounts)):
        return False
    if when.lines_amount is None:
        return True
    about = amounts if covered is None else [a for a, c in zip(amounts, covered, strict=True) if c]
    return when.lines_amount.holds(sum(about))


class _Factor(Struct, frozen=True):
    """A multiplier that applies: `lines` None means all of them."""

    id: str
    told: dict[str, Any]
    factor: int
    lines: list[bool] | None
    terms: Terms


def _factors(
    multipliers: list[Multiplier],
    asset: str,
    tier: TierFactor,
    amounts: Sequence[int],
    lines: Sequence[Line],
    counters: _Counters,
) -> list[_Factor]:
    """The multipliers that count, the tier's first; an exclusive one that may still give stands alone."""
    found: list[_Factor] = []
    if asset == "points" and tier.factor != 1000:
        found.append(_Factor("tier", tier.told, tier.factor, None, PLAIN))
    for m in multipliers:
        covered = [m.when.covers(line) for line in lines] if m.when.picks_lines else None
        if (covered is not None and not any(covered)) or not _amounts_hold(m.when, amounts, covered):
            continue
        factor = _Factor(m.id, {"id": m.id, "factor": _text(m.factor)}, m.factor, covered, m.terms)
        if m.terms.exclusive and counters.grant(m.id, m.terms, 1)[0]:
            return [factor]
        found.append(factor)
    return found


def _multipliers_give(
    asset: str,
    factors: list[_Factor],
    base: list[int],
    stacking: Stacking,
    rounding: Rounding,
    counters: _Counters,
) -> tuple[list[int], list[dict[str, Any]]]:
    """Extra units by line and each multiplier's part. The extra is rounded once, then split among the multipliers."""
    extra = [0] * len(base)
    if not factors:
        return extra, []
    weights = _weights(stacking, factors, base)
    by_factor = [sum(row) for row in weights]
    whole = sum(by_factor)
    if whole <= 0:
        return extra, []
    given = sum(base)
    bonus = divide(given * 1000 + whole, 1000, rounding) - given
    parts: list[dict[str, Any]] = []
    for factor, row, wanted in zip(factors, weights, allocate(bonus, by_factor), strict=True):
        granted, cut = counters.grant(factor.id, factor.terms, wanted)
        if not granted:
            continue
        counters.note(factor.id, asset, factor.terms, granted)
        parts.append(_part(factor.told, granted, wanted, cut))
        extra = [a + b for a, b in zip(extra, allocate(granted, row), strict=True)]
    return extra, parts


def _weights(stacking: Stacking, factors: list[_Factor], base: list[int]) -> list[list[int]]:
    """Thousandths of units that factor k adds to line i, as `[k][i]`."""
    # Added up, each factor stands for itself: no line needs to look at the others.
    if stacking == "add" or len(factors) == 1:
        return [_weights_of(each, base) for each in factors]
    shares = [_shares(stacking, factors, line) for line in range(len(base))]
    return [[b * row[k] for b, row in zip(base, shares, strict=True)] for k in range(len(factors))]


def _weights_of(factor: _Factor, base: list[int]) -> list[int]:
    gain = factor.factor - 1000
    if factor.lines is None:
        return [b * gain for b in base]
    return [b * gain if covered else 0 for b, covered in zip(base, factor.lines, strict=True)]


def _shares(stacking: Stacking, factors: list[_Factor], line: int) -> list[int]:
    """How many thousandths of the line's base each factor adds where only the best counts, or one acts on the other."""
    gains = [f.factor - 1000 if f.lines is None or f.lines[line] else 0 for f in factors]
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


def _part(told: dict[str, Any], granted: int, wanted: int, cut: str) -> dict[str, Any]:
    """A rule's share as entries keep it; `of` is what it would have been without the limit `cut`."""
    part = {**told, "points": granted}
    return {**part, "of": wanted, "cut": cut} if granted < wanted else part


def _text(factor: int) -> str:
    whole, part = divmod(factor, 1000)
    return f"{whole}.{part:03d}".rstrip("0").rstrip(".") if part else str(whole)
