"""A sample cart priced under a draft: the till's own function, without a member, a book or a database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shuke.checkout.coupon_logic import MAX_COUPONS, Coupons
from shuke.checkout.logic import Cart, CartLine, MemberFacts, Priced, price
from shuke.checkout.tender_logic import Tender
from shuke.kit.money import to_minor
from shuke.loyalty.conditions import MemberTraits
from shuke.loyalty.programme import Programme
from shuke.loyalty.tier_logic import TierState
from shuke.rewards.terms import fixed_terms
from shuke.rewards.values import Candidate, CouponTemplate, Room

LONG_AGO = timedelta(days=400)
DRAFT = UUID(int=0)
"""Stands for the version of a programme that is none yet."""


@dataclass(frozen=True, slots=True)
class SampleLine:
    """Goods of a sample cart; `quantity` whole units, `unit_price` in major units of the programme's currency."""

    sku: str
    category: str
    quantity: int
    unit_price: str
    brand: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Who buys what, where, when, and how it is paid. The member holds plenty of points and one piece of each of `coupons`.

    `tender` is a kind of outside money. What the programme at hand does not know of plans and coupons is left out.
    """

    lines: Sequence[SampleLine]
    tier: str
    points: int = 0
    store: str = ""
    channel: str = "pos"
    is_birthday: bool = False
    is_first: bool = False
    plan: str = ""
    tender: str = ""
    coupons: Collection[str] = ()


def preview(programme: Programme, sample: Sample, at: datetime) -> Priced:
    """The sample as the till would price it, with the best of its coupons. Raises PricingRefusal, BadAmount for a price."""
    local = at.astimezone(programme.zone)
    joined = at if sample.is_first else at - LONG_AGO
    facts = MemberFacts(
        TierState(programme.tiers.level(sample.tier).code, joined, None),
        (local.month, local.day) if sample.is_birthday else None,
        max(sample.points, 0),
        0,
        MemberTraits(
            joined=joined.astimezone(programme.zone).date(),
            plans=frozenset({sample.plan} & programme.plans.keys()),
            is_first_purchase=sample.is_first,
        ),
    )
    lines = tuple(
        CartLine(
            line.sku,
            line.sku,
            line.category,
            line.quantity * 1000,
            to_minor(line.unit_price, programme.currency) * line.quantity,
            brand=line.brand,
        )
        for line in sample.lines
    )
    templates = [each for code, each in programme.coupons.items() if code in sample.coupons][:MAX_COUPONS]
    cart = Cart(
        lines,
        sample.store,
        sample.channel,
        settled=False,
        points_to_use=sample.points,
        tenders=(Tender(sample.tender, None),) if sample.tender else (),
        coupons=Coupons(tuple(_piece(each, programme) for each in templates), best=True, tells_all=True)
        if templates
        else None,
    )
    return price(programme, cart, facts, at)


def _piece(template: CouponTemplate, programme: Programme) -> Candidate:
    """A coupon that was handed out in good time; nobody has used any yet."""
    begins, ends = fixed_terms(template.validity, programme.zone)
    limits = template.limits
    room = Room(limits.budget_count, limits.budget_minor, limits.per_member)
    return Candidate(template.code, template, DRAFT, valid_from=begins, valid_until=ends, room=room)
