"""Cursors of lists: where the next page begins, signed, so that nobody builds one and reads past a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput

MAX_CURSOR_CHARS = 1000

_SALT = "shuke.core.pagination"
_READERS: dict[str, Callable[[Any], Any]] = {
    "n": lambda _value: None,
    "b": bool,
    "i": int,
    "s": str,
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
}


def encode_cursor(values: Sequence[Any]) -> str:
    """Sort values of the last row shown, as opaque text: None, bool, int, str, UUID, datetime, date."""
    return signing.Signer(salt=_SALT).sign_object([_tagged(value) for value in values])


def decode_cursor(text: str, *types: type) -> tuple[Any, ...]:
    """What `encode_cursor` was given. Raises InvalidInput when it was altered or is not ours.

    With `types`, a cursor of another list, whose values are of other types, is refused, too.
    """
    try:
        if len(text) > MAX_CURSOR_CHARS:
            raise ValueError
        tagged = signing.Signer(salt=_SALT).unsign_object(text)
        values = tuple(_READERS[tag](value) for tag, value in tagged)
        if types and [type(value) for value in values] != list(types):
            raise ValueError
        return values
    except (signing.BadSignature, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            field="cursor", reason=_("This page link is damaged. Start again from the first page.")
        ) from error


def _tagged(value: Any) -> list[Any]:
    match value:
        case None:
            return ["n", None]
        case bool():
            return ["b", value]
        case int():
            return ["i", value]
        case str():
            return ["s", value]
        case UUID():
            return ["u", str(value)]
        case datetime():
            return ["t", value.isoformat()]
        case date():
            return ["d", value.isoformat()]
    raise TypeError(f"a cursor cannot hold {type(value).__name__}")
