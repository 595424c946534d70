"""The audit log: what is written, what the database refuses, what verification finds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy

from shuke.core.audit_hash import row_hash
from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent, AuditSeal, OutboxEvent
from shuke.core.operations import publish_event, record_audit, seal_audit
from shuke.core.queries import AuditFilters, list_audit, verify_audit
from shuke.core.requests import request_id
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from tests.core.races import settle
from tests.factories.core import NOW, make_staff

STORE = uuid7()


def write(count: int = 1, **kwargs: object) -> list[AuditEvent]:
    values = {"actor": SYSTEM, "action": "test.acted.v1", "now": NOW, **kwargs}
    return [record_audit(**values) for _ in range(count)]  # type: ignore[arg-type]


def seal(*, limit: int = 50_000) -> AuditSeal | None:
    """Seal all that was written before."""
    settle()
    return seal_audit(now=NOW, limit=limit)


def sql(statement: str, *parameters: object) -> None:
    """Run a statement as somebody who has switched the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE core_auditseal DISABLE TRIGGER USER")
        cursor.execute(statement, parameters)
        cursor.execute("ALTER TABLE core_auditevent ENABLE TRIGGER USER")
        cursor.execute("ALTER TABLE core_auditseal ENABLE TRIGGER USER")


@pytest.mark.django_db
def test_row_keeps_everything_and_its_hash_covers_what_was_stored() -> None:
    actor = Actor("staff", uuid7(), "li.na", False, frozenset({STORE}))
    member = uuid7()
    with request_id("pos-7-000123"):
        written = record_audit(
            actor=actor,
            action="members.profile_unmasked.v1",
            now=datetime(2026, 11, 21, 12, 30, 0, 123456, tzinfo=UTC),
            object_type="member",
            object_id=member,
            store_id=STORE,
            reason="客户来电核对",
            data={
                "fields": ("phone", "name"),
                "stores": {STORE},
                "at": NOW,
                "day": date(2026, 1, 2),
                "amount": Decimal("1.50"),
                "label": gettext_lazy("Owner"),
                "count": 3,
                "none": None,
                "yes": True,
            },
        )
    row = AuditEvent.objects.get()
    assert row.id == written.id
    assert (row.actor_kind, row.actor_id, row.actor_name) == ("staff", actor.id, "li.na")
    assert (row.object_type, row.object_id, row.store_id) == ("member", str(member), STORE)
    assert row.request_id == "pos-7-000123"
    assert row.data["fields"] == ["phone", "name"] and row.data["amount"] == "1.50"
    assert row.data["stores"] == [str(STORE)] and row.data["day"] == "2026-01-02"
    assert bytes(row.hash) == row_hash(row) == bytes(written.hash)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "data",
    [{"price": 1.5}, {"who": object()}, {"nested": [{"x": float("nan")}]}],
    ids=["float", "object", "nan"],
)
def test_data_that_json_would_change_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        write(data=data)


