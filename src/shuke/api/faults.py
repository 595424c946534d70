"""Find everything that is wrong with an input, each with its place, a stable code and a sentence.

Decoding stops at the first mistake and speaks in type names; whoever fixes a till wants all of them. So when decoding
has failed, the plain document is walked once more against the declared types. Only refused requests pay for it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from shuke.api.errors import Fault

MOST_FAULTS = 20
_NOTHING = (type(None), msgspec.UnsetType)

WORDS: dict[str, str | Promise] = {
    "bool": pgettext_lazy("kind of value", "true or false"),
    "int": pgettext_lazy("kind of value", "a whole number"),
    "float": pgettext_lazy("kind of value", "a number"),
    "str": pgettext_lazy("kind of value", "text"),
    "object": pgettext_lazy("kind of value", "an object"),
    "array": pgettext_lazy("kind of value", "a list"),
    "null": pgettext_lazy("kind of value", "null"),
    "uuid": pgettext_lazy("kind of value", "a UUID"),
    "date": pgettext_lazy("kind of value", "a date such as 2026-11-21"),
    "datetime": pgettext_lazy("kind of value", "a time such as 2026-11-21T09:30:00+08:00"),
}

_RULES: tuple[tuple[re.Pattern[str], str, str | Promise], ...] = (
    (
        re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`"),
        "wrong_type",
        _("Expected %(expected)s, got %(got)s."),
    ),
    (
        re.compile(r"Expected `str` of length >= (?P<limit>\d+)"),
        "too_short",
        _("Write at least %(limit)s characters."),
    ),
    (
        re.compile(r"Expected `str` of length <= (?P<limit>\d+)"),
        "too_long",
        _("Write at most %(limit)s characters."),
    ),
    (
        re.compile(r"Expected `(?:array|object)` of length >= (?P<limit>\d+)"),
        "too_few",
        _("At least %(limit)s must be given."),
    ),
    (
        re.compile(r"Expected `(?:array|object)` of length <= (?P<limit>\d+)"),
        "too_many",
        _("At most %(limit)s may be given."),
    ),
    (re.compile(r"Expected `\w+` >=? (?P<limit>-?\d+)"), "too_small", _("The least is %(limit)s.")),
    (re.compile(r"Expected `\w+` <=? (?P<limit>-?\d+)"), "too_large", _("The most is %(limit)s.")),
    (re.compile(r"out of range"), "too_large", _("This number is too large.")),
    (
        re.compile(r"Expected `datetime` with"),
        "bad_format",
        _("State the time zone: 2026-11-21T09:30:00+08:00."),
    ),
    (re.compile(r"Invalid RFC3339 encoded (?P<expected>\w+)"), "bad_format", _("Expected %(expected)s.")),
    (re.compile(r"Invalid (?P<expected>UUID)"), "bad_format", _("Expected %(expected)s.")),
    (re.compile(r"matching regex"), "bad_format", _("This does not have the documented form.")),
)
_PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def find_faults(shape: Any, document: Any, *, where: Literal["body", "query"]) -> list[Fault]:
    """Everything in `document` that does not fit `shape`, in its order, at most twenty."""
    found: list[Fault] = []
    for fault in _walk(shape, document, (), where):
        found.append(fault)
        if len(found) == MOST_FAULTS:
            break
    return found


def fault_of(error: msgspec.ValidationError, where: Literal["body", "query"]) -> Fault:
    """The fault that one decoding error names, for documents too strange to be walked."""
    message, _at, path = str(error).partition(" - at `$")
    place = tuple(name or int(index) for name, index in _PATH_PART.findall(path.rstrip("`")))
    return _fault(message, where, place, None)


def null_character(
    document: Any, where: Literal["body", "query"], place: tuple[str | int, ...] = ()
) -> Iterator[Fault]:
    """Every text or name with a NUL character in it: the database cannot keep them."""
    match document:
        case str() if "\x00" in document:
            yield Fault(where, place, "null_character", _("This text holds a NUL character (U+0000)."))
        case dict():
            for name, value in document.items():
                if "\x00" in name:
                    # A parameter is named itself: a query has no place around it that could be.
                    spot = (name,) if where == "query" else place
                    yield Fault(
                        where, spot, "null_character", _("A name here holds a NUL character (U+0000).")
                    )
                yield from null_character(value, where, (*place, name))
        case list():
            for index, value in enumerate(document):
                yield from null_character(value, where, (*place, index))


def _walk(
    shape: Any, value: Any, place: tuple[str | int, ...], where: Literal["body", "query"]
) -> Iterator[Fault]:
    inner = inner_type(shape)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(value, dict):
        yield from _walk_struct(inner, value, place, where)
        return
    if get_origin(inner) is list and isinstance(value, list):
        (item,) = get_args(inner)
        count = len(value)
        for index in range(count):
            yield from _walk(item, value[index], (*place, index), where)
        # The list itself (how many) is judged with its items blanked, so that their faults are told once.
        if isinstance(bounds := _bounds(shape), msgspec.Meta):
            yield from _leaf(Annotated[list[Any], bounds], value, place, where)
        return
    yield from _leaf(shape, value, place, where)


def _walk_struct(
    struct: type[msgspec.Struct],
    value: dict[str, Any],
    place: tuple[str | int, ...],
    where: Literal["body", "query"],
) -> Iterator[Fault]:
    hints = get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, item in value.items():
        if name not in fields:
            known = ", ".join(fields)
            words = gettext("There is no field of this name. Known here: %(known)s.") % {"known": known}
            yield Fault(where, (*place, name), "unknown_field", words)
        else:
            yield from _walk(hints[fields[name].name], item, (*place, name), where)
    for name, field in fields.items():
        if name not in value and field.required:
            yield Fault(where, (*place, name), "missing", gettext("This is required."))


def _leaf(
    shape: Any, value: Any, place: tuple[str | int, ...], where: Literal["body", "query"]
) -> Iterator[Fault]:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        yield _fault(str(error).partition(" - at `")[0], where, place, shape)


def _fault(message: str, where: Literal["body", "query"], place: tuple[str | int, ...], shape: Any) -> Fault:
    if message.startswith("Invalid enum value"):
        choices = ", ".join(str(choice) for choice in _choices(shape))
        return Fault(
            where, place, "not_a_choice", gettext("Choose one of: %(choices)s.") % {"choices": choices}
        )
    for pattern, code, words in _RULES:
        if match := pattern.search(message):
            params = {name: _plain(text) for name, text in match.groupdict().items()}
            return Fault(where, place, code, str(words) % params)
    return Fault(where, place, "invalid", gettext("This value cannot be used."))


def _plain(text: str) -> str:
    """ "int | null" → "a whole number or null", in the active language."""
    parts = [str(WORDS.get(part.strip().lower(), part.strip())) for part in text.split("|")]
    return pgettext("between kinds of value", " or ").join(parts)


def inner_type(shape: Any) -> Any:
    """The one type inside Annotated and optional: what a value has when it is there."""
    if get_origin(shape) is Annotated:
        return inner_type(get_args(shape)[0])
    if get_origin(shape) in {Union, types.UnionType}:
        rest = [part for part in get_args(shape) if part not in _NOTHING]
        return inner_type(rest[0]) if len(rest) == 1 else shape
    return shape


def _bounds(shape: Any) -> msgspec.Meta | None:
    if get_origin(shape) is Annotated:
        return next((part for part in get_args(shape)[1:] if isinstance(part, msgspec.Meta)), None)
    if get_origin(shape) in {Union, types.UnionType}:
        return next((found for part in get_args(shape) if (found := _bounds(part))), None)
    return None


def _choices(shape: Any) -> tuple[Any, ...]:
    inner = inner_type(shape)
    return get_args(inner) if get_origin(inner) is Literal else ()
