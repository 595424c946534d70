"""Jobs of the ledger."""

from __future__ import annotations

from shuke.kit import clock, jobs
from shuke.ledger import operations


@jobs.periodic(cron="7,22,37,52 * * * *")
@jobs.task(name="ledger.expire_lots", lock="ledger.expire_lots", retries=3)
def expire_lots() -> None:
    """Expire what has lapsed, batch by batch. Sales never use a lapsed lot, so its lateness changes no price."""
    now = clock.now()
    while operations.expire_lots(now=now):
        pass