@pytest.mark.django_db
def test_overlong_reason_is_refused_not_cut() -> None:
    with pytest.raises(InvalidInput) as refusal:
        write(reason="x" * 301)
    assert refusal.value.field == "reason"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_auditevent SET reason = 'x'",
        "DELETE FROM core_auditevent",
        "TRUNCATE core_auditevent",
        "UPDATE core_auditseal SET rows = 0",
        "DELETE FROM core_auditseal",
        "TRUNCATE core_auditseal",
        "UPDATE core_outboxevent SET name = 'x'",
    ],
)
def test_database_refuses_to_change_history(statement: str) -> None:
    write()
    AuditSeal.objects.create(
        number=1, sealed_at=NOW, after_txid=0, through_txid=1, rows=0, root=b"", previous=b"", hash=b""
    )
    publish_event(name="test.happened.v1", member_id=None, occurred_at=NOW, payload={})
    with (
        pytest.raises(IntegrityError, match="rows are history"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEvent.objects.count() == AuditSeal.objects.count() == OutboxEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_sealing_covers_committed_rows_once_and_continues_the_chain() -> None:
    assert seal() is None
    write(3)
    first = seal()
    assert first is not None and (first.number, first.rows) == (1, 3)
    assert seal() is None
    write(2)
    second = seal()
    assert second is not None and (second.number, second.rows) == (2, 2)
    assert bytes(second.previous) == bytes(first.hash) and second.after_txid == first.through_txid
    hashes = [bytes(row.hash) for row in AuditEvent.objects.order_by("txid", "id")[:3]]
    assert bytes(first.root) == hashlib.sha256(b"".join(hashes)).digest()
    write(1)
    result = verify_audit()
    assert result.ok
    assert (result.seals, result.sealed_rows, result.unsealed_rows) == (2, 5, 1)
    assert result.head == f"2:{bytes(second.hash).hex()}"


@pytest.mark.django_db(transaction=True)
def test_sealing_in_portions_never_splits_a_transaction() -> None:
    for size in (2, 5, 1):
        with transaction.atomic():
            write(size)
    seals = []
    while (portion := seal(limit=3)) is not None:
        seals.append(portion.rows)
    assert seals == [7, 1]
    assert verify_audit().ok


@pytest.mark.django_db(transaction=True)
def test_empty_log_verifies() -> None:
    result = verify_audit()
    assert result.ok and result.head == "0:"


CHANGES = {
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "actor_kind": "'key'",
    "actor_id": "gen_random_uuid()",
    "actor_name": "'someone'",
    "action": "'test.other.v1'",
    "object_type": "'member'",
    "object_id": "'7'",
    "store_id": "gen_random_uuid()",
    "reason": "'because'",
    "data": """'{"points": 2}'::jsonb""",
    "request_id": "'another-1'",
    "id": "gen_random_uuid()",
    "hash": "sha256('x')",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
def test_any_altered_column_is_found_at_its_row(column: str, sealed: bool) -> None:
    rows = write(5, data={"points": 1})
    if sealed:
        assert seal()
    sql(f"UPDATE core_auditevent SET {column} = {CHANGES[column]} WHERE id = %s", rows[2].id)
    difference = verify_audit().difference
    assert difference is not None and difference.kind == "row_altered"
    assert difference.seal == (1 if sealed else None)
    if column != "id":
        assert difference.row_id == rows[2].id and str(rows[2].id) in difference.detail


@pytest.mark.django_db(transaction=True)
def test_every_column_is_covered() -> None:
    columns = {field.column for field in AuditEvent._meta.concrete_fields}
    assert columns == set(CHANGES) | {"txid"}


def _delete_one(rows: list[AuditEvent]) -> None:
    sql("DELETE FROM core_auditevent WHERE id = %s", rows[2].id)


def _forge_one(rows: list[AuditEvent]) -> None:
    sql(
        "INSERT INTO core_auditevent SELECT gen_random_uuid(), occurred_at, actor_kind, actor_id, actor_name, action, "
        "object_type, object_id, store_id, reason, data, request_id, hash, txid FROM core_auditevent WHERE id = %s",
        rows[2].id,
    )


def _move_one(rows: list[AuditEvent]) -> None:
    sql("UPDATE core_auditevent SET txid = %s WHERE id = %s", rows[0].txid, rows[2].id)


def _recompute_hash_without_key(rows: list[AuditEvent]) -> None:
    sql("UPDATE core_auditevent SET reason = 'x', hash = sha256(hash) WHERE id = %s", rows[2].id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_delete_one, "rows_missing"),
        (_forge_one, "row_altered"),
        (_move_one, "row_altered"),
        (_recompute_hash_without_key, "row_altered"),
    ],
)
def test_removed_added_moved_and_forged_rows_are_found(
    change: Callable[[list[AuditEvent]], None], kind: str
) -> None:
    rows = write(3)
    seal()
    rows += write(3)
    seal()
    change(rows)
    difference = verify_audit().difference
    assert difference is not None and (difference.kind, difference.seal) == (kind, 1)


@pytest.mark.django_db(transaction=True)
def test_row_with_a_good_hash_brought_into_a_sealed_range_is_found() -> None:
    """Somebody who can make the application write a row cannot slip it into the past."""
    with transaction.atomic():
        rows = write(3)
    seal()
    [late] = write(1)
    sql("DELETE FROM core_auditevent WHERE id = %s", rows[1].id)
    assert row_hash(late) == bytes(late.hash)
    late.txid = rows[0].txid
    sql("UPDATE core_auditevent SET txid = %s, hash = %s WHERE id = %s", late.txid, row_hash(late), late.id)
    difference = verify_audit().difference
    assert difference is not None and (difference.kind, difference.seal) == ("rows_exchanged", 1)


@pytest.mark.django_db(transaction=True)
def test_row_added_to_a_sealed_range_is_found_even_with_the_key() -> None:
    rows = write(3)
    seal()
    [late] = write(1)
    late.txid = rows[1].txid
    sql("UPDATE core_auditevent SET txid = %s, hash = %s WHERE id = %s", late.txid, row_hash(late), late.id)
    difference = verify_audit().difference
    assert difference is not None and (difference.kind, difference.seal) == ("rows_added", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "kind", "number"),
    [
        ("UPDATE core_auditseal SET rows = 1 WHERE number = 2", "seal_altered", 2),
        ("UPDATE core_auditseal SET root = sha256('x') WHERE number = 2", "seal_altered", 2),
        ("UPDATE core_auditseal SET previous = sha256('x') WHERE number = 2", "seal_altered", 2),
        ("UPDATE core_auditseal SET hash = sha256('x') WHERE number = 1", "seal_altered", 1),
        ("UPDATE core_auditseal SET sealed_at = now() WHERE number = 3", "seal_altered", 3),
        ("UPDATE core_auditseal SET through_txid = through_txid + 9 WHERE number = 3", "seal_altered", 3),
        ("DELETE FROM core_auditseal WHERE number = 2", "seal_missing", 2),
        ("DELETE FROM core_auditseal WHERE number = 1", "seal_missing", 1),
    ],
)
def test_altered_or_missing_seal_is_found(statement: str, kind: str, number: int) -> None:
    for _ in range(3):
        write(2)
        seal()
    sql(statement)
    difference = verify_audit().difference
    assert difference is not None and (difference.kind, difference.seal) == (kind, number)


