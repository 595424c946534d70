"""Readers of what steps are told: instants, amounts, quantities, names of things. Each notes what is wrong with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shuke.kit.money import to_minor
from shuke.loyalty import source
from shuke.loyalty.readers import Key, Notes, Reader, amount, decimal, mapping, scalar, text, whole
from shuke.loyalty.source import Node, Scalar, child

name = text(longest=60)
CATALOGUE = frozenset({"product", "store"})
words = text(longest=300)
points = whole(-(10**15), 10**15)
_RELATIVE = re.compile(r"\+ ?([0-9]{1,5}) (seconds?|minutes?|hours?|days?)")
_UNITS = {"second": "seconds", "minute": "minutes", "hour": "hours", "day": "days"}


@dataclass(frozen=True, slots=True)
class Named:
    """A place where a scenario names something that must be there by then: `kind` says what."""

    kind: str
    name: str
    path: str
    line: int


class Names(Notes):
    """Notes that also keep what is named, until it can be checked against what there is."""

    named: list[Named]


def thing(kind: str) -> Reader:
    """The name of a thing of this kind: of one that the scenario made, of the catalogue, or of the programme."""

    def read(notes: Notes, node: Node, path: str) -> str | None:
        found: str | None = name(notes, node, path)
        if found is not None:
            _mention(notes, kind, found, path, node.line)
        return found

    return read


def for_engine(reader: Reader) -> Reader:
    """The same, with goods and stores left for the engine to refuse one by one."""

    def read(notes: Notes, node: Node, path: str) -> Any:
        named = notes.named if isinstance(notes, Names) else []
        before = len(named)
        value = reader(notes, node, path)
        named[before:] = [each for each in named[before:] if each.kind not in CATALOGUE]
        return value

    return read


def _mention(notes: Notes, kind: str, name: str, path: str, line: int) -> None:
    if isinstance(notes, Names):
        notes.named.append(Named(kind, name, path, line))


def money(notes: Notes, node: Node, path: str) -> int | None:
    """An amount in major units, such as 12.30, as minor units."""
    read: str | None = amount(above_zero=False)(notes, node, path)
    return None if read is None else to_minor(read, notes.currency)


def units(notes: Notes, node: Node, path: str) -> str | None:
    """An amount of an asset: whole units, or money in major units; which of the two, its asset decides."""
    read: str | None = decimal("-1000000000000", "1000000000000")(notes, node, path)
    return read


def quantity(notes: Notes, node: Node, path: str) -> int | None:
    """Units with up to three decimals, as thousandths. Zero and less are left for the engine to refuse."""
    read: str | None = decimal("-1000000", "10000000")(notes, node, path)
    return None if read is None else int(Decimal(read) * 1000)


def instant(node: Node, zone: ZoneInfo, before: datetime | None) -> datetime | None:
    """A point in time in UTC: "2026-03-01", "2026-03-01 10:00", with an offset, or "+90 days" after the step before.

    Days are days of the calendar: the clock on the wall stays. None when it is none of these.
    """
    if not isinstance(node, Scalar):
        return None
    if (relative := _RELATIVE.fullmatch(node.text)) and before is not None:
        gap = timedelta(**{_UNITS[relative[2].removesuffix("s")]: int(relative[1])})
        if relative[2].startswith("day"):
            local = before.astimezone(zone)
            return datetime.combine(local.date() + gap, local.timetz()).astimezone(UTC)
        return before + gap
    try:
        value = datetime.fromisoformat(node.text)
    except ValueError:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def moment(notes: Notes, node: Node, path: str) -> datetime | None:
    """An instant inside a step or a member, in the programme's zone unless it has an offset."""
    zone: ZoneInfo = getattr(notes, "zone", ZoneInfo("UTC"))
    found = instant(node, zone, None)
    if found is None:
        notes.add("bad_instant", path, node.line, "is no instant such as 2026-03-01 10:00")
    return found


