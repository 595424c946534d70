"""A cursor belongs to one list: it is checked before a room uses it, because another list's cursor decodes just as well."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor

BY_TIME = (datetime, UUID)
BY_NAME = (str, UUID)
BY_ENTRY = (datetime, UUID, int)
BY_CODE = (str,)
BY_NUMBER = (int,)


def checked_cursor(cursor: str | msgspec.UnsetType, kinds: tuple[type, ...]) -> str | None:
    """The cursor, or None for the first page. Raises InvalidInput when it is damaged or of another list."""
    if isinstance(cursor, msgspec.UnsetType):
        return None
    values = decode_cursor(cursor)
    if len(values) != len(kinds) or not all(isinstance(v, k) for v, k in zip(values, kinds, strict=True)):
        raise InvalidInput(
            field="cursor", reason=_("This cursor belongs to another list. Start from the first page.")
        )
    return cursor
