"""Prepared statements of the hot path behave like a cursor's: values, errors, transactions, broken connections."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, DataError, OperationalError, connection, transaction
from psycopg.pq import ConnStatus, ExecStatus

from shuke.kit import prepared
from shuke.kit.connection import is_database_away
from shuke.kit.prepared import Statement

ECHO = Statement(
    "test_echo",
    "SELECT $1::uuid, $2::text, $3::bytea, $4::boolean, $5::text[], $6::timestamptz, $7::bigint",
    "ttbtttt",
)
DIVIDE = Statement("test_divide", "SELECT 10 / $1::bigint", "t")
pytestmark = pytest.mark.django_db


def test_values_come_back_as_they_went() -> None:
    values = (
        uuid4(),
        '含 "引号", 反斜杠\\ und {}',
        b"\x00\xff",
        True,
        ["a,b", 'c"d', "e\\f", ""],
        datetime(2026, 3, 1, 8, tzinfo=UTC),
        2**60,
    )
    assert ECHO.row(values) == values
    assert ECHO.row([None] * 7) == (None,) * 7
    assert ECHO.row(values) == values


def test_an_error_is_django_s_and_leaves_the_statement_usable() -> None:
    with pytest.raises(DataError), transaction.atomic():
        DIVIDE.row([0])
    assert DIVIDE.row([5]) == (2,)


def test_what_no_server_said_means_that_the_database_is_away() -> None:
    """Its last words were read, and sending failed, before the connection counts as bad."""
    connection.ensure_connection()
    raw = connection.connection
    assert raw is not None and raw.pgconn.status == ConnStatus.OK
    with pytest.raises(DatabaseError) as told, connection.wrap_database_errors:
        raise prepared._error(raw, raw.pgconn.make_empty_result(ExecStatus.FATAL_ERROR))
    assert is_database_away(told.value)
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        DIVIDE.row([0])
    assert not is_database_away(refused.value)


@pytest.mark.django_db(transaction=True)
def test_a_rollback_that_drops_prepared_statements_is_survived() -> None:
    for _ in range(
        6
    ):  # enough for psycopg to prepare a statement of its own, which a rollback then drops with all others
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert DIVIDE.row([5]) == (2,)
    for _ in range(3):
        with transaction.atomic():
            transaction.set_rollback(True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 2")
            cursor.execute("SELECT 3")
        assert DIVIDE.row([5]) == (2,)
        assert ECHO.row([UUID(int=1), "", b"", False, [], None, 0])[0] == UUID(int=1)


@pytest.mark.django_db(transaction=True)
def test_a_broken_connection_is_an_operational_error_and_a_fresh_one_works() -> None:
    assert DIVIDE.row([5]) == (2,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    import psycopg

    with psycopg.connect(
        connection.connection.info.dsn, password=connection.connection.info.password
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(OperationalError):
        DIVIDE.row([5])
    connection.close()
    assert DIVIDE.row([5]) == (2,)


@pytest.mark.django_db(transaction=True)
def test_as_the_first_statement_of_a_transaction_it_opens_it() -> None:
    keep = Statement("test_keep", "SELECT set_config('shuke.kept', $1::text, true)", "t")
    read = Statement("test_read", "SELECT current_setting('shuke.kept', true)", "")
    with transaction.atomic():
        keep.row(["within"])
        assert read.row([]) == ("within",)
    assert read.row([])[0] in (None, "")
