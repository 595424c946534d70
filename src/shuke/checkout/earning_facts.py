"""What the rules of some programmes look at beyond the plain facts of a sale, read in one more round trip.

Only a programme whose rules ask for it (`Programme.needs`) costs this; a plain sale never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection
from msgspec import structs

from shuke.checkout.logic import Cart
from shuke.loyalty.conditions import NO_TRAITS, MemberTraits
from shuke.loyalty.earning import NO_ROOM, Room
from shuke.loyalty.programme import Programme
from shuke.loyalty.rule_facts import arguments, decoded, room_of, traits_of

_FACTS = (
    "SELECT * FROM checkout_earning_facts(%s, %s, %s, %s, %s::text[], %s, %s::text[], %s::date[], %s::text[])"
)


@dataclass(frozen=True, slots=True)
class EarningFacts:
    """The member's traits, what caps and budgets leave, and the brands of the goods by SKU."""

    traits: MemberTraits = NO_TRAITS
    room: Room = NO_ROOM
    brands: Mapping[str, str] = field(default_factory=dict)


NO_EARNING_FACTS = EarningFacts()


def read_earning_facts(programme: Programme, member_id: UUID, cart: Cart, at: datetime) -> EarningFacts:
    """The facts that the programme's rules need for the sale of this cart to this member at `at`."""
    needs = programme.needs
    skus = list({line.sku for line in cart.lines}) if needs.brands else []
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [member_id, *arguments(programme, needs, at), skus])
        joined_at, tags, groups, used, drawn, is_first, brands = cursor.fetchone()
    return EarningFacts(
        traits_of(programme, joined_at, tags, groups, is_first=is_first),
        room_of(needs, used, drawn),
        decoded(brands) or {},
    )


def with_brands(cart: Cart, brands: Mapping[str, str]) -> Cart:
    """The cart with the brand of each line."""
    if not brands:
        return cart
    return structs.replace(
        cart, lines=tuple(structs.replace(line, brand=brands.get(line.sku, "")) for line in cart.lines)
    )
