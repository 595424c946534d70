"""The arithmetic of the accountant's reports, without a database: cash values, expected redemption, what stores owe each other.

Amounts are whole minor units, points whole units, rates exact fractions. A value that must be split is split by largest
remainder, so that the parts of a report are its total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from shuke.kit.money import allocate, divide
from shuke.loyalty.programme import Programme, unit_currency

AGES: tuple[int, ...] = (31, 91, 181, 366, 731)
"""Days from which the next class of age begins: up to 30, 31–90, 91–180, 181–365, 366–730 and beyond."""

USES = ("redeem", "pay")
RETURNS = ("reversal", "refund_pay")
"""Acts by which units leave a lot for good, and by which they may come back to it."""


def age_span(age: int) -> tuple[int, int | None]:
    """The first and last day of a class of age; no last day for the oldest."""
    return (AGES[age - 1] if age else 0), (AGES[age] - 1 if age < len(AGES) else None)


def cash_rate(programme: Programme | None, asset: str) -> Fraction | None:
    """What one unit of an asset is worth in minor units; None for what has no cash value."""
    if programme is None:
        return None
    if unit_currency(programme, asset):
        return Fraction(1)
    if asset == "points" and programme.redemption:
        return Fraction(programme.redemption.worth, programme.redemption.points)
    return None


def value_of(units: int, rate: Fraction) -> int:
    """Whole minor units, rounded towards zero: nobody is paid a part of a cent."""
    value = abs(units) * rate.numerator // rate.denominator
    return value if units >= 0 else -value


@dataclass(frozen=True, slots=True)
class Ended:
    """How units of one class of age left their lots: used (less returned), or expired."""

    used: int
    expired: int


def expected_rates(history: Mapping[int, Ended]) -> list[Fraction]:
    """For each class of age: of the units that ended at this age or later, the share that was used rather than lost.

    Without any history a class counts as wholly used: a liability is not reduced by a hope.
    """
    rates: list[Fraction] = []
    used = expired = 0
    for age in range(len(AGES), -1, -1):
        ended = history.get(age, Ended(0, 0))
        used += ended.used
        expired += ended.expired
        kept = max(used, 0)
        rates.append(Fraction(kept, kept + expired) if kept + expired else Fraction(1))
    return rates[::-1]


@dataclass(frozen=True, slots=True)
class LotGroup:
    """Lots of one class of age and one state, as the book gives them."""

    age: int
    state: str
    lots: int
    units: int


@dataclass(frozen=True, slots=True)
class LiabilityRow:
    """A group with its worth. `expected` units will be used, by experience; the rest is breakage. None: no cash value."""

    age: int
    state: str
    lots: int
    units: int
    rate: Fraction
    expected: int
    value_minor: int | None
    deferred_minor: int | None

    @property
    def share(self) -> Decimal:
        """The rate as a decimal, for reading."""
        return (Decimal(self.rate.numerator) / self.rate.denominator).quantize(Decimal("0.000001"))

    @property
    def breakage(self) -> int:
        """Units that nobody is expected to use."""
        return self.units - self.expected

    @property
    def breakage_minor(self) -> int | None:
        """What they are worth."""
        if self.value_minor is None or self.deferred_minor is None:
            return None
        return self.value_minor - self.deferred_minor


def price_groups(
    groups: Sequence[LotGroup], history: Mapping[int, Ended], rate: Fraction | None
) -> list[LiabilityRow]:
    """Each group with its cash value and what of it is expected to be used. The values add up to that of all units."""
    chances = expected_rates(history)
    units = [group.units for group in groups]
    values = (
        allocate(value_of(sum(units), rate), units) if rate is not None and min(units, default=0) >= 0 else []
    )
    if rate is not None and not values:
        values = [value_of(each, rate) for each in units]
    rows = []
    for index, group in enumerate(groups):
        chance = Fraction(0) if group.state == "lapsed" else chances[group.age]
        value = values[index] if values else None
        rows.append(
            LiabilityRow(
                group.age,
                group.state,
                group.lots,
                group.units,
                chance,
                _share(group.units, chance),
                value,
                None if value is None else _share(value, chance),
            )
        )
    return rows


def _share(amount: int, chance: Fraction) -> int:
    part = divide(abs(amount) * chance.numerator, chance.denominator, "half_up")
    return part if amount >= 0 else -part


@dataclass(frozen=True, slots=True)
class Claim:
    """What store `user` accepted of what store `issuer` gave; None is head office: what no store issued or took."""

    issuer: str | None
    user: str | None
    value_minor: int


@dataclass(frozen=True, slots=True)
class StorePosition:
    """A store between the others. `receivable`: accepted here, given elsewhere; `payable`: given here, accepted elsewhere."""

    store: str | None
    receivable: int
    payable: int
    own: int

    @property
    def net(self) -> int:
        """What the others owe the store; negative when it owes them."""
        return self.receivable - self.payable


def positions(claims: Iterable[Claim]) -> list[StorePosition]:
    """The position of every store that appears; their nets sum to zero. Head office comes last."""
    receivable: dict[str | None, int] = {}
    payable: dict[str | None, int] = {}
    own: dict[str | None, int] = {}
    for claim in claims:
        for side in (receivable, payable, own):
            side.setdefault(claim.issuer, 0)
            side.setdefault(claim.user, 0)
        if claim.issuer == claim.user:
            own[claim.user] += claim.value_minor
        else:
            receivable[claim.user] += claim.value_minor
            payable[claim.issuer] += claim.value_minor
    stores = sorted(own, key=lambda store: (store is None, store or ""))
    return [StorePosition(store, receivable[store], payable[store], own[store]) for store in stores]
