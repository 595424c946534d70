"""Jobs of the room. Each works in batches that stand alone: killed anywhere, the next run goes on from there."""

from __future__ import annotations

from uuid import UUID

from shuke.kit import clock, jobs
from shuke.rewards import operations
from shuke.rewards.catalogue import operations as catalogue
from shuke.rewards.operations.codes import GENERATE


@jobs.periodic(cron="18 * * * *")
@jobs.task(name="rewards.lapse_uncollected", lock="rewards.lapse_uncollected", retries=3)
def lapse_uncollected() -> None:
    """End the rewards that nobody collected in time, and give their points back where the programme says so."""
    now = clock.now()
    while catalogue.lapse_uncollected(now=now):
        pass


@jobs.task(name=GENERATE, retries=5)
def generate_codes(job_id: str) -> None:
    """Make the codes of one job, batch by batch."""
    while operations.generate_codes(job_id=UUID(job_id), now=clock.now()):
        pass


@jobs.periodic(cron="4,19,34,49 * * * *")
@jobs.task(name="rewards.expire_coupons", lock="rewards.expire_coupons", retries=3)
def expire_coupons() -> None:
    """Expire what has lapsed."""
    now = clock.now()
    while operations.expire_coupons(now=now):
        pass


@jobs.periodic(cron="9,39 * * * *")
@jobs.task(name="rewards.announce_expiring", lock="rewards.announce_expiring", retries=3)
def announce_expiring() -> None:
    """Tell holders ahead what will lapse."""
    now = clock.now()
    while operations.announce_expiring(now=now):
        pass
