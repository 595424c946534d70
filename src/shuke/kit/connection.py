"""A database connection that broke while it lay idle heals at the first statement of the next request.

Django can ask the server before each request whether the connection still lives; that costs a round trip every time for
what happens once in months. A request whose first statement only reads can simply try again on a fresh connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

AWAY_CLASSES = ("08", "53")
"""SQLSTATE classes: connection exceptions; no resources (disk full, too many connections)."""
AWAY_STATES = ("57P01", "57P02", "57P03", "57P05")
"""Shut down, crashed, starting up or recovering, and idle too long."""


def trust_connection() -> None:
    """Do not ask the server whether this thread's connection lives before its next statement."""
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs lack it


def on_live_connection(read: Callable[[], T]) -> T:
    """The result of `read`; when the connection turns out to be dead, the result of a second try on a fresh one.

    `read` must change nothing. Raises what `read` raises, also when the database cannot be reached anew.
    """
    try:
        return read()
    except (DatabaseError, InterfaceError) as error:
        if not _may_be_away(error):
            raise
        unreachable = connection.connection is None
        if unreachable or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return read()


def _may_be_away(error: BaseException) -> bool:
    return isinstance(error, OperationalError | InterfaceError) or _is_of_no_server(error)


def _is_of_no_server(error: BaseException) -> bool:
    """True for what the client library says itself: every word of the server has a SQLSTATE, and so a class of its own.

    So it is told when a statement could not be sent while the last words of a dying server were still to be read.
    """
    return type(error.__cause__) is psycopg.DatabaseError and error.__cause__.sqlstate is None


_common: BaseDatabaseWrapper | None = None


@contextmanager
def on_common_connection() -> Iterator[None]:
    """Within the block this thread works on a connection that the process keeps beside those of its threads.

    For statements that one thread at a time sends for all: their plans and caches stay warm in one session of the server
    instead of growing cold in many. The caller sees to it that no two threads are here at once.
    """
    global _common
    common = _common
    if common is None:
        common = _common = connections.create_connection(DEFAULT_DB_ALIAS)
        common.inc_thread_sharing()
    own = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = common
    try:
        trust_connection()
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = own
        common.close_if_unusable_or_obsolete()


def close_common_connection() -> None:
    """Leave the server; the next use connects anew."""
    if _common is not None:
        _common.close()


def is_database_away(error: BaseException) -> bool:
    """True when the error says that the database cannot be used now, and not that a statement was at fault."""
    if not _may_be_away(error):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or ""
    if state in AWAY_STATES or state[:2] in AWAY_CLASSES or _is_of_no_server(error):
        return True
    return connection.connection is None or bool(connection.connection.closed)
