"""Two texts beside each other, line by line, with what stayed the same left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

MOST_LINES = 5_000
"""Comparing takes time with the square of the length; longer documents are compared in words only."""
AROUND = 3

Kind = Literal["same", "changed", "skipped"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of the two columns: line numbers from 1 (None: nothing on that side). `skipped` counts lines left out."""

    kind: Kind
    old_number: int | None = None
    old: str = ""
    new_number: int | None = None
    new: str = ""
    skipped: int = 0


def compare(old: str, new: str) -> list[Pair] | None:
    """The rows; empty when the texts are equal, None when they are too long to compare."""
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > MOST_LINES:
        return None
    if before == after:
        return []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [pair for group in _blocks(matcher, before, after) for pair in group]


def _blocks(matcher: SequenceMatcher[str], before: list[str], after: list[str]) -> Iterator[list[Pair]]:
    opcodes = matcher.get_opcodes()
    for place, (tag, old_from, old_to, new_from, new_to) in enumerate(opcodes):
        numbers = zip_longest(range(old_from, old_to), range(new_from, new_to))
        if tag != "equal":
            yield [
                Pair(
                    "changed",
                    None if i is None else i + 1,
                    "" if i is None else before[i],
                    None if j is None else j + 1,
                    "" if j is None else after[j],
                )
                for i, j in numbers
            ]
            continue
        rows = [Pair("same", i + 1, before[i], j + 1, after[j]) for i, j in numbers]
        head = 0 if place == 0 else AROUND
        tail = 0 if place == len(opcodes) - 1 else AROUND
        hidden = len(rows) - head - tail
        if hidden > 1:
            rows = [*rows[:head], Pair("skipped", skipped=hidden), *rows[len(rows) - tail :]]
        yield rows
