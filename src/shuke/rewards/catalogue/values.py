"""What the catalogue offers, as plain values that the operations are handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shuke.ledger.values import LotTerms

Kind = Literal["goods", "coupon", "bonus", "tier", "activity"]
Fulfilment = Literal["at_once", "pick_up", "delivery"]
MAX_QUANTITY = 100


@dataclass(frozen=True, slots=True)
class Price:
    """What one piece costs: units of `points`, and money in minor units."""

    points: int
    cash_minor: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """One reward of the programme in force.

    `tier_prices` replace `price` for members of a tier; `tiers` (empty: all) may have it at all. `stock` pieces in all,
    `member_limit` of them for one member since `since` (the caller computes the period). `opens` (inclusive) and `ends`
    (exclusive) bound when it can be had. `coupon`, `bonus_minor` and `tier` say what the kinds of these names give.
    """

    code: str
    names: Mapping[str, str]
    kind: Kind
    price: Price
    fulfilment: Fulfilment
    tier_prices: Mapping[str, Price]
    tiers: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    opens: datetime | None = None
    ends: datetime | None = None
    stock: int | None = None
    member_limit: int | None = None
    limit_per: Literal["total", "day", "month", "year"] = "total"
    collect_days: int = 0
    """How many local days the goods wait at the counter; 0: for ever."""
    returns_uncollected: bool = True
    """Goods that nobody collected: are their points given back, or kept?"""
    coupon: str = ""
    bonus_minor: int = 0
    tier: str = ""
    tier_months: int = 0

    def price_for(self, tier: str) -> Price:
        """The price for a member of this tier."""
        return self.tier_prices.get(tier, self.price)

    def is_open(self, now: datetime) -> bool:
        """Within its dates?"""
        return (self.opens is None or self.opens <= now) and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the programme says about this one act: under which terms bonus money comes in, what spending points puts off, when
    the limit's period began, until when goods wait."""

    bonus: LotTerms | None
    slides: Sequence[tuple[str, datetime]]
    since: datetime | None
    collect_by: datetime | None
