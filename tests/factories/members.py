"""Members for tests, registered through the real operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from shuke.core.values import SYSTEM, Actor
from shuke.members.models import Member
from shuke.members.operations import register_member
from shuke.members.profile import Profile
from tests.factories.core import NOW

_numbers = count(1)


def make_profile(name: str = "林若溪", phone: str | None = None, email: str = "") -> Profile:
    """A profile with a phone of its own unless one is given; "" leaves it out."""
    chosen = f"+86138{next(_numbers):08d}" if phone is None else phone
    return Profile(name=name, phone=chosen, email=email, birthday=date(1994, 5, 17), gender="female")


def make_member(
    name: str = "林若溪",
    phone: str | None = None,
    *,
    email: str = "",
    now: datetime = NOW,
    actor: Actor = SYSTEM,
    tags: Sequence[str] = (),
    attributes: Mapping[str, Any] | None = None,
    cards: Sequence[str] = (),
    external_ids: Mapping[str, str] | None = None,
    join_store_id: UUID | None = None,
    number: str | None = None,
) -> Member:
    """A registered member."""
    return register_member(
        actor=actor,
        now=now,
        profile=make_profile(name, phone, email),
        tags=tags,
        attributes=attributes,
        cards=cards,
        external_ids=external_ids,
        join_store_id=join_store_id,
        number=number,
    )
