"""A look at every member under a draft that was asked for: how far it has come, and the report in the end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

from shuke.kit.ids import uuid7

SILENT = timedelta(minutes=5)
"""A job tells of itself every few seconds. One that did not for so long was killed, or never began."""


class ImpactStatus(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ImpactRun(models.Model):
    """`digest` is the draft's; `against` the number of the version that it is held against; `days` of sales tell the cost."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.TextField()
    digest = models.CharField(max_length=64)
    against = models.PositiveIntegerField()
    days = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=ImpactStatus.choices, default=ImpactStatus.WAITING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    report = models.JSONField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    """The last sign of life of the job; null: it has not begun."""
    ended_at = models.DateTimeField(null=True)
    asked_by = models.CharField(max_length=150)

    class Meta:
        indexes = [models.Index(fields=["digest", "-asked_at"], name="checkout_impact_draft")]

    @property
    def is_open(self) -> bool:
        """True while it waits or runs."""
        return self.status in (ImpactStatus.WAITING, ImpactStatus.RUNNING)

    def is_silent(self, now: datetime) -> bool:
        """True when it is open and nobody has worked on it for so long that nobody will."""
        return self.is_open and (self.seen_at or self.asked_at) <= now - SILENT

    @property
    def percent(self) -> int:
        """How far it has come."""
        return min(self.done * 100 // self.total, 100) if self.total else 0
