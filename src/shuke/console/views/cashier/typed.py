"""What a cashier types, read exactly or refused in words: quantities, prices, points."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from shuke.checkout.values import MAX_QUANTITY
from shuke.core.errors import InvalidInput
from shuke.kit.money import BadAmount, to_minor

MAX_TYPED = 40
_QUANTITY = re.compile(r"\d{1,7}(\.\d{1,3})?", re.ASCII)
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,3})?", re.ASCII)
_POINTS = re.compile(r"\d{1,12}", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_TIMES = re.compile(r"\s*(\d{1,7}(?:\.\d{1,3})?)\s*[*×]\s*(\S.*)", re.ASCII | re.DOTALL)


def quantity(text: str) -> int:
    """Thousandths of a unit; 0 takes the line away. Raises InvalidInput."""
    plain = _plain(text)
    if not _QUANTITY.fullmatch(plain):
        raise InvalidInput(
            field="quantity", reason=_("Type a number such as 2 or 0.75, with up to three decimals.")
        )
    thousandths = int(Decimal(plain) * 1000)
    if thousandths > MAX_QUANTITY:
        raise InvalidInput(field="quantity", reason=_("At most 1,000,000 of one product fit in a sale."))
    return thousandths


def price(text: str, currency: str) -> int:
    """Minor units. Raises InvalidInput."""
    plain = _plain(text)
    try:
        if _AMOUNT.fullmatch(plain):
            return to_minor(plain, currency)
    except BadAmount:
        pass
    raise InvalidInput(field="price", reason=_("Type the price of one unit, such as 12.50."))


def amount(text: str, currency: str) -> int:
    """Minor units to pay with; nothing typed is 0. Raises InvalidInput."""
    plain = _plain(text)
    if not plain:
        return 0
    try:
        if _AMOUNT.fullmatch(plain):
            return to_minor(plain, currency)
    except BadAmount:
        pass
    raise InvalidInput(field="stored", reason=_("Type an amount, such as 12.50."))


def points(text: str) -> int:
    """Points to use; nothing typed is 0. Raises InvalidInput."""
    plain = _plain(text)
    if not plain:
        return 0
    if not _POINTS.fullmatch(plain):
        raise InvalidInput(field="points", reason=_("Type a whole number."))
    return int(plain)


def times(text: str) -> tuple[int, str]:
    """ "3*6901234" → (3000, "6901234"); without a star one unit."""
    found = _TIMES.fullmatch(unicodedata.normalize("NFKC", text[:300]))
    if found:
        return quantity(found[1]), found[2].strip()
    return 1000, text.strip()


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text[:MAX_TYPED]).strip()
    # Only commas between thousands go: "0,75" is not 75.
    return plain.replace(",", "") if _GROUPED.fullmatch(plain) else plain
