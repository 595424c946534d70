"""Gift card codes: sixteen letters and digits that nobody can guess and a typing error cannot turn into another card's.

Fifteen symbols of a 32-letter alphabet carry 75 random-looking bits; the sixteenth checks them. They are a keyed function
of the card's id, so the house can print a card again although the code is stored nowhere. The check symbol is a weighted
sum in the field of 32 elements: every single wrong symbol and every swap of two symbols is noticed.
"""

from __future__ import annotations

import unicodedata
from uuid import UUID

from shuke.kit.crypto import Keyset

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which are read and typed wrong."""
LENGTH = 16
_BODY = LENGTH - 1
_FIELD = 0b100101
"""x⁵ + x² + 1: its root has order 31, so no two of the fifteen places have one weight."""


def gift_card_code(keyset: Keyset, card_id: UUID) -> str:
    """The code of a card, always the same for one id and keyset."""
    digest = int.from_bytes(keyset.derive("checkout.gift_card_code", card_id.bytes)[:10], "big")
    body = "".join(ALPHABET[digest >> (5 * place) & 31] for place in range(_BODY))
    return body + _check_symbol(body)


def read_gift_card_code(text: str) -> str | None:
    """The code in its one spelling, or None when it cannot be one: wrong length, a foreign letter, a failed check."""
    plain = unicodedata.normalize("NFKC", text[:60]).upper().replace(" ", "").replace("-", "")
    if len(plain) != LENGTH or any(letter not in ALPHABET for letter in plain):
        return None
    return plain if _check_symbol(plain[:_BODY]) == plain[_BODY] else None


def blind_code(keyset: Keyset, code: str) -> bytes:
    """The blind index under which a card is found."""
    return keyset.blind_index("checkout.gift_card", code)


def shown_code(code: str) -> str:
    """In groups of four, as it is printed."""
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def _check_symbol(body: str) -> str:
    total = 0
    for letter in body:
        total = _double(total ^ ALPHABET.index(letter))
    return ALPHABET[total]


def _double(value: int) -> int:
    """Times x in the field."""
    value <<= 1
    return value ^ _FIELD if value & 32 else value
