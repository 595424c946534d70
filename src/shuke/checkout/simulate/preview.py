"""A sample cart priced under a draft: the till's own function, without a member, a book or a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shuke.checkout.logic import Cart, CartLine, MemberFacts, Priced, price
from shuke.kit.money import to_minor
from shuke.loyalty.conditions import MemberTraits
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.tier_logic import TierState

LONG_AGO = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class SampleLine:
    """Goods of a sample cart; `quantity` whole units, `unit_price` in major units of the programme's currency."""

    sku: str
    category: str
    quantity: int
    unit_price: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Who buys what, where and when. The member holds plenty of points."""

    lines: Sequence[SampleLine]
    tier: str
    points: int = 0
    store: str = ""
    channel: str = "pos"
    is_birthday: bool = False
    is_first: bool = False


def preview(document: Mapping[str, Any], sample: Sample, at: datetime) -> Priced:
    """The sample priced under a checked document. Raises PricingRefusal as a till would hear it, BadAmount for a price."""
    programme = compile_programme(document)
    local = at.astimezone(programme.zone)
    joined = at if sample.is_first else at - LONG_AGO
    facts = MemberFacts(
        TierState(programme.tiers.level(sample.tier).code, joined, None),
        (local.month, local.day) if sample.is_birthday else None,
        max(sample.points, 0),
        0,
        MemberTraits(joined=joined.astimezone(programme.zone).date(), is_first_purchase=sample.is_first),
    )
    lines = tuple(
        CartLine(
            line.sku,
            line.sku,
            line.category,
            line.quantity * 1000,
            to_minor(line.unit_price, programme.currency) * line.quantity,
        )
        for line in sample.lines
    )
    cart = Cart(lines, sample.store, sample.channel, settled=False, points_to_use=sample.points)
    return price(programme, cart, facts, at)
