"""Pick-up codes: eight letters and digits, the last of which checks the others; a keyed function of the redemption's id.

Thirty-five bits are enough: a code is worth nothing without staff or an API key that may hand over, and those wait after a few
codes that do not exist (`core.rate.limits_guessing`). It is stored nowhere, and made again whenever the member wants to see it.
"""

from __future__ import annotations

import unicodedata
from uuid import UUID

from shuke.kit.crypto import Keyset

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which are read and typed wrong."""
LENGTH = 8
_BODY = LENGTH - 1


def pick_up_code(keyset: Keyset, redemption_id: UUID) -> str:
    """The code of a redemption, always the same for one id and keyset."""
    digest = int.from_bytes(keyset.derive("rewards.pick_up_code", redemption_id.bytes)[:8], "big")
    body = "".join(ALPHABET[digest >> (5 * place) & 31] for place in range(_BODY))
    return body + _check(body)


def read_pick_up_code(text: str) -> str | None:
    """The code in its one spelling, or None when it cannot be one."""
    plain = unicodedata.normalize("NFKC", text[:40]).upper().replace(" ", "").replace("-", "")
    if len(plain) != LENGTH or any(letter not in ALPHABET for letter in plain):
        return None
    return plain if _check(plain[:_BODY]) == plain[_BODY] else None


def blind_pick_up_code(keyset: Keyset, code: str) -> bytes:
    """The blind index under which a redemption is found."""
    return keyset.blind_index("rewards.pick_up", code)


def _check(body: str) -> str:
    # Odd weights are invertible modulo 32, so that every single wrong symbol is noticed.
    return ALPHABET[sum((2 * place + 1) * ALPHABET.index(letter) for place, letter in enumerate(body)) % 32]
