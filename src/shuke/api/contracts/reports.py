"""The accountant's reports on the wire. Amounts in minor units of `currency`; null where an asset has no cash value."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from shuke.api.contracts.explain import AsOf
from shuke.api.contracts.shared import In, Out


class LiabilityQuery(In):
    """The instant, and where the movements begin."""

    as_of: AsOf | UnsetType = UNSET
    since: (
        Annotated[
            datetime,
            Meta(tz=True, description="Movements from then on; without it: from the first of the month."),
        ]
        | UnsetType
    ) = UNSET


class LiabilityGroup(Out):
    """Lots of one class of age and one state."""

    age_from: Annotated[int, Meta(description="Days since they were earned.")]
    age_to: Annotated[int | None, Meta(description="Null for the oldest class.")]
    state: Annotated[str, Meta(description="usable, pending, or lapsed (not yet written off).")]
    lots: int
    units: int
    expected: Annotated[int, Meta(description="Units expected to be used, by how earlier lots ended.")]
    expected_share: Annotated[str, Meta(description="The share behind it, as a decimal.")]
    value_minor: int | None
    deferred_minor: Annotated[int | None, Meta(description="Cash value of what is expected to be used.")]
    breakage_minor: Annotated[int | None, Meta(description="Cash value of what is expected to lapse.")]


class LiabilityFlow(Out):
    """What one kind of act added or took since `since`."""

    kind: str
    units: int


class LiabilityAsset(Out):
    """units = Σ groups − debt = opening + Σ flows = ledger_units."""

    asset: str
    name: str
    units: int
    debt: int
    opening: int
    flows: list[LiabilityFlow]
    came: Annotated[int, Meta(description="What acts since then added to members' balances.")]
    went: Annotated[int, Meta(description="What they took from them: Σ flows = came − went.")]
    ledger_units: Annotated[
        int, Meta(description="The same, from the system accounts: the book's other side.")
    ]
    equals_ledger: bool
    groups: list[LiabilityGroup]
    value_minor: int | None
    deferred_minor: int | None
    breakage_minor: int | None


class LiabilityReport(Out):
    """What is owed to all members at an instant."""

    as_of: datetime
    since: datetime
    currency: str
    programme_version: Annotated[int | None, Meta(description="Its redemption rate prices the points.")]
    equals_ledger: bool
    value_minor: int
    deferred_minor: int
    breakage_minor: int
    assets: list[LiabilityAsset]


class SettlementQuery(In):
    """The period, in days of the programme's zone, both included."""

    from_day: (
        Annotated[date, Meta(description="Without it: the first of the month of to_day.")] | UnsetType
    ) = UNSET
    to_day: Annotated[date, Meta(description="Without it: today.")] | UnsetType = UNSET


class SettlementLine(Out):
    """What `used_at` accepted of what `issued_at` gave; null is head office."""

    issued_at: str | None
    used_at: str | None
    asset: str
    used: int
    returned: int
    units: int
    value_minor: int


class SettlementPosition(Out):
    """A store between the others; the nets of all stores cancel out."""

    store: str | None
    receivable_minor: int
    payable_minor: int
    net_minor: int
    own_minor: Annotated[int, Meta(description="Accepted where it was given.")]


class SettlementStatement(Out):
    """Points and stored value given at one store and accepted at another, at what they were worth."""

    from_day: date
    to_day: date
    currency: str
    value_minor: int
    across_minor: int
    lines: list[SettlementLine]
    positions: list[SettlementPosition]
