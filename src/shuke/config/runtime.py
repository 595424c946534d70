"""What must stand before Django can be used: secrets, a keyset, a database. Every command begins here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID

import psycopg
from psycopg import sql

from shuke.config.environment import Environment, environment
from shuke.kit import postgres
from shuke.kit.crypto import Keyset, Undecipherable, ensure_keyset

SETTINGS_MODULE = "shuke.config.settings"
OLDEST_SERVER = 150000
CONNECT_SECONDS = 10


class RuntimeProblem(RuntimeError):
    """The database or the keys cannot be used; the message says why and what to do."""


class KeysetProblem(RuntimeProblem):
    """The keyset is missing, damaged, or another one than this database was written with."""


def called_as() -> str:
    """What the user typed for `shuke`: its path, unless the name alone finds it, so that what we print can be typed."""
    typed = sys.argv[0]
    if Path(typed).name != "shuke":
        return "shuke"
    found = shutil.which("shuke")
    if found and Path(found).resolve() == Path(typed).resolve():
        return "shuke"
    here = Path.cwd()
    return str(Path(typed).relative_to(here)) if Path(typed).is_relative_to(here) else typed


def say_on_stderr(text: str) -> None:
    """Progress goes beside the output, which may be read by a program."""
    print(text, file=sys.stderr, flush=True)


def database_ready(*, say: Callable[[str], None] = say_on_stderr) -> postgres.Server | None:
    """Make sure there is a database: the one of DATABASE_URL (None returned), or the embedded server.

    The embedded server's address is put into DATABASE_URL of this process, so that Django and the processes
    started from here use it; it stays up at least as long as this process.

    :raises shuke.kit.postgres.PostgresProblem: when the embedded server cannot start.
    """
    env = environment()
    if env.database_url is not None:
        return None
    server = postgres.ensure_running(env.home, port=env.postgres_port, say=say)
    os.environ["DATABASE_URL"] = server.dsn
    environment.cache_clear()
    return server


def django_ready(*, with_database: bool = True, say: Callable[[str], None] = say_on_stderr) -> Environment:
    """Set Django up, with its database running unless ``with_database`` is False (help texts need none).

    :raises RuntimeProblem: when the database cannot be used, or its members' keys are missing.
    """
    if with_database:
        database_ready(say=say)
        _check_database(environment())
        _ensure_keyset(environment())
    env = environment()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
    import django

    django.setup()
    return env


def _check_database(env: Environment) -> None:
    """Refuse a database that cannot be reached or is too old, before anything is half done with it."""
    with _connection(env) as connection:
        version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise RuntimeProblem(
            f"The server of DATABASE_URL is PostgreSQL {version // 10000}; 15 or newer is needed. Upgrade it, or "
            "unset DATABASE_URL for the embedded server."
        )


def _ensure_keyset(env: Environment) -> None:
    """Make the keyset on first start, but never beside data of another one: those would be unreadable.

    A keyset that is there must open the newest member, and its index key must be the one whose mark the database keeps:
    with a wrong one, new members would be written under keys that the old ones do not know, and nobody could be found again.
    """
    with _connection(env) as connection:
        newest = _newest_data_key(connection)
        indexed = newest is not None or _has_rows(connection, "checkout_giftcard")
    if not env.keyset_path.exists():
        if newest is not None:
            raise KeysetProblem(
                f"{env.keyset_path} is missing, but the database holds members encrypted with it. "
                "Copy it from your other machine or from the backup of the secrets folder."
            )
        ensure_keyset(env.keyset_path)
    try:
        keyset = Keyset.loads(env.keyset_path.read_text(encoding="utf-8"))
        if newest is not None:
            member_id, wrapped = newest
            keyset.unwrap(wrapped, member_id.bytes)
        with _connection(env) as connection:
            fits = _index_key_fits(connection, keyset.index_mark(), indexed=indexed)
    except (ValueError, Undecipherable) as error:
        raise KeysetProblem(
            f"{env.keyset_path} does not fit this database: {error}. "
            "Restore the file from the backup of the secrets folder, or point DATABASE_URL to its own database."
        ) from error
    if not fits:
        raise KeysetProblem(
            f"{env.keyset_path} does not fit this database: its index_key is another one than members, cards and gift "
            "cards were indexed with, so none of them would be found. Restore the file from the backup of the secrets folder."
        )


def _index_key_fits(
    connection: psycopg.Connection[tuple[object, ...]], mark: bytes, *, indexed: bool
) -> bool:
    """Compare with the mark in the database. Before anything was indexed, and on the first start of a release that keeps
    it, the mark is written down."""
    table = connection.execute("SELECT to_regclass('core_keysetmark')").fetchone()
    if table is None or table[0] is None:
        return True  # the migrations come next
    write = "INSERT INTO core_keysetmark (id, mark) VALUES (1, %s) ON CONFLICT (id) DO "
    connection.execute(
        write
        + (
            "NOTHING"
            if indexed
            else "UPDATE SET mark = excluded.mark WHERE core_keysetmark.mark <> excluded.mark"
        ),
        [mark],
    )
    row = connection.execute("SELECT mark FROM core_keysetmark WHERE id = 1").fetchone()
    return row is not None and bytes(cast("bytes", row[0])) == mark


def _has_rows(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bool:
    found = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if found is None or found[0] is None:
        return False
    query = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))
    return connection.execute(query).fetchone() is not None


def _newest_data_key(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[UUID, bytes] | None:
    table = connection.execute("SELECT to_regclass('members_datakey')").fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute(
        "SELECT member_id, wrapped FROM members_datakey ORDER BY member_id DESC LIMIT 1"
    ).fetchone()
    return cast("tuple[UUID, bytes] | None", row)


def _connection(env: Environment) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(env.database_url or "", connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise RuntimeProblem(
            f"The database cannot be reached: {str(error).strip()}\nCheck DATABASE_URL and that server, or unset it "
            "for the embedded server."
        ) from error
