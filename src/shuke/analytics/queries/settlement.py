"""What stores owe each other: points and stored value given at one and accepted at another, at what they were worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shuke.analytics.finance import RETURNS, USES, Claim, StorePosition, cash_rate, positions, value_of
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import Stores
from shuke.kit.sql import load
from shuke.loyalty.queries import programme_at, version_by_id


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """What one store accepted of what another gave, of one asset. A store of None is head office.

    `used` less `returned` (by refunds) were worth `value_minor`, at the value they had in the orders they paid.
    """

    issuer: UUID | None
    user: UUID | None
    asset: str
    used: int
    returned: int
    value_minor: int

    @property
    def units(self) -> int:
        """Units used in the end."""
        return self.used - self.returned

    @property
    def is_own(self) -> bool:
        """Accepted where it was given: nobody owes anybody."""
        return self.issuer == self.user


@dataclass(frozen=True, slots=True)
class Settlement:
    """The statement of a period; `until` is exclusive. Rows between stores come first, the largest value first."""

    since: datetime
    until: datetime
    currency: str
    rows: tuple[SettlementRow, ...]
    positions: tuple[StorePosition, ...]

    @property
    def value_minor(self) -> int:
        """What all that was accepted was worth, at home and elsewhere."""
        return sum(row.value_minor for row in self.rows)

    @property
    def across_minor(self) -> int:
        """What of it crossed from one store to another."""
        return sum(row.value_minor for row in self.rows if not row.is_own)


def settlement(*, since: datetime, until: datetime, stores: Stores = None) -> Settlement:
    """The statement of [since, until). With `stores`, only rows that one of them gave or accepted. One query."""
    in_force = programme_at(until)
    found: dict[tuple[UUID | None, UUID | None, str], SettlementRow] = {}
    given = {
        "since": since,
        "until": until,
        "uses": list(USES),
        "returns": list(RETURNS),
        "stores": None if stores is None else list(stores),
    }
    for issuer, user, asset, version_id, used, returned, value, unpriced in rows(
        load("analytics", "settlement"), given
    ):
        programme = version_by_id(version_id).programme if version_id else None
        rate = cash_rate(programme or (in_force.programme if in_force else None), asset)
        worth = value + (value_of(unpriced, rate) if rate is not None else 0)
        before = found.get((issuer, user, asset), SettlementRow(issuer, user, asset, 0, 0, 0))
        found[issuer, user, asset] = SettlementRow(
            issuer, user, asset, before.used + used, before.returned + returned, before.value_minor + worth
        )
    listed = sorted(
        found.values(), key=lambda row: (row.is_own, -row.value_minor, str(row.issuer), str(row.user))
    )
    claims = [
        Claim(str(row.issuer) if row.issuer else None, str(row.user) if row.user else None, row.value_minor)
        for row in listed
    ]
    return Settlement(
        since,
        until,
        in_force.programme.currency if in_force else "CNY",
        tuple(listed),
        tuple(positions(claims)),
    )
