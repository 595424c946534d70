"""Readers that turn one node of the source into a typed value, or note what is wrong and return None.

Each takes (notes, node, path). They are put together into the programme's schema in `document.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.kit.money import BadAmount, to_minor, to_text
from shuke.loyalty import source
from shuke.loyalty.errors import Problem
from shuke.loyalty.probes import MappingProbe, ScalarProbe, SequenceProbe, Shape, describe
from shuke.loyalty.source import Node, Scalar, child

MAX_PROBLEMS = 200
MAX_WHOLE = 10**12
MAX_AMOUNT_MAJOR = 10**9
LANGUAGES = ("zh-Hans", "zh-Hant", "en")

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SLUG = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "yes"}), frozenset({"false", "no"})


@dataclass(slots=True)
class Notes:
    """What the readers share: the problems found, and the facts of the document that others are checked against."""

    problems: list[Problem] = field(default_factory=list)
    currency: str = "CNY"
    assets: set[str] = field(default_factory=set)
    tiers: list[str] = field(default_factory=list)
    tiers_by_growth: bool = False
    coupons: list[str] = field(default_factory=list)
    """Codes of the coupon templates."""
    budgets: dict[str, str] = field(default_factory=dict)
    """Budget id → its asset."""
    ids: dict[str, str] = field(default_factory=dict)
    """Rule id → the path where it was first used."""

    def add(self, code: str, path: str, line: int, template: str | Promise, **params: Any) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(code, path, line, template, params))


Reader = Callable[[Notes, Node, str], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping: how to read it, whether it must be there, what it is when absent (None: left out)."""

    reader: Reader
    required: bool = False
    default: Any = None


def shown(text: str) -> str:
    """A value as problems quote it: short, and without line breaks or control characters."""
    clean = "".join(c if c.isprintable() else "�" for c in text)
    return clean if len(clean) <= 40 else clean[:39] + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word, or "": a longer form of one ("wednesday"), or one that looks alike.

    Long input is not compared: it would cost more than it helps.
    """
    if not 0 < len(word) <= 60:
        return ""
    choices = list(known)
    longer = [choice for choice in choices if len(choice) >= 3 and word.startswith(choice)]
    return next(iter(longer or get_close_matches(word, choices, n=1, cutoff=0.6)), "")


def scalar(notes: Notes, node: Node, path: str) -> Scalar | None:
    """The node if it is a single value that is there."""
    if not isinstance(node, Scalar):
        notes.add("wrong_type", path, node.line, _("must be a single value"))
        return None
    if isinstance(node, ScalarProbe):
        if not node.told:  # whoever knows better has told already
            node.told.append({"type": ["string", "number", "boolean"]})
        return None
    if node.is_null:
        notes.add("missing_value", path, node.line, _("has no value"))
        return None
    return node


def mapping(keys: dict[str, Key]) -> Reader:
    """A mapping with exactly these keys, read in this order; absent ones take their defaults."""

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        if isinstance(node, MappingProbe):
            node.told.append(_shape(keys))
            return None
        if not isinstance(node, source.Mapping):
            notes.add("wrong_type", path, node.line, _("must be a mapping of keys to values"))
            return None
        for name in node.items:
            if name not in keys:
                _unknown_key(notes, name, child(path, name), node.key_lines[name], keys)
        result: dict[str, Any] = {}
        for name, key in keys.items():
            if name in node.items:
                value = key.reader(notes, node.items[name], child(path, name))
                if value is not None:
                    result[name] = value
            elif key.required:
                notes.add("missing_key", child(path, name), node.line, _("is required"))
            elif key.default is not None:
                result[name] = deepcopy(key.default)
        return result

    return read


def _shape(keys: dict[str, Key]) -> Shape:
    properties = {}
    for name, key in keys.items():
        properties[name] = describe(key.reader, Notes)
        if key.default is not None:
            properties[name] = {**properties[name], "default": key.default}
    required = [name for name, key in keys.items() if key.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def tell_table(
    node: MappingProbe,
    each: Shape,
    own: dict[str, Shape] | None = None,
    *,
    required: Sequence[str] = (),
    most: int | None = None,
) -> None:
    """What a reader of a mapping with free keys says to a probe: every value is `each`, those of some keys are their `own`."""
    shape: Shape = {"type": "object", "properties": own or {}, "required": list(required)}
    node.told.append({**shape, "additionalProperties": each, **({"maxProperties": most} if most else {})})


def _unknown_key(notes: Notes, name: str, path: str, line: int, known: Iterable[str]) -> None:
    guess = did_you_mean(name, known)
    if guess:
        notes.add("unknown_key", path, line, _("unknown key; did you mean “%(guess)s”?"), guess=guess)
    else:
        allowed = ", ".join(known)
        notes.add("unknown_key", path, line, _("unknown key; allowed here: %(allowed)s"), allowed=allowed)


def sequence(reader: Reader, *, most: int, least: int = 0, distinct: bool = False) -> Reader:
    """A list. With `distinct`, a value given twice is refused."""

    def read(notes: Notes, node: Node, path: str) -> list[Any] | None:
        if isinstance(node, SequenceProbe):
            shape: Shape = {"type": "array", "items": describe(reader, Notes), "maxItems": most}
            node.told.append({**shape, **({"minItems": least} if least else {})})
            return None
        if not isinstance(node, source.Sequence):
            notes.add("wrong_type", path, node.line, _("must be a list"))
            return None
        if len(node.items) > most:
            notes.add(
                "too_many",
                path,
                node.line,
                _("has %(count)d items; at most %(most)d are allowed"),
                count=len(node.items),
                most=most,
            )
            return None
        if len(node.items) < least:
            notes.add("too_few", path, node.line, _("needs at least %(least)d item"), least=least)
        result: list[Any] = []
        for index, item in enumerate(node.items):
            here = f"{path}[{index}]"
            value = reader(notes, item, here)
            if distinct and value is not None and value in result:
                notes.add("duplicate", here, item.line, _("“%(value)s” is given twice"), value=value)
            elif value is not None:
                result.append(value)
        return result

    return read


def text(*, longest: int) -> Reader:
    """Words on one line, without control characters."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            words = {"type": "string", "minLength": 1, "maxLength": longest}
            node.told.append({"anyOf": [words, {"type": ["number", "boolean"]}], "format": "text"})
            return None
        found = scalar(notes, node, path)
        if found is None:
            return None
        value = found.text.strip()
        if not value:
            notes.add("missing_value", path, node.line, _("has no value"))
        elif len(value) > longest:
            notes.add(
                "too_long", path, node.line, _("is longer than %(longest)d characters"), longest=longest
            )
        elif not value.isprintable():
            notes.add("bad_characters", path, node.line, _("holds characters that cannot be shown"))
        else:
            return value
        return None

    return read


