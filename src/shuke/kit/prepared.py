"""The statements that sales run most, sent straight over libpq as prepared statements.

A cursor costs more Python than the rest of a round trip: query conversion, adaptation, the bookkeeping of results. What a
till waits for on every sale skips it. Errors are Django's, as from a cursor; the connection and its transaction are, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Connection, OperationalError, errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

_READY = "shuke_prepared"
"""The attribute of a psycopg connection that remembers the statements its server session has, each with the transformer
that knows how to write its parameters and read its row: finding that out again would cost as much as the round trip."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`text` with $1, $2 … cast to their types; `formats` one letter per parameter: t(ext), or b(inary) for bytes."""

    name: str
    text: str
    formats: str

    def row(self, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """Run it and return its one row. Raises django.db errors, as a cursor would."""
        found = self.rows(parameters)
        return found[0] if found else ()

    def rows(self, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run it and return its rows. Raises django.db errors, as a cursor would."""
        own = connections[DEFAULT_DB_ALIAS]
        with own.wrap_database_errors:
            own.ensure_connection()
            raw = cast("Connection[Any]", own.connection)
            if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                _begin(raw)
            transformer = _ready(raw).get(self.name) or self._prepare(raw)
            given: Any = transformer.dump_sequence(parameters, _FORMATS[self.formats])
            result = raw.pgconn.exec_prepared(self.name.encode(), given, transformer.formats)
            if result.status != ExecStatus.TUPLES_OK:
                raise _error(raw, result)
            transformer.set_pgresult(result)
            rows: list[tuple[Any, ...]] = transformer.load_rows(0, result.ntuples, tuple)
            return rows

    def _prepare(self, raw: Connection[Any]) -> Any:
        done = raw.pgconn.prepare(self.name.encode(), self.text.encode())
        if done.status != ExecStatus.COMMAND_OK:
            raise _error(raw, done)
        _FORMATS.setdefault(
            self.formats, [PyFormat.BINARY if letter == "b" else PyFormat.TEXT for letter in self.formats]
        )
        transformer = _ready(raw)[self.name] = Transformer(raw)
        return transformer


_FORMATS: dict[str, list[PyFormat]] = {}


def _ready(raw: Connection[Any]) -> dict[str, Any]:
    ready: dict[str, Any] | None = raw.__dict__.get(_READY)
    if ready is None:
        ready = raw.__dict__[_READY] = {}
        _follow_deallocation(raw, ready)
    return ready


def _begin(raw: Connection[Any]) -> None:
    """A cursor would open the transaction that its connection is to be in; nobody else does it for us."""
    result = raw.pgconn.exec_(b"BEGIN")
    if result.status != ExecStatus.COMMAND_OK:
        raise _error(raw, result)


def _follow_deallocation(raw: Any, ready: dict[str, Any]) -> None:
    """After a rollback psycopg drops every prepared statement of the session, with its own also ours: prepare anew then."""
    deallocate = raw._deallocate

    def followed(name: bytes | None) -> Any:
        if name is None:
            ready.clear()
        return deallocate(name)

    raw._deallocate = followed


def _error(raw: Connection[Any], result: PGresult) -> Exception:
    if raw.pgconn.status == ConnStatus.BAD:
        return OperationalError(raw.pgconn.error_message.decode(errors="replace"))
    return errors.error_from_result(result)
