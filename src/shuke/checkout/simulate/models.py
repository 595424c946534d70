"""A simulation that was asked for: the question, how far it has come, and the report in the end."""

from __future__ import annotations

from django.db import models

from shuke.kit.ids import uuid7


class SimulationStatus(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (SimulationStatus.WAITING, SimulationStatus.RUNNING)


class Simulation(models.Model):
    """`kept` is what an interrupted run goes on from; `report` is there when it is done."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.TextField()
    """The draft as it was handed in."""
    note = models.CharField(max_length=120, blank=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    against = models.PositiveIntegerField()
    """Number of the version that it is held against."""
    status = models.CharField(
        max_length=10, choices=SimulationStatus.choices, default=SimulationStatus.WAITING
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    kept = models.JSONField(null=True)
    report = models.JSONField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    asked_by = models.CharField(max_length=150)

    @property
    def is_open(self) -> bool:
        """True while it waits or runs."""
        return self.status in OPEN

    @property
    def percent(self) -> int:
        """How far it has come."""
        return min(self.done * 100 // self.total, 100) if self.total else 0
