"""How the product writes money, points, numbers, dates and discounts in the three languages: one place for all screens.

Every function reads Django's active language. Instants are shown in Django's current time zone, which the console sets to
the programme's. Nothing here computes: amounts arrive as integers of minor units, rates as exact decimals.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zlib import crc32

from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from shuke.kit import wording
from shuke.kit.money import exponent

_STEPS = {
    "zh-hans": ((Decimal(10**8), "亿"), (Decimal(10**4), "万")),
    "zh-hant": ((Decimal(10**8), "億"), (Decimal(10**4), "萬")),
    "en": ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "K")),
}
_AVATAR_COLOURS = 6


def language() -> str:
    """The language of the screen: "zh-hans", "zh-hant" or "en"; anything else counts as English."""
    return wording.language()


def html_lang() -> str:
    """The same as a BCP 47 tag with the script, which decides the glyphs a browser picks: "zh-Hans"."""
    return {"zh-hans": "zh-Hans", "zh-hant": "zh-Hant", "en": "en"}[language()]


def number(value: int | Decimal, *, signed: bool = False) -> str:
    """Grouped by thousands: 12480 → "12,480"; a Decimal keeps its own decimals. `signed` writes the plus too."""
    return f"{value:+,}" if signed else f"{value:,}"


def number_short(value: int | Decimal) -> str:
    """For a tile or an axis: 1286400 → "128.6 万" in Chinese, "1.3M" in English; small numbers stay whole."""
    return _shorten(Decimal(value))


def money(minor: int, currency: str = "CNY", *, signed: bool = False, whole: bool = False) -> str:
    """Minor units as an amount: 123450 CNY → "¥1,234.50". `whole` rounds half up to the major unit."""
    return wording.money(minor, currency, signed=signed, whole=whole)


def money_short(minor: int, currency: str = "CNY") -> str:
    """For a tile: 128640000 fen → "¥128.6 万" in Chinese, "¥1.3M" in English."""
    major = Decimal(abs(minor)).scaleb(-exponent(currency))
    return f"{'-' if minor < 0 else ''}{wording.symbol(currency)}{_shorten(major)}"


def points(value: int, *, unit: bool = False, signed: bool = False) -> str:
    """Points: "12,480", or "12,480 分" / "12,480 pts" with the unit."""
    text = number(value, signed=signed)
    return ngettext("%(number)s pt", "%(number)s pts", abs(value)) % {"number": text} if unit else text


def percent(rate: Decimal | int | float | None, *, places: int = 1, signed: bool = False) -> str:
    """A ratio as per cent: Decimal("0.428") → "42.8%". A missing rate (nothing to divide by) is a dash."""
    if rate is None:
        return "–"
    value = _round(Decimal(str(rate)) * 100, places)
    return f"{value:+,f}%" if signed else f"{value:,f}%"


def discount(pay_percent: Decimal | int | str) -> str:
    """A price reduction in the local idiom, from the per cent of the price still paid.

    85 → "8.5 折" in simplified Chinese (tenths paid), "85 折" in traditional Chinese (the digits paid, so 80 is "8 折"),
    "15% off" in English. Raises ValueError outside 0 < pay_percent < 100.
    """
    return wording.discount(pay_percent)


def day(value: date | datetime) -> str:
    """A calendar day: "2026-11-21" in Chinese, "21 Nov 2026" in English. An instant is first taken to local time."""
    return wording.day(_local(value))


def day_short(value: date | datetime) -> str:
    """A day of this year, for an axis: "11/21" in Chinese, "21 Nov" in English."""
    local = _local(value)
    return format_date(local, "j M") if language() == "en" else f"{local.month}/{local.day}"


def moment(value: datetime, *, seconds: bool = False) -> str:
    """An instant: "2026-11-21 18:00" in Chinese, "21 Nov 2026, 18:00" in English."""
    local = timezone.localtime(value)
    clock = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    return f"{day(value)}, {clock}" if language() == "en" else f"{day(value)} {clock}"


def clock(value: datetime) -> str:
    """The local time of day: "14:20"."""
    return timezone.localtime(value).strftime("%H:%M")


def ago(value: datetime, *, now: datetime) -> str:
    """Relative to `now`, as people say it: just now, 5 minutes ago, today 14:20, yesterday 19:05, 52 days ago; also ahead.

    Beyond 99 days the date itself says more.
    """
    gap = now - value
    if timedelta(0) <= gap < timedelta(minutes=1):
        return _("just now")
    if timedelta(0) <= gap < timedelta(hours=1):
        minutes = gap // timedelta(minutes=1)
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    days = (_local(now) - _local(value)).days
    near = {1: _("yesterday %(time)s"), 0: _("today %(time)s"), -1: _("tomorrow %(time)s")}
    if days in near:
        return near[days] % {"time": clock(value)}
    if 0 < days < 100:
        return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}
    if -100 < days < 0:
        return ngettext("in %(count)d day", "in %(count)d days", -days) % {"count": -days}
    return day(value)


def masked(text: str, *, first: int = 0, last: int = 4) -> str:
    """Hide all but the first and last characters: "6222021234565566" → "••••5566".

    A text too short to hide anything is hidden whole. Members' names, phones and e-mails come masked from their own room.
    """
    if len(text) <= first + last:
        return "••••"
    return f"{text[:first]}••••{text[len(text) - last :]}"


def initials(name: str) -> str:
    """Up to two characters for an avatar: 欧阳雨桐 → 雨桐, 林* → 林, Emma Zhang → EZ."""
    bare = name.replace("*", " ").strip()
    words = bare.split()
    if not words:
        return "–"
    if bare[0].isascii():
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
    return bare[-2:].strip() if "*" not in name else bare[0]


def avatar_colour(name: str) -> int:
    """One of the six avatar colours, always the same for the same name."""
    return crc32(name.encode()) % _AVATAR_COLOURS


def _local(value: date | datetime) -> date:
    return timezone.localtime(value).date() if isinstance(value, datetime) else value


def _round(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _shorten(value: Decimal) -> str:
    for step, unit in _STEPS[language()]:
        if abs(value) >= step:
            space = "" if language() == "en" else " "
            return f"{wording.plain(_round(value / step, 1)):s}{space}{unit}"
    return f"{_round(value, 0):,f}"
