"""Find one member: by an identifier, by what a cashier types, by what a scanner reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import connection

from shuke.core.errors import NotFound
from shuke.core.keyset import keyset
from shuke.core.text import storable
from shuke.kit.sql import load
from shuke.members.identifiers import blind, normalise, normalise_phone, normalise_system
from shuke.members.models import IdentifierKind, Member
from shuke.members.qr import looks_like_qr, redeem_qr
from shuke.members.queries.listing import newest_with_terms
from shuke.members.queries.matching import clean_query, members_by_identifier
from shuke.members.queries.reading import candidates
from shuke.members.search import query_terms
from shuke.members.values import Candidate

SEARCH = "search"


def get_member(member_id: UUID) -> Member:
    """The member's row. Raises NotFound."""
    member = Member.objects.filter(id=member_id).first()
    if member is None:
        raise NotFound
    return member


def joined_days(member_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """When each of these members joined; an unknown one is missing."""
    return dict(Member.objects.filter(id__in=list(member_ids)).values_list("id", "joined_at"))


def find_member(kind: str, value: str, system: str = "") -> Member | None:
    """The member with an identifier: "number", "phone", "email", "card" or "external" (which needs `system`).

    Raises InvalidInput when the value cannot be one of that kind.
    """
    if kind == "number":
        return Member.objects.filter(number=storable(value).strip()).first()
    system = normalise_system(system) if kind == IdentifierKind.EXTERNAL else ""
    index = blind(keyset(), kind, normalise(kind, value, system))
    return Member.objects.filter(
        identifiers__blind=index, identifiers__kind=kind, identifiers__system=system
    ).first()


def identify_id_by_phone(phone: str) -> UUID | None:
    """The member with this phone, by one prepared statement on one index. Raises InvalidInput."""
    with connection.cursor() as cursor:
        cursor.execute(
            load("members", "identify_by_phone"),
            [blind(keyset(), IdentifierKind.PHONE.value, normalise_phone(phone))],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def identify(text: str, now: datetime, *, limit: int = 10) -> list[Candidate]:
    """Who could be meant by what was typed or scanned, masked; `matched_by` says by what.

    A member code of a phone is redeemed, so it works once. An exact identifier (number, phone, e-mail, card, external
    id) gives its member alone; otherwise last four digits, name, pinyin or initials give up to `limit` members, whole
    names before parts, newest first (`list_members` pages through all of them). Raises InvalidInput for text beyond
    200 characters, and the errors of `redeem_qr`.
    """
    text = clean_query(text)
    if not text:
        return []
    if looks_like_qr(text):
        member_id = redeem_qr(text, now)
        return candidates(Member.objects.filter(id=member_id), {member_id: "qr"})
    exact = members_by_identifier(text)
    if exact:
        return candidates(Member.objects.filter(id__in=exact).order_by("-id")[:limit], exact)
    whole, parts = query_terms(text, whole_name=True), query_terms(text)
    found = newest_with_terms(whole, limit)
    if len(found) < limit and parts != whole:
        seen = {candidate.member_id for candidate in found}
        more = [row for row in newest_with_terms(parts, limit) if row.member_id not in seen]
        found = (found + more)[:limit]
    return [replace(candidate, matched_by=SEARCH) for candidate in found]
