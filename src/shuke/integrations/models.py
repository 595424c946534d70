"""The import journal: what was imported from which file, and how far an interrupted run came."""

from __future__ import annotations

from django.db import models

from shuke.kit.ids import uuid7


class RunStatus(models.TextChoices):
    RUNNING = "running"
    DONE = "done"
    ABANDONED = "abandoned"


class ImportRun(models.Model):
    """One file under one mapping. Figures are complete when `status` is done; before, the chunks tell them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10)
    file_name = models.CharField(max_length=255)
    file_digest = models.BinaryField()
    mapping_digest = models.BinaryField()
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    rows = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["kind", "file_digest", "-started_at"], name="integrations_run_file")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "file_digest", "mapping_digest"],
                condition=models.Q(status="running"),
                name="integrations_one_running",
            )
        ]


class ImportChunk(models.Model):
    """A part of a run that is committed: written in the transaction of its rows, so it is there exactly when they are."""

    pk = models.CompositePrimaryKey("run_id", "lane", "number")
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    lane = models.SmallIntegerField()
    number = models.IntegerField()
    committed_at = models.DateTimeField()
    counts = models.JSONField(default=dict)
    refused = models.JSONField(default=list)
    """[row, field, code, reason] of rows that were refused when they were written; never a value."""