def slug(*, longest: int) -> Reader:
    """A code: small letters, digits, hyphens and underscores."""
    words = text(longest=longest)

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            code = {"type": "string", "pattern": f"^{_SLUG.pattern}$", "maxLength": longest}
            node.told.append({"anyOf": [code, {"type": ["integer", "boolean"]}], "format": "code"})
            return None
        value: str | None = words(notes, node, path)
        if value is not None and not _SLUG.fullmatch(value):
            notes.add(
                "bad_code",
                path,
                node.line,
                _("“%(value)s” may only hold small letters a–z, digits, hyphens and underscores"),
                value=shown(value),
            )
            return None
        return value

    return read


def choice(*allowed: str) -> Reader:
    """One of a few words."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            node.told.append({"enum": list(allowed)})
            return None
        found = scalar(notes, node, path)
        if found is None or found.text in allowed:
            return found.text if found else None
        guess = did_you_mean(found.text.lower(), allowed)
        if guess:
            notes.add(
                "not_allowed",
                path,
                node.line,
                _("“%(value)s” is not allowed; did you mean “%(guess)s”?"),
                value=shown(found.text),
                guess=guess,
            )
        else:
            notes.add(
                "not_allowed",
                path,
                node.line,
                _("“%(value)s” is not allowed; choose from: %(allowed)s"),
                value=shown(found.text),
                allowed=", ".join(allowed),
            )
        return None

    return read


def boolean(notes: Notes, node: Node, path: str) -> bool | None:
    if isinstance(node, ScalarProbe):
        words = {
            "type": "string",
            "pattern": "^([Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo])$",
        }
        node.told.append({"anyOf": [{"type": "boolean"}, words], "format": "boolean"})
        return None
    found = scalar(notes, node, path)
    if found is None:
        return None
    word = found.text.lower()
    if word not in _TRUE | _FALSE:
        notes.add(
            "not_boolean",
            path,
            node.line,
            _("“%(value)s” is neither true nor false"),
            value=shown(found.text),
        )
        return None
    return word in _TRUE


def whole(low: int, high: int = MAX_WHOLE) -> Reader:
    """A whole number in a range."""

    def read(notes: Notes, node: Node, path: str) -> int | None:
        if isinstance(node, ScalarProbe):
            number = {"type": "integer", "minimum": low, "maximum": high}
            node.told.append(_or_text(number, _WHOLE, "whole"))
            return None
        found = scalar(notes, node, path)
        if found is None:
            return None
        if not _WHOLE.fullmatch(found.text):
            notes.add(
                "not_whole", path, node.line, _("“%(value)s” is not a whole number"), value=shown(found.text)
            )
            return None
        value = int(found.text)
        if not low <= value <= high:
            notes.add(
                "out_of_range", path, node.line, _("must be from %(low)s to %(high)s"), low=low, high=high
            )
            return None
        return value

    return read


def decimal(low: str, high: str, *, places: int = 3) -> Reader:
    """A decimal in a range, kept as text: "1.50" → "1.5"."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            number = {"type": "number", "minimum": float(low), "maximum": float(high)}
            node.told.append(_or_text(number, _DECIMAL, "decimal"))
            return None
        found = scalar(notes, node, path)
        if found is None:
            return None
        if not _DECIMAL.fullmatch(found.text):
            notes.add(
                "not_decimal",
                path,
                node.line,
                _("“%(value)s” is not a decimal number such as 1.5"),
                value=shown(found.text),
            )
            return None
        value = Decimal(found.text)
        if not Decimal(low) <= value <= Decimal(high):
            notes.add(
                "out_of_range", path, node.line, _("must be from %(low)s to %(high)s"), low=low, high=high
            )
        elif value != value.quantize(Decimal(1).scaleb(-places)):
            notes.add(
                "too_precise", path, node.line, _("may have at most %(places)d decimals"), places=places
            )
        else:
            return plain(value)
        return None

    return read


