"""Expected figures, as a piece of YAML, against found ones. Pure: what is asked for is looked at, the rest is left alone.

A mapping looks at some figures of a thing, a list must match a list item by item, a mapping over a list picks items by
place (from 1) or by what names them (`sku`, `asset`, `name`). A single value over a thing with a main figure means that one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Self
from uuid import UUID

from shuke.integrations.scenarios.values import Frame, Money
from shuke.kit.money import BadAmount, to_minor, to_text
from shuke.loyalty import source
from shuke.loyalty.source import Node, Scalar, child

MAIN_FIGURES = ("balance", "remaining", "amount", "code", "name")
NAMING_FIGURES = ("sku", "asset", "name", "code", "kind")
NOTHING = frozenset({"none", "never"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)

Found = tuple[int, str, str, str]
"""Line, path, expected, found."""


class Figures(Mapping[str, Any]):
    """Figures by name, each read only when it is asked for."""

    def __init__(self, readers: Mapping[str, Callable[[], Any]]) -> None:
        self._readers = readers

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Figures that are there already."""
        return cls({name: partial(values.__getitem__, name) for name in values})

    def __getitem__(self, name: str) -> Any:
        return self._readers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


class Event(dict[str, Any]):
    """A published fact: whatever else it tells, its name says what it is."""

    main_figures = ("name",)


def differences(expected: Node, found: Any, path: str, frame: Frame) -> Iterator[Found]:
    """Every place where `found` is not what `expected` says."""
    if isinstance(expected, Scalar):
        yield from _scalar(expected, found, path, frame)
    elif isinstance(expected, source.Sequence):
        yield from _sequence(expected, found, path, frame)
    elif isinstance(found, Mapping):
        for key, wanted in expected.items.items():
            line, here = expected.key_lines[key], child(path, key)
            if key in found:
                yield from differences(wanted, found[key], here, frame)
            elif f"{key}_minor" in found:
                yield from differences(wanted, _as_money(found[f"{key}_minor"]), here, frame)
            else:
                known = ", ".join(name.removesuffix("_minor") for name in found)
                yield line, here, shown(wanted, frame), f"no such figure; there are: {known}"
    elif isinstance(found, list | tuple):
        for key, wanted in expected.items.items():
            picked = _picked(key, found)
            here = child(path, key)
            if picked is None:
                yield (
                    expected.key_lines[key],
                    here,
                    shown(wanted, frame),
                    f"nothing, in {shown(found, frame)}",
                )
            else:
                yield from differences(wanted, picked, here, frame)
    else:
        yield expected.line, path, shown(expected, frame), shown(found, frame)


def _as_money(found: Any) -> Any:
    return Money(found) if isinstance(found, int) else found


def _picked(key: str, found: list[Any] | tuple[Any, ...]) -> Any:
    if key.isascii() and key.isdigit() and len(key) < 9 and 1 <= int(key) <= len(found):
        return found[int(key) - 1]
    for name in NAMING_FIGURES:
        for item in found:
            if isinstance(item, Mapping) and name in item and str(item[name]) == key:
                return item
    return None


def _sequence(expected: source.Sequence, found: Any, path: str, frame: Frame) -> Iterator[Found]:
    if not isinstance(found, list | tuple) or len(found) != len(expected.items):
        yield expected.line, path, shown(expected, frame), shown(found, frame)
        return
    for number, (wanted, item) in enumerate(zip(expected.items, found, strict=True), 1):
        yield from differences(wanted, item, child(path, str(number)), frame)


def _scalar(expected: Scalar, found: Any, path: str, frame: Frame) -> Iterator[Found]:
    if isinstance(found, Mapping):
        main = next((name for name in getattr(found, "main_figures", MAIN_FIGURES) if name in found), None)
        if main is not None:
            yield from _scalar(expected, found[main], path, frame)
            return
    if not _equal(expected, found, frame):
        yield expected.line, path, shown(expected, frame), shown(found, frame)


def _equal(expected: Scalar, found: Any, frame: Frame) -> bool:
    text = expected.text
    if found is None:
        return expected.is_null or text in NOTHING
    if isinstance(found, bool):
        return text.lower() == str(found).lower()
    if isinstance(found, int):
        return bool(_WHOLE.fullmatch(text)) and int(text) == found
    if isinstance(found, Money):
        try:
            return to_minor(text, frame.currency) == found.minor
        except BadAmount:
            return False
    if isinstance(found, datetime):
        return _instant(text, frame) == found
    if isinstance(found, UUID):
        return text in (str(found), frame.names.get(str(found)))
    if isinstance(found, str) and text != found and (as_instant := _instant(found, frame)):
        return as_instant == _instant(text, frame)
    return text == str(found) or (isinstance(found, str) and frame.names.get(found) == text)


def _instant(text: str, frame: Frame) -> datetime | None:
    """A point in time; without an offset it is meant in the programme's zone."""
    if len(text) < len("2026-01-01") or text[4:5] != "-":
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo else value.replace(tzinfo=frame.zone)


def shown(value: Any, frame: Frame) -> str:
    """An expected or found value in one short line."""
    text = value.text if isinstance(value, Scalar) else _text(value, frame)
    if not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"


def _text(value: Any, frame: Frame) -> Any:
    if isinstance(value, Scalar):
        return int(value.text) if not value.quoted and _WHOLE.fullmatch(value.text) else value.text
    if isinstance(value, source.Sequence):
        return [_text(item, frame) for item in value.items]
    if isinstance(value, source.Mapping):
        return {key: _text(item, frame) for key, item in value.items.items()}
    if isinstance(value, Mapping):
        return {str(key): _text(item, frame) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_text(item, frame) for item in value]
    if value is None:
        return "none"
    if isinstance(value, Money):
        return to_text(value.minor, frame.currency)
    if isinstance(value, datetime):
        local = value.astimezone(frame.zone)
        return f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, UUID):
        return frame.names.get(str(value), str(value))
    return value
