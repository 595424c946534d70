"""Jobs of the programme: members are told ahead of what will lapse, as the programme in force says."""

from __future__ import annotations

from shuke.kit import clock, jobs
from shuke.loyalty.books import announce_expiring


@jobs.periodic(cron="27 * * * *")
@jobs.task(name="loyalty.announce_expiring", lock="loyalty.announce_expiring", retries=3)
def tell_what_expires() -> None:
    """Publish the notices that have fallen due, each once."""
    announce_expiring(now=clock.now())