def _or_text(number: Shape, text_of_it: re.Pattern[str], kind: str) -> Shape:
    """A number may be written as one, or in quotes."""
    return {"anyOf": [number, {"type": "string", "pattern": f"^{text_of_it.pattern}$"}], "format": kind}


def plain(value: Decimal) -> str:
    """A decimal without trailing zeros or exponent."""
    whole_part, _dot, rest = f"{value:f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole_part}.{rest}" if rest else whole_part


def amount(*, above_zero: bool) -> Reader:
    """Money in major units of the programme's currency, kept as text with its decimals: "5000" → "5000.00"."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            number = {"type": "number", "exclusiveMinimum" if above_zero else "minimum": 0}
            node.told.append(_or_text(number, _AMOUNT, "amount"))
            return None
        found = scalar(notes, node, path)
        if found is None:
            return None
        try:
            minor = to_minor(found.text if len(found.text) <= 32 else "", notes.currency)
        except BadAmount:
            places = len(to_text(0, notes.currency).partition(".")[2])
            notes.add(
                "bad_amount",
                path,
                node.line,
                _("“%(value)s” is not an amount of %(currency)s (plain number, %(places)d decimals)"),
                value=shown(found.text),
                currency=notes.currency,
                places=places,
            )
            return None
        low, high = (1 if above_zero else 0), to_minor(MAX_AMOUNT_MAJOR, "CNY")
        if not low <= minor <= high:
            notes.add(
                "out_of_range",
                path,
                node.line,
                _("must be from %(low)s to %(high)s"),
                low=to_text(low, notes.currency),
                high=to_text(high, notes.currency),
            )
            return None
        return to_text(minor, notes.currency)

    return read


def day(notes: Notes, node: Node, path: str) -> str | None:
    """A calendar day, kept as "YYYY-MM-DD"."""
    if isinstance(node, ScalarProbe):
        node.told.append({"type": "string", "pattern": f"^{_DAY.pattern}$", "format": "date"})
        return None
    found = scalar(notes, node, path)
    if found is None:
        return None
    try:
        if not _DAY.fullmatch(found.text):
            raise ValueError(found.text)
        value = date.fromisoformat(found.text)
    except ValueError:
        notes.add(
            "bad_date",
            path,
            node.line,
            _("“%(value)s” is not a date such as 2026-12-31"),
            value=shown(found.text),
        )
        return None
    if not 2000 <= value.year <= 2199:
        notes.add(
            "out_of_range",
            path,
            node.line,
            _("must be from %(low)s to %(high)s"),
            low="2000-01-01",
            high="2199-12-31",
        )
        return None
    return value.isoformat()


def names(notes: Notes, node: Node, path: str) -> dict[str, str] | None:
    """A name per language. zh-Hans is required; what is missing falls back to it when read."""
    if isinstance(node, MappingProbe):
        one = describe(text(longest=60), Notes)
        node.told.append(
            {
                "type": "object",
                "properties": dict.fromkeys(LANGUAGES, one),
                "required": ["zh-Hans"],
                "additionalProperties": False,
                "format": "names",
            }
        )
        return None
    reader = mapping(
        {language: Key(text(longest=60), required=language == "zh-Hans") for language in LANGUAGES}
    )
    result: dict[str, str] | None = reader(notes, node, path)
    return result


def one_of(known: Sequence[str] | set[str], kind: str | Promise) -> Reader:
    """A code that must exist elsewhere in the document; `kind` says what it names."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        if isinstance(node, ScalarProbe):
            node.told.append({"type": ["string", "number", "boolean"], "format": "reference"})
        found = scalar(notes, node, path)
        if found is None or found.text in known:
            return found.text if found else None
        guess = did_you_mean(found.text, sorted(known))
        if guess:
            notes.add(
                "unknown_reference",
                path,
                node.line,
                _("there is no %(kind)s “%(value)s”; did you mean “%(guess)s”?"),
                kind=kind,
                value=shown(found.text),
                guess=guess,
            )
        else:
            notes.add(
                "unknown_reference",
                path,
                node.line,
                _("there is no %(kind)s “%(value)s”; there are: %(known)s"),
                kind=kind,
                value=shown(found.text),
                known=", ".join(sorted(known)[:20]),
            )
        return None

    return read
