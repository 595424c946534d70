"""Custom attributes: what a value of each type may be, and which of them say who a person is.

Attributes that say nothing about the person are kept in clear (a list can be filtered by them); personal ones join
the encrypted profile. The definition decides, so a caller hands in both together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.members.models import AttributeDefinition, AttributeKind

MAX_TEXT = 500
MAX_TAGS = 50
MAX_TAG = 40
MAX_INTEGER = 2**53 - 1  # what JSON carries exactly through every client
_TRUE = frozenset({"true", "1", "yes", "y", "是"})
_FALSE = frozenset({"false", "0", "no", "n", "否"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,16}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,10})?")

Definitions = Mapping[str, AttributeDefinition]


def sort_attributes(
    values: Mapping[str, Any], definitions: Definitions
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """(clear, personal) values, each checked against its definition. None stays None: it asks for removal.

    Raises InvalidInput with field "attributes/<code>" for an unknown code or a value of another type.
    """
    clear: dict[str, Any] = {}
    personal: dict[str, str | None] = {}
    for code, value in values.items():
        definition = definitions.get(code)
        if definition is None:
            raise _refuse(code, _("There is no such attribute."))
        checked = None if value is None or value == "" else parse_value(definition, value)
        if not definition.is_personal:
            clear[code] = checked
        elif checked is None:
            personal[code] = None
        else:
            personal[code] = checked if isinstance(checked, str) else str(checked).lower()
    return clear, personal


def parse_value(definition: AttributeDefinition, value: Any) -> str | int | bool:
    """The value as it is kept. Text is accepted for every type, as files deliver it. Decimals and dates are kept as text.

    Raises InvalidInput.
    """
    code = definition.code
    if isinstance(value, str):
        value = clean_text(f"attributes/{code}", value, MAX_TEXT, lines=True)
    match definition.kind:
        case AttributeKind.TEXT if isinstance(value, str):
            return value
        case AttributeKind.CHOICE if isinstance(value, str):
            if value in definition.choices:
                return value
            raise _refuse(code, _("Choose one of: %(choices)s.") % {"choices": ", ".join(definition.choices)})
        case AttributeKind.BOOLEAN:
            return _boolean(code, value)
        case AttributeKind.INTEGER:
            return _integer(code, value)
        case AttributeKind.DECIMAL:
            return _decimal(code, value)
        case AttributeKind.DATE:
            return _date(code, value)
    raise _refuse(code, _("Write text here."))


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Trimmed tags, each once, sorted. Raises InvalidInput for an empty or long tag, or more than fifty."""
    clean = {clean_text("tags", tag, MAX_TAG) for tag in tags}
    if "" in clean:
        raise InvalidInput(field="tags", reason=_("A tag cannot be empty."))
    if len(clean) > MAX_TAGS:
        raise InvalidInput(field="tags", reason=_("A member has at most 50 tags."))
    return sorted(clean)


def _boolean(code: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _refuse(code, _("Write true or false."))


def _integer(code: str, value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise _refuse(code, _("Write a whole number."))
    return value


def _decimal(code: str, value: Any) -> str:
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, (bool, float)) or not _DECIMAL.fullmatch(text):
        raise _refuse(code, _("Write a decimal number as text, for example 12.50."))
    number = Decimal(text)
    return format(number.normalize(), "f") if number else "0"


def _date(code: str, value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()[:10]
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError) as error:
        raise _refuse(code, _("Write a date as year-month-day, for example 2026-11-21.")) from error


def _refuse(code: str, reason: str | Promise) -> InvalidInput:
    return InvalidInput(field=f"attributes/{code[:40]}", reason=reason)
