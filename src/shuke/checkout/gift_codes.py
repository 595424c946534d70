"""Gift card codes: sixteen letters and digits that nobody can guess and a typing error cannot turn into another card's.

They are a keyed function of the card's id, so the house can print a card again although the code is stored nowhere. Their
form and the symbol that checks them are those of `kit.typed_codes`.
"""

from __future__ import annotations

from uuid import UUID

from shuke.kit.crypto import Keyset
from shuke.kit.typed_codes import ALPHABET, BODY, read_code, shown_code, with_check

__all__ = ["ALPHABET", "blind_code", "gift_card_code", "read_gift_card_code", "shown_code"]


def gift_card_code(keyset: Keyset, card_id: UUID) -> str:
    """The code of a card, always the same for one id and keyset."""
    digest = int.from_bytes(keyset.derive("checkout.gift_card_code", card_id.bytes)[:10], "big")
    return with_check("".join(ALPHABET[digest >> (5 * place) & 31] for place in range(BODY)))


def read_gift_card_code(text: str) -> str | None:
    """The code in its one spelling, or None when it cannot be one."""
    return read_code(text)


def blind_code(keyset: Keyset, code: str) -> bytes:
    """The blind index under which a card is found."""
    return keyset.blind_index("checkout.gift_card", code)