@pytest.mark.django_db(transaction=True)
def test_tail_cut_off_with_its_seals_is_found_by_a_head_noted_earlier() -> None:
    for _ in range(3):
        write(2)
        seal()
    head = verify_audit().head
    cut = AuditSeal.objects.get(number=2).through_txid
    sql("DELETE FROM core_auditevent WHERE txid > %s", cut)
    sql("DELETE FROM core_auditseal WHERE number = 3")
    assert verify_audit().ok, "the log alone cannot know"
    difference = verify_audit(expected_head=head).difference
    assert difference is not None and difference.kind == "head_missing"
    write(2)
    seal()
    difference = verify_audit(expected_head=head).difference
    assert difference is not None and (difference.kind, difference.seal) == ("head_missing", 3)


@pytest.mark.django_db(transaction=True)
def test_noted_head_still_holds_after_the_chain_grew() -> None:
    write(2)
    seal()
    head = verify_audit().head
    write(2)
    seal()
    assert verify_audit(expected_head=head).ok
    with pytest.raises(ValueError, match="looks like"):
        verify_audit(expected_head="yesterday")


@pytest.mark.django_db
def test_list_is_newest_first_filtered_and_paged(django_assert_num_queries: Callable[..., object]) -> None:
    staff = make_staff()
    theirs = write(3, actor=staff.as_actor(), action="core.thing_done.v1", object_type="thing", object_id="7")
    others = write(4, store_id=STORE)
    assert [row.id for row in list_audit().events] == [row.id for row in reversed(theirs + others)]
    assert len(list_audit(AuditFilters(actor_id=staff.id)).events) == 3
    assert len(list_audit(AuditFilters(action="core.")).events) == 3
    assert len(list_audit(AuditFilters(store_id=STORE)).events) == 4
    assert len(list_audit(AuditFilters(object_type="thing", object_id="7", until=NOW)).events) == 0
    seen: list[UUID] = []
    cursor = None
    while True:
        with django_assert_num_queries(1):
            page = list_audit(cursor=cursor, limit=3)
        seen += [row.id for row in page.events]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [row.id for row in reversed(theirs + others)]
