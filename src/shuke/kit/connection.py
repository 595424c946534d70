"""A database connection that broke while it lay idle heals at the first statement of the next request.

Django can ask the server before each request whether the connection still lives; that costs a round trip every time for
what happens once in months. A request whose first statement only reads can simply try again on a fresh connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

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
    except (OperationalError, InterfaceError):
        unreachable = connection.connection is None
        if unreachable or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return read()


def is_database_away(error: BaseException) -> bool:
    """True when the error says that the database cannot be used now, and not that a statement was at fault."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or ""
    if state in AWAY_STATES or state[:2] in AWAY_CLASSES:
        return True
    return connection.connection is None or bool(connection.connection.closed)
