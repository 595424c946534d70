"""What the member file is asked for and answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from shuke.kit.errors import ShukeError
from shuke.members.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """A member to register. `number` None asks for a new one; `attributes` holds clear and personal ones together;
    `external_ids` maps a system to this member's id there; `joined_at` None means now."""

    profile: Profile = field(default_factory=Profile)
    number: str | None = None
    join_store_id: UUID | None = None
    join_channel: str | None = None
    join_staff_id: UUID | None = None
    joined_at: datetime | None = None
    tags: Sequence[str] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    cards: Sequence[str] = ()
    external_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a bulk registration that was refused: its place in the input, from 0, and why."""

    index: int
    error: ShukeError


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of each row: `registered` pairs its place in the input with the new member's id."""

    registered: list[tuple[int, UUID]]
    refused: list[RefusedRow]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member as staff see one before unmasking. `matched_by` is the identifier kind, "search" or ""."""

    member_id: UUID
    number: str
    status: str
    name: str
    """Masked, as are phone and e-mail; empty when unknown or erased."""
    phone: str
    email: str
    tags: tuple[str, ...]
    attributes: Mapping[str, Any]
    join_store_id: UUID | None
    join_channel: str | None
    joined_at: datetime
    matched_by: str = ""


@dataclass(frozen=True, slots=True)
class MaskedIdentifier:
    """An identifier as staff see it."""

    id: UUID
    kind: str
    system: str
    value: str
    created_at: datetime
    verified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFilters:
    """Which members a list shows; what is empty does not filter. `joined_before` is exclusive.

    `text` is what `identify` takes, but for member codes.
    """

    text: str = ""
    status: str = ""
    tag: str = ""
    store_ids: frozenset[UUID] | None = None
    """Joined at one of these stores; None for all."""
    joined_from: datetime | None = None
    joined_before: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    also: Callable[[str], Q] | None = None
    """A condition on a table of a room above, made from the path to the member: "" or "member__"."""


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page, newest first. `next_cursor` is None on the last."""

    rows: list[Candidate]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class CappedCount:
    """A count that stops at a cap: beyond it, `is_exact` is False and `value` is the cap ("1,000+")."""

    value: int
    is_exact: bool
