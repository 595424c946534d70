"""The formats and drawings of the console as template filters and tags: {% load shuke %}. They only call formats and charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, Select, Textarea
from django.utils.safestring import SafeString

from shuke.console import charts, formats
from shuke.console.book_words import points_counted
from shuke.kit import clock

register = template.Library()


@register.filter
def money(minor: int | None, currency: str = "CNY") -> str:
    """{{ order.total_minor|money:order.currency }} → ¥1,234.50; None is a dash."""
    return "–" if minor is None else formats.money(minor, currency or "CNY")


@register.filter
def money_signed(minor: int, currency: str = "CNY") -> str:
    """A movement: +¥12.00 or -¥12.00."""
    return formats.money(minor, currency or "CNY", signed=True)


@register.filter
def money_whole(minor: int, currency: str = "CNY") -> str:
    """Rounded to the major unit: ¥1,286,400."""
    return formats.money(minor, currency or "CNY", whole=True)


@register.filter
def money_short(minor: int, currency: str = "CNY") -> str:
    """For tiles: ¥128.6 万."""
    return formats.money_short(minor, currency or "CNY")


@register.filter
def number(value: int | Decimal | None) -> str:
    """12,480; None is a dash."""
    return "–" if value is None else formats.number(value)


@register.filter
def number_short(value: int | Decimal) -> str:
    """128.6 万."""
    return formats.number_short(value)


@register.filter
def last_day(end: datetime) -> datetime:
    """The last instant before an end that no longer counts: a card that ends at midnight is good for the day before."""
    return end - timedelta(microseconds=1)


@register.filter
def points(value: int | None) -> str:
    """12,480; None is a dash."""
    return "–" if value is None else formats.points(value)


@register.filter
def points_unit(value: int) -> str:
    """12,480 分, or in the programme's own unit: 12,480 星星. A template is an edge: it may read the clock."""
    return points_counted(value, clock.now())


@register.filter
def points_signed(value: int) -> str:
    """+120 or -50."""
    return formats.points(value, signed=True)


@register.filter
def units(value: int | None, currency: str = "") -> str:
    """Units of an asset: as an amount where a currency is given (stored value counts its minor units), else as points."""
    if value is None:
        return "–"
    return formats.money(value, currency) if currency else formats.points(value)


@register.filter
def units_signed(value: int, currency: str = "") -> str:
    """A movement of units: +120, or +¥1.20."""
    return formats.money(value, currency, signed=True) if currency else formats.points(value, signed=True)


@register.filter
def percent(rate: Decimal | None, places: int = 1) -> str:
    """0.428 → 42.8%; None is a dash."""
    return formats.percent(rate, places=places)


@register.filter
def discount(pay_percent: Decimal | int | str) -> str:
    """85 → 8.5 折, 85 折 or 15% off."""
    return formats.discount(pay_percent)


@register.filter
def day(value: date | datetime | None) -> str:
    """2026-11-21; None is a dash."""
    return "–" if value is None else formats.day(value)


@register.filter
def day_short(value: date | datetime) -> str:
    """11/21."""
    return formats.day_short(value)


@register.filter
def moment(value: datetime | None) -> str:
    """2026-11-21 18:00; None is a dash."""
    return "–" if value is None else formats.moment(value)


@register.filter
def moment_seconds(value: datetime) -> str:
    """2026-11-21 18:00:05, where the order of things within a minute matters."""
    return formats.moment(value, seconds=True)


@register.filter
def ago(value: datetime | None) -> str:
    """今天 14:20, 3 天前; None is a dash. A template is an edge: it may read the clock."""
    return "–" if value is None else formats.ago(value, now=clock.now())


@register.filter
def masked(text: str) -> str:
    """All but the last four characters hidden."""
    return formats.masked(text)


@register.filter
def initials(name: str) -> str:
    """Up to two characters for an avatar."""
    return formats.initials(name)


@register.filter
def avatar_colour(name: str) -> int:
    """The avatar colour of a name, 0 to 5."""
    return formats.avatar_colour(name)


@register.filter
def minutes(span: timedelta) -> int:
    """Whole minutes of a time span, rounded up."""
    return -(-span // timedelta(minutes=1))


@register.filter
def lang_tag(code: str) -> str:
    """A Django language code as the lang attribute of its own name: zh-hans → zh-Hans."""
    head, _dash, script = code.partition("-")
    return f"{head}-{script.title()}" if script else head


@register.simple_tag
def spark(values: Sequence[int | float | Decimal]) -> dict[str, str]:
    """Paths of a small trend: {% spark values as drawn %} {{ drawn.line }} {{ drawn.area }}."""
    line, area = charts.spark_paths(values)
    return {"line": line, "area": area}


@register.simple_tag
def control(field: BoundField, *, bare: bool = False, **attributes: Any) -> SafeString:
    """A form field's widget in the look of the console: {% control form.name autofocus=True %}.

    `bare` leaves the frame to an element around it, as for a field with an icon.

    Django itself adds the ids of help and errors (aria-describedby) and aria-invalid.
    """
    widget = field.field.widget
    if bare:
        look = "grow"
    elif isinstance(widget, CheckboxInput):
        look = "checkbox"
    elif isinstance(widget, Select):
        look = "select"
    elif isinstance(widget, Textarea):
        look = "textarea"
    else:
        look = "input"
    given = {key.replace("_", "-"): value for key, value in attributes.items() if value not in (None, "")}
    return field.as_widget(
        attrs={**widget.attrs, **given, "class": f"{look} {widget.attrs.get('class', '')}".strip()}
    )
