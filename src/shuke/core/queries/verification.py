"""Prove that the audit log is what was written: every row's hash, every seal, the chain of seals.

Found: a row altered, added, removed, or moved to another transaction inside a sealed range; a seal altered,
removed or added; a row forged without the keyset, sealed or not. Not found by the log alone: the removal of
rows that are not sealed yet, and a tail cut off together with its seals. Against the latter, give the head
that an earlier verification (or the log line of the sealing job) named: it must still be in the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import connection, transaction

from shuke.core.audit_hash import NO_SEAL, row_hash, seal_hash
from shuke.core.models import AuditEvent, AuditSeal

Kind = Literal[
    "row_altered",
    "rows_missing",
    "rows_added",
    "rows_exchanged",
    "seal_altered",
    "seal_missing",
    "head_missing",
]

_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as it was written: in which seal (None: not sealed yet), at which row, and
    what.
    """

    kind: Kind
    seal: int | None
    row_id: UUID | None
    detail: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The outcome. `head` is "<number>:<hash>" of the last good seal, worth keeping outside the database."""

    seals: int
    sealed_rows: int
    unsealed_rows: int
    head: str
    difference: Difference | None

    @property
    def ok(self) -> bool:
        return self.difference is None


class _Found(Exception):
    def __init__(self, difference: Difference) -> None:
        self.difference = difference


def verify_audit(*, expected_head: str | None = None) -> VerifyResult:
    """Recompute everything, from the first row to the last, in one snapshot; stops at the first difference.

    `expected_head` is a head noted earlier, as "<number>:<hash>". Raises ValueError when it is malformed.
    """
    expected = _parsed_head(expected_head) if expected_head else None
    count = {"seals": 0, "sealed": 0, "unsealed": 0}
    head = "0:"
    difference: Difference | None = None
    with _one_snapshot():
        rows = _Rows()
        previous: AuditSeal | None = None
        try:
            for seal in AuditSeal.objects.order_by("number").iterator(chunk_size=_CHUNK):
                _check_link(seal, previous)
                count["sealed"] += _check_rows(seal, rows)
                count["seals"] += 1
                head = f"{seal.number}:{bytes(seal.hash).hex()}"
                if expected and expected[0] == seal.number and expected[1] != bytes(seal.hash).hex():
                    raise _Found(
                        Difference(
                            "head_missing", seal.number, None, "another seal stands where the noted head was"
                        )
                    )
                previous = seal
            if expected and count["seals"] < expected[0]:
                detail = (
                    f"the chain ends at seal {count['seals']}, but {expected[0]} was noted: the tail is gone"
                )
                raise _Found(Difference("head_missing", None, None, detail))
            for event in rows:
                _check_row(event, None)
                count["unsealed"] += 1
        except _Found as found:
            difference = found.difference
        finally:
            rows.close()
    return VerifyResult(count["seals"], count["sealed"], count["unsealed"], head, difference)


class _Rows:
    """All rows in (txid, id) order, with a look at the next one."""

    def __init__(self) -> None:
        self._source = iter(AuditEvent.objects.order_by("txid", "id").iterator(chunk_size=_CHUNK))
        self._next: AuditEvent | None = next(self._source, None)

    def through(self, txid: int) -> Iterator[AuditEvent]:
        while self._next is not None and self._next.txid <= txid:
            event, self._next = self._next, next(self._source, None)
            yield event

    def __iter__(self) -> Iterator[AuditEvent]:
        while self._next is not None:
            event, self._next = self._next, next(self._source, None)
            yield event

    def close(self) -> None:
        source: Any = self._source
        if hasattr(source, "close"):
            source.close()


def _check_link(seal: AuditSeal, previous: AuditSeal | None) -> None:
    number, expected_after = (previous.number + 1, previous.through_txid) if previous else (1, 0)
    if seal.number != number:
        raise _Found(
            Difference(
                "seal_missing", number, None, f"seal {number} is not there; the next one is {seal.number}"
            )
        )
    expected_previous = bytes(previous.hash) if previous else NO_SEAL
    if bytes(seal.hash) != seal_hash(seal):
        raise _Found(
            Difference("seal_altered", number, None, f"the hash of seal {number} does not cover its columns")
        )
    if bytes(seal.previous) != expected_previous or seal.after_txid != expected_after:
        raise _Found(
            Difference("seal_altered", number, None, f"seal {number} does not continue seal {number - 1}")
        )


def _check_rows(seal: AuditSeal, rows: _Rows) -> int:
    root, found, last = hashlib.sha256(), 0, None
    for event in rows.through(seal.through_txid):
        _check_row(event, seal.number)
        if event.txid <= seal.after_txid:
            raise _Found(
                Difference(
                    "rows_added", seal.number, event.id, f"row {event.id} stands before the first seal"
                )
            )
        root.update(bytes(event.hash))
        found, last = found + 1, event.id
    where = f"transactions {seal.after_txid + 1} to {seal.through_txid}"
    if found < seal.rows:
        detail = f"{seal.rows - found} of {seal.rows} rows of seal {seal.number} are gone ({where})"
        raise _Found(Difference("rows_missing", seal.number, None, detail))
    if found > seal.rows:
        detail = f"{found - seal.rows} rows were added to the {seal.rows} of seal {seal.number} ({where})"
        raise _Found(Difference("rows_added", seal.number, None, detail))
    if root.digest() != bytes(seal.root):
        detail = f"rows of seal {seal.number} were exchanged for others ({where})"
        raise _Found(Difference("rows_exchanged", seal.number, last, detail))
    return found


def _check_row(event: AuditEvent, seal: int | None) -> None:
    if bytes(event.hash) != row_hash(event):
        place = f"in seal {seal}" if seal else "not sealed yet"
        written = f"{event.action}, {event.occurred_at.isoformat()}"
        detail = f"row {event.id} ({written}, {place}) is not what was written"
        raise _Found(Difference("row_altered", seal, event.id, detail))


def _parsed_head(text: str) -> tuple[int, str]:
    number, _colon, digest = text.partition(":")
    if not number.isdigit() or not digest or set(digest.lower()) - set("0123456789abcdef"):
        raise ValueError("a head looks like 17:9f86d081884c7d65…")
    return int(number), digest.lower()


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """A repeatable-read, read-only transaction, so that sealing meanwhile does not confuse; inside another
    transaction (which cannot change its level any more) that one's statements are used as they are."""
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
