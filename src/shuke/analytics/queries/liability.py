"""What the business owes its members at an instant, by age of lots, and the proof that it is what the ledger holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from shuke.analytics.finance import (
    AGES,
    RETURNS,
    USES,
    Ended,
    LiabilityRow,
    LotGroup,
    cash_rate,
    price_groups,
    value_of,
)
from shuke.analytics.queries.reading import rows
from shuke.kit.sql import load
from shuke.loyalty.queries import programme_at


@dataclass(frozen=True, slots=True)
class Flow:
    """What one kind of act added to (or took from) an asset in the period."""

    kind: str
    units: int


@dataclass(frozen=True, slots=True)
class AssetLiability:
    """One asset. `units` = Σ rows − debt = opening + Σ flows = `ledger_units`, which the other side of the book gives.

    Σ flows = `came` − `went`: what acts of the period added to members' balances and took from them, as on the overview.
    """

    asset: str
    rows: tuple[LiabilityRow, ...]
    debt: int
    cash_rate: Fraction | None
    opening: int
    flows: tuple[Flow, ...]
    came: int
    went: int
    ledger_units: int

    @property
    def in_lots(self) -> int:
        """Units in lots."""
        return sum(row.units for row in self.rows)

    @property
    def units(self) -> int:
        """Units that members hold, less what they owe."""
        return self.in_lots - self.debt

    @property
    def closing(self) -> int:
        """What was there before, and what has moved since."""
        return self.opening + sum(flow.units for flow in self.flows)

    @property
    def equals_ledger(self) -> bool:
        """Do the lots, the movements and the system accounts say the same, to the unit?"""
        return self.units == self.closing == self.ledger_units

    @property
    def expected(self) -> int:
        """Units in lots that are expected to be used."""
        return sum(row.expected for row in self.rows)

    @property
    def breakage(self) -> int:
        """Units in lots that are not."""
        return self.in_lots - self.expected

    @property
    def debt_minor(self) -> int | None:
        """What the owed units are worth."""
        return None if self.cash_rate is None else value_of(self.debt, self.cash_rate)

    @property
    def value_minor(self) -> int | None:
        """The cash value of all lots."""
        return None if self.cash_rate is None else sum(row.value_minor or 0 for row in self.rows)

    @property
    def deferred_minor(self) -> int | None:
        """The part of it to carry as deferred revenue: what is expected to be used."""
        return None if self.cash_rate is None else sum(row.deferred_minor or 0 for row in self.rows)

    @property
    def breakage_minor(self) -> int | None:
        """The part of it expected to lapse."""
        if self.value_minor is None or self.deferred_minor is None:
            return None
        return self.value_minor - self.deferred_minor


@dataclass(frozen=True, slots=True)
class Liability:
    """The report. `since` is where the movements begin; `programme_version` is the one whose rate prices the points."""

    as_of: datetime
    since: datetime
    currency: str
    programme_version: int | None
    assets: tuple[AssetLiability, ...]

    @property
    def equals_ledger(self) -> bool:
        """Does every asset?"""
        return all(asset.equals_ledger for asset in self.assets)

    @property
    def value_minor(self) -> int:
        """The cash value of all assets that have one."""
        return sum(asset.value_minor or 0 for asset in self.assets)

    @property
    def deferred_minor(self) -> int:
        """What of it to carry as deferred revenue."""
        return sum(asset.deferred_minor or 0 for asset in self.assets)

    @property
    def breakage_minor(self) -> int:
        """What of it is expected to lapse."""
        return self.value_minor - self.deferred_minor


def liability(*, as_of: datetime, since: datetime) -> Liability:
    """Everything owed to members at `as_of`, from what lots hold, held against the entries of the whole book: one snapshot."""
    in_force = programme_at(as_of)
    programme = in_force.programme if in_force else None
    given = {"as_of": as_of, "since": since, "ages": list(AGES), "uses": list(USES), "returns": list(RETURNS)}
    [(lots, moved, turned, ended)] = rows(load("analytics", "liability"), given)
    groups: dict[str, list[LotGroup]] = {}
    for asset, state, age, count, units in json.loads(lots):
        groups.setdefault(asset, []).append(LotGroup(age, state, count, units))
    history: dict[str, dict[int, Ended]] = {}
    for asset, age, used, expired in json.loads(ended):
        history.setdefault(asset, {})[age] = Ended(used, expired)
    turnover: dict[str, tuple[int, int]] = json.loads(turned)
    opening: dict[str, int] = {}
    flows: dict[str, list[Flow]] = {}
    control: dict[str, int] = {}
    debts: dict[str, int] = {}
    for asset, kind, in_period, units, system, debt in json.loads(moved):
        control[asset] = control.get(asset, 0) + system
        debts[asset] = debts.get(asset, 0) + debt
        if in_period:
            flows.setdefault(asset, []).append(Flow(kind, units))
        else:
            opening[asset] = opening.get(asset, 0) + units
    found = []
    for asset in _order(control):
        rate = cash_rate(programme, asset)
        found.append(
            AssetLiability(
                asset,
                tuple(price_groups(groups.get(asset, []), history.get(asset, {}), rate)),
                debts[asset],
                rate,
                opening.get(asset, 0),
                tuple(flows.get(asset, ())),
                *turnover.get(asset, (0, 0)),
                control[asset],
            )
        )
    return Liability(
        as_of,
        since,
        programme.currency if programme else "CNY",
        in_force.number if in_force else None,
        tuple(found),
    )


def _order(assets: Iterable[str]) -> list[str]:
    """Points first, then money, then the rest by code."""
    return sorted(assets, key=lambda asset: (asset != "points", asset == "growth", asset))
