"""Unique codes: a keyed function of their job and their place in it, so that none has to be stored to be told again.

The code at a place is AES-256 of the place, under a key that follows from the keyset and the job: 75 bits of it as letters
and a check symbol (`kit.typed_codes`). Its blind index is AES-256 of its sixteen letters, one block, under a key of its own.
Who has the database alone can neither read a code nor make one; who has a million codes cannot make the next. Both are made
for many codes at once, and letters come out of tables, three at a time: a million takes about two seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB

from shuke.kit.crypto import Keyset
from shuke.kit.typed_codes import ALPHABET, double, read_code

BLIND_BYTES = 16
_GROUPS = 5
"""Of three symbols, 15 bits, each."""
_BLOCK = struct.Struct(">5H6x")


def codes_of_job(keyset: Keyset, job_id: UUID, first: int, count: int) -> Iterator[str]:
    """The codes at the places from `first` on, in order."""
    key = keyset.derive("rewards.codes", job_id.bytes)
    # In counter mode the stream is AES(first), AES(first + 1), …: one block for each place.
    stream = Cipher(AES(key), CTR(first.to_bytes(16, "big"))).encryptor().update(bytes(16 * count))
    letters, check, (t0, t1, t2, t3, t4) = _tables()
    for a, b, c, d, e in _BLOCK.iter_unpack(stream):
        a, b, c, d, e = a & 32767, b & 32767, c & 32767, d & 32767, e & 32767
        yield (
            f"{letters[a]}{letters[b]}{letters[c]}{letters[d]}{letters[e]}"
            f"{check[t0[a] ^ t1[b] ^ t2[c] ^ t3[d] ^ t4[e]]}"
        )


def blind_codes(keyset: Keyset, codes: Iterable[str]) -> Iterator[bytes]:
    """The blind indexes under which codes are found, in their order. A code has exactly the sixteen letters of one block."""
    # Each block stands alone and no two codes are equal, so this mode shows nothing: it is the cipher itself.
    cipher = Cipher(AES(keyset.derive("rewards.code_index")), ECB())  # noqa: S305
    blinds = cipher.encryptor().update("".join(codes).encode("ascii"))
    return (blinds[start : start + BLIND_BYTES] for start in range(0, len(blinds), BLIND_BYTES))


def blind_code(keyset: Keyset, code: str) -> bytes:
    """The blind index of one code."""
    return next(blind_codes(keyset, [code]))


def read_unique_code(text: str) -> str | None:
    """The code in its one spelling, or None when it cannot be one: wrong length, a foreign letter, a failed check."""
    return read_code(text)


def read_public_code(text: str) -> str:
    """A public code as it is compared: without blanks around it, in capitals."""
    return text[:60].strip().upper()


@lru_cache(maxsize=1)
def _tables() -> tuple[list[str], str, tuple[bytes, ...]]:
    """Three letters for each 15 bits; the letters again; and what each group of three adds to the check symbol."""
    letters = ["".join(three) for three in product(ALPHABET, repeat=3)]
    last = bytes(_weighed(value) for value in range(32768))
    parts = [last]
    for _group in range(_GROUPS - 1):
        parts.append(bytes(double(double(double(symbol))) for symbol in parts[-1]))
    return letters, ALPHABET, tuple(reversed(parts))


def _weighed(value: int) -> int:
    """What the last three symbols before the check symbol add to it."""
    total = 0
    for symbol in (value >> 10, value >> 5 & 31, value & 31):
        total = double(total ^ symbol)
    return total
