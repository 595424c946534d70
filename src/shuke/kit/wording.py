"""How an amount of money and a day are written for people, in the active language: one way for screens, API and commands."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from django.utils.dateformat import format as format_date
from django.utils.translation import get_language

from shuke.kit.money import exponent

# The yuan sign is shared by two currencies; the yen is written out because the home market is China.
_SYMBOLS = {
    "CNY": "¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "JPY": "JP¥",
    "KRW": "₩",
    "MOP": "MOP$",
    "SGD": "S$",
    "THB": "฿",
    "TWD": "NT$",
    "USD": "US$",
}


def language() -> str:
    """The language in which to write: "zh-hans", "zh-hant" or "en"; anything else counts as English."""
    active = (get_language() or "en").lower()
    if active in ("zh-hant", "zh-tw", "zh-hk", "zh-mo"):
        return "zh-hant"
    return "zh-hans" if active.startswith("zh") else "en"


def symbol(currency: str) -> str:
    """¥, HK$, or the code itself and a blank."""
    return _SYMBOLS.get(currency, f"{currency} ")


def money(minor: int, currency: str, *, signed: bool = False, whole: bool = False) -> str:
    """Minor units as an amount: 123450 CNY → "¥1,234.50". `whole` rounds half up to the major unit."""
    places = exponent(currency)
    major = Decimal(abs(minor)).scaleb(-places)
    if whole:
        major, places = major.quantize(Decimal(1), ROUND_HALF_UP), 0
    sign = "-" if minor < 0 else "+" if signed and minor > 0 else ""
    return f"{sign}{symbol(currency)}{major:,.{places}f}"


def discount(pay_percent: Decimal | int | str) -> str:
    """A price reduction in the local idiom, from the per cent of the price still paid.

    85 → "8.5 折" in simplified Chinese (tenths paid), "85 折" in traditional Chinese (the digits paid, so 80 is "8 折"),
    "15% off" in English. Raises ValueError outside 0 < pay_percent < 100.
    """
    paid = Decimal(str(pay_percent))
    if not 0 < paid < 100:
        raise ValueError("a discount leaves more than 0 and less than 100 per cent to pay")
    if language() == "en":
        return f"{plain(100 - paid)}% off"
    tenths = paid / 10
    if language() == "zh-hant" and tenths != tenths.to_integral_value() and paid >= 10:
        return f"{plain(paid)} 折"
    return f"{plain(tenths)} 折"


def plain(value: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    return f"{value.normalize():f}"


def day(value: date) -> str:
    """A calendar day: "2026-11-21" in Chinese, "21 Nov 2026" in English."""
    return format_date(value, "j M Y") if language() == "en" else value.strftime("%Y-%m-%d")
