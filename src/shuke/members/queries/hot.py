"""The look-ups that every till makes all day, by one prepared statement each and without the ORM: a third of the cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import connection

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.core.text import storable
from shuke.kit.sql import load
from shuke.members.identifiers import blind, normalise, normalise_phone
from shuke.members.models import IdentifierKind
from shuke.members.numbers import is_valid_number
from shuke.members.profile import Profile, mask_email, mask_name, mask_phone, open_profile
from shuke.members.values import Candidate

MAX_TEXT = 200
MOST_FOUND = 10
_ANY_SYSTEM = "any"


def candidate_by_phone(phone: str) -> Candidate | None:
    """The member with this phone, masked. Raises InvalidInput."""
    index = blind(keyset(), IdentifierKind.PHONE.value, normalise_phone(phone))
    found = _find({index: IdentifierKind.PHONE.value})
    return found[0] if found else None


def candidates_exactly(text: str) -> list[Candidate]:
    """The members with this phone, e-mail, card or external id, as `identify` shows them; [] leaves the rest to it.

    Member numbers and texts that are too long are left to `identify`, too.
    """
    text = storable(text).strip()
    if not text or len(text) > MAX_TEXT or is_valid_number(text):
        return []
    keys = keyset()
    wanted: dict[bytes, str] = {}
    for kind in IdentifierKind.values:
        try:
            wanted[blind(keys, kind, normalise(kind, text, _ANY_SYSTEM))] = kind
        except InvalidInput:
            continue
    return _find(wanted)


def _find(wanted: Mapping[bytes, str]) -> list[Candidate]:
    """The members with one of these blind indexes, each of the kind it stands for, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(load("members", "candidates_by_identifier"), [list(wanted)])
        rows = cursor.fetchall()
    found: dict[Any, Candidate] = {}
    for kind, index, *row in rows:
        if wanted[bytes(index)] == kind:
            found[row[0]] = _candidate(row, kind)
    return list(found.values())[:MOST_FOUND]


def _candidate(row: list[Any], matched_by: str) -> Candidate:
    member_id, number, status, sealed, wrapped, tags, attributes, store_id, channel, joined_at = row
    profile = Profile()
    if wrapped is not None:
        data_key = keyset().unwrap(bytes(wrapped), member_id.bytes)
        profile = open_profile(member_id, data_key, bytes(sealed))
    return Candidate(
        member_id=member_id,
        number=number,
        status=status,
        name=mask_name(profile.name),
        phone=mask_phone(profile.phone),
        email=mask_email(profile.email),
        tags=tuple(tags),
        attributes=json.loads(attributes) if isinstance(attributes, str) else attributes,
        join_store_id=store_id,
        join_channel=channel,
        joined_at=joined_at,
        matched_by=matched_by,
    )
