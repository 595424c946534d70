"""Codes that people type: sixteen letters and digits, of which the last checks the others.

Fifteen symbols of a 32-letter alphabet carry 75 bits; the sixteenth is a weighted sum of them in the field of 32 elements:
every single wrong symbol and every swap of two symbols is noticed.
"""

from __future__ import annotations

import unicodedata

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which are read and typed wrong."""
LENGTH = 16
BODY = LENGTH - 1
_FIELD = 0b100101
"""x⁵ + x² + 1: its root has order 31, so no two of the fifteen places have one weight."""


def with_check(body: str) -> str:
    """The fifteen symbols and the one that checks them."""
    return body + _check_symbol(body)


def read_code(text: str) -> str | None:
    """The code in its one spelling, or None when it cannot be one: wrong length, a foreign letter, a failed check."""
    plain = unicodedata.normalize("NFKC", text[:60]).upper().replace(" ", "").replace("-", "")
    if len(plain) != LENGTH or any(letter not in ALPHABET for letter in plain):
        return None
    return plain if _check_symbol(plain[:BODY]) == plain[BODY] else None


def shown_code(code: str) -> str:
    """In groups of four, as it is printed."""
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def double(value: int) -> int:
    """Times x in the field."""
    value <<= 1
    return value ^ _FIELD if value & 32 else value


def _check_symbol(body: str) -> str:
    total = 0
    for letter in body:
        total = double(total ^ ALPHABET.index(letter))
    return ALPHABET[total]
