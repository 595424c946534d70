"""What a chart shows, as plain data: numbers to draw, and beside each the text the server formatted.

The components c-chart and c-heat draw these. Every chart also yields a table, the alternative for readers without sight.
Drawing is the only place where an amount becomes a float, and no text is made from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from django.utils.translation import gettext as _

from shuke.console import formats
from shuke.kit.money import exponent

HEAT_LEVELS = 6


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of a chart as text: a header, and rows whose first cell is their heading."""

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or row of bars; None leaves a gap. `axis` 1 is the right-hand scale; `colour` 1 to 8 picks a chart token."""

    name: str
    values: Sequence[int | float | None]
    texts: Sequence[str]
    kind: Literal["line", "bar"] = "line"
    axis: Literal[0, 1] = 0
    colour: int = 1
    area: bool = False
    dashed: bool = False
    stack: str = ""

    @classmethod
    def of_counts(cls, name: str, counts: Sequence[int], **look: Any) -> Series:
        """A series of whole numbers: members, orders, points."""
        return cls(name, list(counts), [formats.number(count) for count in counts], **look)

    @classmethod
    def of_money(cls, name: str, minors: Sequence[int], currency: str = "CNY", **look: Any) -> Series:
        """A series of amounts in minor units."""
        scale = 10 ** exponent(currency)
        return cls(
            name,
            [minor / scale for minor in minors],
            [formats.money(minor, currency) for minor in minors],
            **look,
        )


@dataclass(frozen=True, slots=True)
class Trend:
    """Series over the same labels, most often days."""

    labels: Sequence[str]
    series: Sequence[Series]
    label_name: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """What charts.js reads."""
        return {
            "kind": "trend",
            "labels": list(self.labels),
            "series": [
                {
                    "name": each.name,
                    "type": each.kind,
                    "axis": each.axis,
                    "colour": each.colour,
                    "area": each.area,
                    "dashed": each.dashed,
                    "stack": each.stack,
                    "data": list(each.values),
                    "text": list(each.texts),
                }
                for each in self.series
            ],
        }

    @property
    def table(self) -> Table:
        """One row per label, one column per series."""
        rows = [[label, *(each.texts[i] for each in self.series)] for i, label in enumerate(self.labels)]
        return Table([self.label_name or _("Date"), *(each.name for each in self.series)], rows)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Horizontal bars, largest first as given: top products, stores, reasons."""

    name: str
    labels: Sequence[str]
    values: Sequence[int | float]
    texts: Sequence[str]
    label_name: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """What charts.js reads."""
        return {
            "kind": "ranking",
            "labels": list(self.labels),
            "data": list(self.values),
            "text": list(self.texts),
        }

    @property
    def table(self) -> Table:
        """One row per bar."""
        rows = [[label, text] for label, text in zip(self.labels, self.texts, strict=True)]
        return Table([self.label_name or _("Name"), self.name], rows)


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a whole; `tier` 0 to 4 paints it in that tier's colour, None in the next chart colour."""

    name: str
    value: int
    tier: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A ring of parts with the total in its middle."""

    parts: Sequence[Part]
    caption: str

    @property
    def total(self) -> int:
        """The whole."""
        return sum(part.value for part in self.parts)

    def share_of(self, part: Part) -> str:
        """The part as per cent of the whole, as text."""
        return formats.percent(Decimal(part.value) / self.total if self.total else None)

    @property
    def payload(self) -> dict[str, Any]:
        """What charts.js reads."""
        return {
            "kind": "share",
            "total": formats.number_short(self.total) if self.total >= 10**6 else formats.number(self.total),
            "caption": self.caption,
            "parts": [
                {
                    "name": part.name,
                    "value": part.value,
                    "tier": part.tier,
                    "text": formats.number(part.value),
                    "share": self.share_of(part),
                }
                for part in self.parts
            ],
        }

    @property
    def legend(self) -> list[dict[str, Any]]:
        """The parts with texts and colours, for the list beside the ring."""
        return [{**each, "colour": index % 8 + 1} for index, each in enumerate(self.payload["parts"])]

    @property
    def table(self) -> Table:
        """One row per part."""
        rows = [[part.name, formats.number(part.value), self.share_of(part)] for part in self.parts]
        return Table([_("Name"), self.caption, _("Share")], rows)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a heat grid: its text and its level from 0 (nothing) to 6 (most)."""

    text: str
    level: int
    href: str = ""


@dataclass(frozen=True, slots=True)
class HeatGrid:
    """Counts by two scales, such as recency × frequency. `hrefs`, when given, has the shape of `values`."""

    columns: Sequence[str]
    row_labels: Sequence[str]
    values: Sequence[Sequence[int]]
    corner: str = ""
    hrefs: Sequence[Sequence[str]] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Row label and cells. Levels follow the square root of the share of the largest cell: counts are skewed."""
        most = max((value for row in self.values for value in row), default=0)
        return [
            {
                "label": label,
                "cells": [
                    Cell(
                        formats.number(value), heat_level(value, most), self.hrefs[i][j] if self.hrefs else ""
                    )
                    for j, value in enumerate(self.values[i])
                ],
            }
            for i, label in enumerate(self.row_labels)
        ]


def heat_level(value: int, most: int) -> int:
    """Level 0 to 6 of a non-negative count, by the square root of its share of the largest."""
    if value <= 0 or most <= 0:
        return 0
    return min(HEAT_LEVELS, max(1, round(HEAT_LEVELS * math.sqrt(value / most))))


def spark_paths(
    values: Sequence[int | float | Decimal], width: int = 72, height: int = 24
) -> tuple[str, str]:
    """SVG paths (line, area below it) of a small trend; both empty for fewer than two values."""
    if len(values) < 2:
        return "", ""
    numbers = [float(value) for value in values]
    low, high = min(numbers), max(numbers)
    reach = (high - low) or 1.0
    inner = height - 4
    dots = [
        (round(i * width / (len(numbers) - 1), 1), round(2 + inner - (n - low) / reach * inner, 1))
        for i, n in enumerate(numbers)
    ]
    line = "M" + "L".join(f"{x:g} {y:g}" for x, y in dots)
    return line, f"{line}L{width} {height}L0 {height}Z"
