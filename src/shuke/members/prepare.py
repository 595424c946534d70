"""From what a caller hands in to what is stored: cleaned, encrypted, indexed. No database, so both paths share it.

Registering one member and registering a hundred thousand call the same `prepare_member`; they differ only in how the
outcome is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.kit import crypto
from shuke.kit.crypto import Keyset
from shuke.kit.ids import uuid7
from shuke.members.attributes import Definitions, clean_tags, sort_attributes
from shuke.members.identifiers import blind, normalise, normalise_system
from shuke.members.models import IdentifierKind
from shuke.members.numbers import is_valid_number
from shuke.members.profile import Profile, Stored, clean_profile, seal_profile
from shuke.members.search import blind_terms, name_terms, phone_terms
from shuke.members.values import NewMember

IDENTIFIER_CONTEXT = b"members.identifier"
MAX_IDENTIFIERS = 40

IdentifierKey = tuple[str, str, bytes]
"""(kind, system, blind): what must be unique."""


@dataclass(frozen=True, slots=True)
class PreparedIdentifier:
    id: UUID
    kind: str
    system: str
    blind: bytes
    value: bytes

    @property
    def key(self) -> IdentifierKey:
        return self.kind, self.system, self.blind


@dataclass(frozen=True, slots=True)
class PreparedMember:
    """The rows of one member. `number` is None when the writer shall choose one."""

    id: UUID
    number: str | None
    profile: bytes
    wrapped_key: bytes
    identifiers: tuple[PreparedIdentifier, ...]
    tokens: frozenset[bytes]
    tags: list[str]
    attributes: dict[str, Any]
    join_store_id: UUID | None
    join_channel: str | None
    join_staff_id: UUID | None
    joined_at: datetime


def prepare_member(
    new: NewMember, *, keyset: Keyset, definitions: Definitions, now: datetime
) -> PreparedMember:
    """Check and encrypt one new member. Raises InvalidInput naming the first input that cannot be used."""
    joined_at = new.joined_at or now
    if joined_at > now:
        raise InvalidInput(field="joined_at", reason=_("Nobody can have joined in the future."))
    if new.number is not None and not is_valid_number(new.number):
        raise InvalidInput(
            field="number",
            reason=_("A member number has 12 digits, begins with 88 and ends in its check digit."),
        )
    profile = clean_profile(new.profile, today=now.date())
    clear, extra = sort_personal(new, profile, definitions)
    if extra:
        profile = replace(profile, extra=extra)
    member_id = uuid7(joined_at)
    data_key, wrapped_key = keyset.new_data_key(member_id.bytes)
    identifiers = tuple(
        seal_identifier(keyset, data_key, kind, system, value)
        for kind, system, value in _identifiers(new, profile)
    )
    return PreparedMember(
        id=member_id,
        number=new.number,
        profile=seal_profile(member_id, data_key, profile),
        wrapped_key=wrapped_key,
        identifiers=identifiers,
        tokens=member_tokens(keyset, profile.name, [profile.phone] if profile.phone else []),
        tags=clean_tags(new.tags) if new.tags else [],
        attributes=clear,
        join_store_id=new.join_store_id,
        join_channel=new.join_channel,
        join_staff_id=new.join_staff_id,
        joined_at=joined_at,
    )


def sort_personal(
    new: NewMember, profile: Profile, definitions: Definitions
) -> tuple[dict[str, Any], dict[str, str]]:
    """(clear attributes, personal attributes) of a new member; what is None is left out."""
    if not new.attributes and not profile.extra:
        return {}, {}
    _clear_extra, extra = sort_attributes(profile.extra, definitions)
    if _clear_extra:
        code = next(iter(_clear_extra))
        raise InvalidInput(field=f"attributes/{code}", reason=_("This attribute is not a personal one."))
    clear, personal = sort_attributes(new.attributes, definitions)
    return (
        {code: value for code, value in clear.items() if value is not None},
        {code: value for code, value in {**extra, **personal}.items() if value is not None},
    )


def seal_identifier(
    keyset: Keyset, data_key: bytes, kind: str, system: str, normalised: str
) -> PreparedIdentifier:
    """An identifier ready to be stored: blind index for finding, ciphertext for showing."""
    identifier_id = uuid7()
    return PreparedIdentifier(
        id=identifier_id,
        kind=kind,
        system=system,
        blind=blind(keyset, kind, normalised),
        value=crypto.encrypt(data_key, normalised.encode(), IDENTIFIER_CONTEXT + identifier_id.bytes),
    )


def open_identifier(data_key: bytes, identifier_id: UUID, sealed: Stored) -> str:
    """The clear value of a stored identifier. Raises Undecipherable."""
    return crypto.decrypt(data_key, bytes(sealed), IDENTIFIER_CONTEXT + identifier_id.bytes).decode()


def member_tokens(keyset: Keyset, name: str, phones: Iterable[str]) -> frozenset[bytes]:
    """The blind search terms of a member: the name, and the last four digits of each phone."""
    return frozenset(blind_terms(keyset, name_terms(name) | phone_terms(phones)))


def _identifiers(new: NewMember, profile: Profile) -> list[tuple[str, str, str]]:
    """(kind, system, normalised value) of everything the member is found by, each once."""
    found: dict[tuple[str, str, str], None] = {}
    if profile.phone:
        found[IdentifierKind.PHONE.value, "", profile.phone] = None
    if profile.email:
        found[IdentifierKind.EMAIL.value, "", profile.email] = None
    for card in new.cards:
        found[IdentifierKind.CARD.value, "", normalise(IdentifierKind.CARD, card)] = None
    for system, value in new.external_ids.items():
        name = normalise_system(system)
        found[IdentifierKind.EXTERNAL.value, name, normalise(IdentifierKind.EXTERNAL, value, name)] = None
    if len(found) > MAX_IDENTIFIERS:
        raise InvalidInput(field="cards", reason=_("A member has at most 40 identifiers."))
    return list(found)
