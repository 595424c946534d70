"""The lifecycle registry: what merging two members, erasing one, telling one and the passing of time mean for each table.

Every room that keeps rows about members says so in its own `lifecycle.py`, in a tuple `TABLES`; whoever merges, erases,
exports or deletes by age asks here instead of knowing all rooms. A test fails when a table keyed to a member lacks it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

from django.apps import apps
from django.db.models import Model
from django.utils.module_loading import module_has_submodule

MEMBER_COLUMNS = frozenset({"member_id", "holder_id", "buyer_id", "sender_id", "receiver_id"})
"""Names under which a column points at a member (or at another holder of a book)."""


class Merge(StrEnum):
    """What happens to the rows of the member who is merged into another."""

    MOVE = "move"
    """They become rows of the member who stays."""
    ADD_UP = "add_up"
    """Their figures are added to those of the member who stays, by transfers where they are money or points."""
    STAY = "stay"
    """History is not rewritten: they keep the old id, which leads to the member who stays."""
    DROP = "drop"
    """Of no use any more; the member who stays has their own."""
    REBUILD = "rebuild"
    """Derived rows: made anew from the others."""


class Erase(StrEnum):
    """What happens to the rows when the person is erased."""

    DELETE = "delete"
    KEEP = "keep"
    """Kept without the person: ids and figures that a law or the books need, and nothing that says who it was."""
    CLEAR = "clear"
    """The row stays, what says who it was goes."""
    REBUILD = "rebuild"


class Export(StrEnum):
    """Whether the rows belong into what a member is told about themselves."""

    TELL = "tell"
    WITH_PARENT = "with_parent"
    """Told as a part of another table's rows."""
    DERIVED = "derived"
    """Says nothing that the told rows do not say."""
    SECRET = "secret"  # noqa: S105  a kind of answer, not a password
    """Keys and indexes: telling them would weaken everybody."""


class Retention(StrEnum):
    """How long rows stay that nobody asks to erase."""

    MEMBERSHIP = "membership"
    """As long as the membership, and the limitation of claims after it."""
    BOOKS = "books"
    """As long as the law wants records of trade kept: at least three years after the sale (e-commerce law, article 31)."""
    SHORT = "short"
    """Deleted by a job within days."""
    DERIVED = "derived"
    """As long as what they are derived from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTable:
    """One table keyed to a member: `key` names the columns that point at one."""

    table: str
    key: tuple[str, ...] = ("member_id",)
    merge: Merge
    erase: Erase
    export: Export
    retention: Retention
    why: str = ""
    """What is not plain from the above."""


def declared() -> dict[str, MemberTable]:
    """Every declared table by name, out of the `lifecycle` modules of all rooms.

    Raises ValueError when two rooms declare the same table.
    """
    found: dict[str, MemberTable] = {}
    for config in apps.get_app_configs():
        if config.module is None or not module_has_submodule(config.module, "lifecycle"):
            continue
        tables: Iterable[MemberTable] = getattr(import_module(f"{config.name}.lifecycle"), "TABLES", ())
        for each in tables:
            if each.table in found:
                raise ValueError(f"The lifecycle of {each.table} is declared twice.")
            found[each.table] = each
    return found


def keyed_to_member(model: type[Model]) -> tuple[str, ...]:
    """The columns by which rows of this model belong to a member, whether the database checks the reference or not."""
    if model._meta.label_lower == "members.member":
        return ("id",)
    columns = list[str]()
    for field in model._meta.local_concrete_fields:
        related = field.related_model
        points = isinstance(related, type) and related._meta.label_lower == "members.member"
        if field.column and (points or field.column in MEMBER_COLUMNS):
            columns.append(field.column)
    return tuple(columns)


TABLES = (
    MemberTable(
        table="core_outboxevent",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.DERIVED,
        retention=Retention.SHORT,
        why="Ids and figures only; read events are deleted.",
    ),
)
