"""A database of its own for a run, on the same server: made, migrated, used, dropped. The shop's own is never touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, connection

from shuke.catalog.operations import ensure_first_channels
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.loyalty.queries import forget_versions

PREFIX = "shuke_scenarios_"
_LOCK = 0x5CE4_0001


class NoSandbox(ShukeError):
    code = "no_sandbox"
    status = 503
    message = "No database can be made for the scenarios: %(why)s The role of DATABASE_URL needs CREATEDB."


@contextmanager
def throw_away_database() -> Iterator[None]:
    """Inside, Django's connection leads to a fresh, migrated database; afterwards it is dropped.

    Databases that killed runs left behind are dropped, too. Raises NoSandbox.
    """
    guard = connection.copy()
    name = f"{PREFIX}{os.getpid()}_{uuid7().hex[-8:]}"
    before = connection.settings_dict["NAME"]
    try:
        with guard.cursor() as cursor:
            # Held until we are connected to our own, so that a rival's sweep does not take it for left over.
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            _sweep(cursor)
            cursor.execute(f'CREATE DATABASE "{name}"')
        try:
            _lead_to(name)
            with guard.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
            call_command("migrate", interactive=False, verbosity=0)
            ensure_first_channels()
            yield
        finally:
            _lead_to(before, connect=False)
            with guard.cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    except DatabaseError as error:
        raise NoSandbox(why=str(error).strip().splitlines()[0]) from error
    finally:
        guard.close()


def _lead_to(name: str, *, connect: bool = True) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name
    forget_versions()
    if connect:
        connection.ensure_connection()


def _sweep(cursor: Any) -> None:
    cursor.execute(
        "SELECT datname FROM pg_database d WHERE datname LIKE %s AND pg_get_userbyid(datdba) = current_user"
        " AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid)",
        [PREFIX.replace("_", "\\_") + "%"],
    )
    for (left_over,) in cursor.fetchall():
        cursor.execute(f'DROP DATABASE IF EXISTS "{left_over}"')
