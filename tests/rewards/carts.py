"""Small carts and coupons for the tests of pure logic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from shuke.rewards.values import FREE_ROOM, Candidate, CouponTemplate, Reason, Room

AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
"""A Sunday."""
VERSION = UUID(int=1)


@dataclass(frozen=True)
class Item:
    """A line: `minor` for all of it, `quantity` in thousandths."""

    sku: str
    minor: int
    quantity: int = 1000
    category: str = ""
    brand: str = ""


def cart(*items: Item) -> tuple[Sequence[Item], list[int]]:
    """(lines, what each costs), as `prepare` takes them."""
    return items, [item.minor for item in items]


def candidate(
    template: CouponTemplate,
    name: str = "c",
    *,
    room: Room = FREE_ROOM,
    start: datetime | None = None,
    until: datetime | None = None,
    unusable: Reason | None = None,
) -> Candidate:
    return Candidate(name, template, VERSION, None, start, until, room, unusable)
