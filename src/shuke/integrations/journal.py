"""The import journal. A chunk's row is claimed first in the chunk's own transaction, so a chunk is written once, ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from shuke.core.operations import publish_event, record_audit
from shuke.core.values import SYSTEM
from shuke.integrations.errors import ImportRunning
from shuke.integrations.models import ImportChunk, ImportRun, RunStatus
from shuke.integrations.values import COUNT_NAMES, Counts, Kind, RowRefusal
from shuke.kit.ids import uuid7

ORDERS_IMPORTED = "checkout.orders_imported.v1"
FINISHED = "integrations.import_finished.v1"


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def find_run(*, kind: Kind, file_digest: bytes, mapping_digest: bytes) -> ImportRun | None:
    """The newest run of this file under this mapping that is done or was interrupted."""
    return (
        ImportRun.objects.filter(kind=kind, file_digest=file_digest, mapping_digest=mapping_digest)
        .exclude(status=RunStatus.ABANDONED)
        .order_by("-started_at", "-id")
        .first()
    )


def start_run(
    *, kind: Kind, file_name: str, file_digest: bytes, mapping_digest: bytes, now: datetime
) -> ImportRun:
    """Open a run. An interrupted one of the same file is given up, so that one at most is open.

    Raises ImportRunning when another process has just opened one, too.
    """
    try:
        with transaction.atomic():
            ImportRun.objects.filter(
                kind=kind, file_digest=file_digest, mapping_digest=mapping_digest, status=RunStatus.RUNNING
            ).update(status=RunStatus.ABANDONED, finished_at=now)
            return ImportRun.objects.create(
                id=uuid7(),
                kind=kind,
                file_name=file_name[:255],
                file_digest=file_digest,
                mapping_digest=mapping_digest,
                started_at=now,
            )
    except IntegrityError as error:
        if "integrations_one_running" not in str(error):
            raise
        raise ImportRunning from error


def claim_chunk(*, run_id: UUID, lane: int, number: int, now: datetime) -> bool:
    """Take a chunk within the transaction that writes it. False: it is written already.

    Two processes at one chunk wait for each other here, so the second sees what the first has committed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO integrations_importchunk (run_id, lane, number, committed_at, counts, refused)"
            " VALUES (%s, %s, %s, %s, '{}', '[]') ON CONFLICT DO NOTHING",
            [run_id, lane, number, now],
        )
        return bool(cursor.rowcount)


def close_chunk(
    *,
    run: ImportRun,
    lane: int,
    number: int,
    now: datetime,
    counts: Counts,
    refused: list[RowRefusal],
    data: dict[str, Any],
) -> None:
    """Write down what a chunk did, for the journal, the audit log and (orders) the outbox."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE integrations_importchunk SET counts = %s, refused = %s"
            " WHERE run_id = %s AND lane = %s AND number = %s",
            [
                json.dumps(counts.as_dict()),
                json.dumps([one.as_list() for one in refused]),
                run.id,
                lane,
                number,
            ],
        )
    facts = {
        "run_id": str(run.id),
        "kind": run.kind,
        "lane": lane,
        "chunk": number,
        **counts.as_dict(),
        **data,
    }
    record_audit(
        actor=SYSTEM,
        action="integrations.import_chunk",
        now=now,
        object_type="import_run",
        object_id=run.id,
        data=facts,
    )
    if run.kind == Kind.ORDERS and counts.imported:
        publish_event(name=ORDERS_IMPORTED, member_id=None, occurred_at=now, payload=facts)


def finish_run(*, run: ImportRun, rows: int, refused: int, now: datetime) -> Counts:
    """Close a run and return its whole figures. `refused` are those refused before anything was written."""
    with transaction.atomic():
        counts = counts_of(run.id)
        counts.refused += refused
        run.status = RunStatus.DONE
        run.finished_at = now
        run.rows = rows
        run.counts = counts.as_dict()
        run.save(update_fields=["status", "finished_at", "rows", "counts"])
        record_audit(
            actor=SYSTEM, action=FINISHED, now=now, object_type="import_run", object_id=run.id,
            data={"kind": run.kind, "rows": rows, **counts.as_dict()},
        )  # fmt: skip
    return counts


def counts_of(run_id: UUID) -> Counts:
    """The sum over the chunks that are committed."""
    total = Counts()
    for counts in ImportChunk.objects.filter(run_id=run_id).values_list("counts", flat=True):
        total.add(Counts(**{name: counts.get(name, 0) for name in COUNT_NAMES}))
    return total


def refusals_of(run_id: UUID) -> Iterator[RowRefusal]:
    """What the committed chunks refused, chunk by chunk; within a chunk by row."""
    chunks = ImportChunk.objects.filter(run_id=run_id).exclude(refused=[]).order_by("lane", "number")
    for refused in chunks.values_list("refused", flat=True).iterator(chunk_size=50):
        for row, field, code, reason in sorted(refused):
            yield RowRefusal(row, field, code, reason)


def chunks_done(run_id: UUID) -> set[tuple[int, int]]:
    """(lane, number) of the committed chunks."""
    return set(ImportChunk.objects.filter(run_id=run_id).values_list("lane", "number"))