def born(notes: Notes, node: Node, path: str) -> date | None:
    """A birthday."""
    found = scalar(notes, node, path)
    try:
        return date.fromisoformat(found.text) if found else None
    except ValueError:
        notes.add("bad_date", path, node.line, "is no date such as 1990-05-17")
        return None


def list_of(reader: Reader) -> Reader:
    """A list, or a single value that stands for a list of one."""

    def read(notes: Notes, node: Node, path: str) -> list[Any]:
        items = node.items if isinstance(node, source.Sequence) else [node]
        values = [reader(notes, item, f"{path}[{index}]") for index, item in enumerate(items)]
        return [value for value in values if value is not None]

    return read


def mapping_of(reader: Reader) -> Reader:
    """A mapping of free names to values of one kind."""

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        if not isinstance(node, source.Mapping):
            notes.add("wrong_type", path, node.line, "must be a mapping of keys to values")
            return None
        found = {key: reader(notes, item, child(path, key)) for key, item in node.items.items()}
        return {key: value for key, value in found.items() if value is not None}

    return read


def named(reader: Reader) -> Reader:
    """Things by name: a mapping of names to their particulars, or a list of names without any."""
    by_name = mapping_of(lambda notes, node, path: reader(notes, _or_empty(node), path))

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        if isinstance(node, source.Sequence):
            found = {}
            for index, item in enumerate(node.items):
                one = name(notes, item, f"{path}[{index}]")
                if one in found:
                    notes.add(
                        "duplicate", f"{path}[{index}]", item.line, "“%(name)s” is there already", name=one
                    )
                if one is not None:
                    found[one] = reader(notes, source.Mapping(item.line, {}, {}), path)
            return found
        result: dict[str, Any] | None = by_name(notes, node, path)
        return result

    return read


def _or_empty(node: Node) -> Node:
    return source.Mapping(node.line, {}, {}) if isinstance(node, Scalar) and node.is_null else node


def short_or(key: str, keys: Mapping[str, Key]) -> Reader:
    """A mapping of `keys`, or a single value that stands for its `key`."""
    full = mapping(dict(keys))

    def read(notes: Notes, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and not node.is_null:
            node = source.Mapping(node.line, {key: node}, {key: node.line})
        return full(notes, _or_empty(node), path)

    return read


def sold(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """Lines of a sale: {A: 2, B: 1} for SKUs and quantities, or a list of lines with their particulars."""
    if isinstance(node, source.Mapping):
        for sku in node.items:
            _mention(notes, "product", sku, child(path, sku), node.key_lines[sku])
        counts = {sku: quantity(notes, item, child(path, sku)) for sku, item in node.items.items()}
        return [
            {"sku": sku, "quantity": count, "discounts": {}}
            for sku, count in counts.items()
            if count is not None
        ]
    if not isinstance(node, source.Sequence):
        notes.add(
            "wrong_type", path, node.line, "must be SKUs with quantities, such as {A: 2}, or a list of lines"
        )
        return None
    lines = [_LINE(notes, item, f"{path}[{index}]") for index, item in enumerate(node.items)]
    return [line for line in lines if line is not None]


LINE_KEYS: dict[str, Key] = {
    "sku": Key(thing("product"), required=True),
    "quantity": Key(quantity, default=1000),
    "price": Key(money),
    "total": Key(money),
    "discounts": Key(mapping_of(money), default={}),
    "tax": Key(name),
}
_LINE = short_or("sku", LINE_KEYS)


def word(notes: Notes, node: Node, path: str) -> str | None:
    """Any text as it stands, for values that the engine itself shall judge."""
    found = scalar(notes, node, path)
    return found.text if found else None


def start_of_time(zone: ZoneInfo) -> datetime:
    """When a scenario begins that does not say."""
    return datetime.combine(datetime(2026, 1, 1, tzinfo=zone).date(), time(10), zone).astimezone(UTC)


def next_minute(before: datetime) -> datetime:
    """When a step happens that does not say."""
    return before + timedelta(minutes=1)
