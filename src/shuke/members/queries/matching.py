"""Match what was typed or scanned against identifiers, of every kind that it could be."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.core.text import storable
from shuke.members.identifiers import blind, normalise
from shuke.members.models import Identifier, IdentifierKind, Member
from shuke.members.numbers import is_valid_number

MAX_QUERY = 200
_ANY_SYSTEM = "any"


def clean_query(text: str) -> str:
    """The text to look for. Raises InvalidInput beyond 200 characters."""
    if len(text) > MAX_QUERY:
        raise InvalidInput(field="text", reason=_("Search for at most 200 characters."))
    return storable(text).strip()


def members_by_identifier(text: str) -> dict[UUID, str]:
    """The members with this number, phone, e-mail, card or external id (of any system), and which of them it is."""
    if is_valid_number(text):
        found = Member.objects.filter(number=text).values_list("id", flat=True).first()
        if found is not None:
            return {found: "number"}
    keys = keyset()
    wanted = {}
    for kind in IdentifierKind.values:
        try:
            wanted[blind(keys, kind, normalise(kind, text, _ANY_SYSTEM))] = kind
        except InvalidInput:
            continue
    rows = Identifier.objects.filter(blind__in=list(wanted)).values_list("member_id", "kind", "blind")
    return {member_id: kind for member_id, kind, index in rows if wanted[bytes(index)] == kind}
