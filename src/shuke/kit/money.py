"""Money as integers of a currency's minor unit, and the exact splits and roundings that points need too.

No function here accepts or returns a float. Amounts are bounded by `MAX_MINOR` so that sums stay inside bigint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

MAX_MINOR = 10**15
"""Largest single amount in minor units: ten trillion yuan; a sum of 9,000 of them still fits a bigint."""

# ISO 4217 exponents that differ from 2; every other three-letter code has two decimals.
_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip

Rounding = Literal["floor", "half_up", "ceil"]


class BadAmount(ValueError):
    """The text is not an amount of this currency; the message says why."""


def exponent(currency: str) -> int:
    """Decimals of a currency: 2 for CNY, 0 for JPY, 3 for KWD. Raises BadAmount for a malformed code."""
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha() or not currency.isupper():
        raise BadAmount(f"{currency!r} is not an ISO 4217 currency code")
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (fen, cents, yen) of `currency`."""

    minor: int
    currency: str = "CNY"

    def __str__(self) -> str:
        return f"{to_text(self.minor, self.currency)} {self.currency}"


def to_minor(text: str | Decimal | int, currency: str = "CNY") -> int:
    """Parse a decimal amount of major units exactly: "12.30" CNY → 1230. Raises BadAmount.

    Refuses NaN, infinities, exponents, more decimals than the currency has, and amounts beyond MAX_MINOR.
    """
    if isinstance(text, str):
        body = text.strip()
        digits = body[1:] if body[:1] in "+-" else body
        if not digits or not digits.isascii() or not digits.replace(".", "", 1).isdigit() or len(digits) > 32:
            raise BadAmount(f"{text!r} is not a plain decimal number")
        text = body
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadAmount(f"{text!r} is not a decimal number") from error
    if not value.is_finite():
        raise BadAmount("an amount must be finite")
    scaled = value.scaleb(exponent(currency))
    minor = int(scaled)
    if scaled != minor:
        raise BadAmount(f"{text} has more decimals than {currency} allows ({exponent(currency)})")
    if abs(minor) > MAX_MINOR:
        raise BadAmount(f"{text} is beyond the largest amount")
    return minor


def to_text(minor: int, currency: str = "CNY") -> str:
    """Minor units as a plain decimal of major units: 1230 CNY → "12.30"; no grouping, no symbol."""
    places = exponent(currency)
    if places == 0:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def divide(numerator: int, denominator: int, rounding: Rounding = "floor") -> int:
    """Integer quotient of non-negative numbers, rounded as named: 57/2 → 28 floor, 29 half_up, 29 ceil."""
    if rounding == "floor":
        return numerator // denominator
    if rounding == "half_up":
        return (2 * numerator + denominator) // (2 * denominator)
    return -(-numerator // denominator)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to non-negative `weights` by largest remainder; the parts sum to `total`.

    Ties go to the earlier part. With all weights zero the total goes to the first parts, one unit each in turn.
    A negative total mirrors the positive split.
    """
    if total < 0:
        return [-part for part in allocate(-total, weights)]
    count = len(weights)
    if count == 0:
        if total:
            raise ValueError("nothing to allocate to")
        return []
    whole = sum(weights)
    if whole == 0:
        base, extra = divmod(total, count)
        return [base + (1 if i < extra else 0) for i in range(count)]
    parts = [total * w // whole for w in weights]
    left = total - sum(parts)
    if left:
        # The sort is stable, also in reverse: of equal remainders the earlier part comes first.
        order = sorted(range(count), key=[total * w % whole for w in weights].__getitem__, reverse=True)
        for i in order[:left]:
            parts[i] += 1
    return parts
