"""Every table keyed to a member says what merging, erasing, exporting and time mean for it."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, models

from shuke.core.lifecycle import (
    MEMBER_COLUMNS,
    Erase,
    Export,
    MemberTable,
    Merge,
    Retention,
    declared,
    keyed_to_member,
)


def _ours() -> dict[str, tuple[str, ...]]:
    """Tables of this project keyed to a member, and their key columns, out of the models."""
    found = {
        model._meta.db_table: keyed_to_member(model)
        for model in apps.get_models()
        if model.__module__.startswith("shuke.")
    }
    return {table: key for table, key in found.items() if key}


def test_every_table_keyed_to_a_member_is_declared_with_its_key() -> None:
    keyed, told = _ours(), declared()
    assert {table: key for table, key in keyed.items() if table not in told} == {}, (
        "say in the room's lifecycle.py what merge, erase, export and retention mean for these tables"
    )
    assert set(told) - set(keyed) == set(), "declared, but no table of that name is keyed to a member"
    assert {table: (each.key, keyed[table]) for table, each in told.items() if each.key != keyed[table]} == {}


@pytest.mark.django_db
def test_no_table_of_the_database_is_forgotten_because_no_model_knows_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT table_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND column_name = ANY(%s)",
            [sorted(MEMBER_COLUMNS)],
        )
        tables = {name for (name,) in cursor.fetchall()}
    assert tables - set(declared()) == set()


def test_a_forgotten_table_is_seen() -> None:
    """The look at the models can fail: by a foreign key of another name as well as by a bare column."""

    class Loose(models.Model):
        holder_id = models.UUIDField()

        class Meta:
            app_label = "sites"
            managed = False

    class Named(models.Model):
        invited_by = models.ForeignKey("members.Member", on_delete=models.CASCADE)

        class Meta:
            app_label = "sites"
            managed = False

    try:
        assert keyed_to_member(Loose) == ("holder_id",)
        assert keyed_to_member(Named) == ("invited_by_id",)
    finally:
        for name in ("loose", "named"):
            del apps.all_models["sites"][name]
        apps.clear_cache()


def test_two_rooms_cannot_declare_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from shuke.ledger import lifecycle

    twice = MemberTable(
        table="members_member",
        key=("id",),
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    )
    monkeypatch.setattr(lifecycle, "TABLES", (*lifecycle.TABLES, twice))
    with pytest.raises(ValueError, match="members_member"):
        declared()


def test_what_is_destroyed_with_the_person() -> None:
    """The rows that say who somebody is go; those that the books need stay."""
    gone = {table for table, each in declared().items() if each.erase is Erase.DELETE}
    assert {"members_datakey", "members_identifier", "members_searchtoken"} <= gone
    books = {table for table, each in declared().items() if each.retention is Retention.BOOKS}
    assert {"ledger_entry", "checkout_order", "checkout_refund"} <= books
    assert not gone & books
