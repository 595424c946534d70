"""The reports' one job: every minute, what happened since."""

from __future__ import annotations

from shuke.analytics.operations import refresh
from shuke.kit import jobs
from shuke.kit.clock import now


@jobs.periodic(cron="* * * * *")
@jobs.task(name="analytics.refresh", lock="analytics.refresh")
def refresh_figures() -> None:
    """Not retried: the next minute does the same."""
    refresh(now=now())
