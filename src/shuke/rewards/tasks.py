"""Jobs of the room. Each works in batches that stand alone: killed anywhere, the next run goes on from there."""

from __future__ import annotations

from shuke.kit import clock, jobs
from shuke.rewards.catalogue import operations as catalogue


@jobs.periodic(cron="18 * * * *")
@jobs.task(name="rewards.lapse_uncollected", lock="rewards.lapse_uncollected", retries=3)
def lapse_uncollected() -> None:
    """End the rewards that nobody collected in time, and give their points back where the programme says so."""
    now = clock.now()
    while catalogue.lapse_uncollected(now=now):
        pass
