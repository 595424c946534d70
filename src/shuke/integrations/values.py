"""What an import is told and what it answers: kinds, options, outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """What a file holds."""

    MEMBERS = "members"
    PRODUCTS = "products"
    STORES = "stores"
    ORDERS = "orders"


class OnExisting(StrEnum):
    """What happens to a member, product or store that is there already. Orders are never changed."""

    SKIP = "skip"
    UPDATE = "update"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run. `workers` are processes that price and write orders side by side."""

    encoding: str = ""
    sheet: str = ""
    dry_run: bool = False
    all_or_nothing: bool = False
    restart: bool = False
    workers: int = 1
    on_existing: OnExisting = OnExisting.SKIP


@dataclass(slots=True)
class Counts:
    """Figures of a run. For orders, `imported`, `skipped` and `refused` count orders; else rows."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    refused: int = 0
    lines: int = 0
    sales_minor: int = 0
    points: int = 0

    def add(self, other: Counts) -> None:
        """Add another's figures to these."""
        for name in COUNT_NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        """The figures by name, for the journal."""
        return {name: getattr(self, name) for name in COUNT_NAMES}


COUNT_NAMES = ("imported", "updated", "skipped", "refused", "lines", "sales_minor", "points")


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """A row that was refused when it was written: its number in the file (the header is row 1), and why."""

    row: int
    field: str
    code: str
    reason: str = ""

    def as_list(self) -> list[Any]:
        """For the journal."""
        return [self.row, self.field, self.code, self.reason]


@dataclass(frozen=True, slots=True)
class Work:
    """One step of progress: `done` of `total` rows."""

    phase: str
    done: int
    total: int


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    run_id: UUID | None
    counts: Counts
    rows: int
    errors_file: Path | None = None
    error_rows: int = 0
    error_codes: dict[str, int] = field(default_factory=dict)
    already_imported: bool = False
    resumed: bool = False
    rolled_back: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
