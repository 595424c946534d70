"""Text that people type: what is kept of it, and how it is folded for searching."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput

_FIRST_IDEOGRAPH = "\u3400"
_DIRECTION_MARKS = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def clean_text(where: str, text: str, limit: int, *, lines: bool = False) -> str:
    """Trimmed NFC text. Raises InvalidInput, naming `where`, beyond `limit` characters or for control characters.

    Direction marks are dropped: they can make one name look like another. Line breaks stay only with `lines`.
    """
    if len(text) > 4 * limit:  # before any work on it
        raise _too_long(where, limit)
    if text.isascii() and text.isprintable():
        clean = text.strip()
    else:
        clean = _DIRECTION_MARKS.sub("", unicodedata.normalize("NFC", text)).strip()
        allowed = "\n\r\t" if lines else ""
        if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in clean):
            raise InvalidInput(field=where, reason=_("This text holds control characters. Type it anew."))
    if len(clean) > limit:
        raise _too_long(where, limit)
    return clean


def fold(text: str) -> str:
    """Width, case and accents folded, so that what looks alike is found alike."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii() or min(folded) >= _FIRST_IDEOGRAPH:  # nothing here bears an accent
        return folded
    decomposed = unicodedata.normalize("NFD", folded)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def storable(text: str) -> str:
    """The text without the characters that PostgreSQL refuses even in a question: NUL and lone surrogates."""
    return text if text.isprintable() else text.replace("\x00", "").encode("utf-8", "ignore").decode()


def _too_long(where: str, limit: int) -> InvalidInput:
    return InvalidInput(field=where, reason=_("At most %(limit)s characters fit here.") % {"limit": limit})
