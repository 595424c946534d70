"""Jobs of the ledger. Each works in batches that stand alone: killed anywhere, the next run goes on from there."""

from __future__ import annotations

from shuke.kit import clock, jobs
from shuke.ledger import operations
from shuke.ledger.operations.expiry import forget_notices


@jobs.periodic(cron="7,22,37,52 * * * *")
@jobs.task(name="ledger.expire_lots", lock="ledger.expire_lots", retries=3)
def expire_lots() -> None:
    """Expire what has lapsed, batch by batch. Sales never use a lapsed lot, so its lateness changes no price."""
    now = clock.now()
    while operations.expire_holds(now=now):
        pass
    while operations.expire_lots(now=now):
        pass


@jobs.periodic(cron="2,17,32,47 * * * *")
@jobs.task(name="ledger.announce_active", lock="ledger.announce_active", retries=3)
def announce_active() -> None:
    """Tell which units became usable, and let requests lapse that nobody decided."""
    now = clock.now()
    while operations.announce_active(now=now):
        pass
    operations.lapse_adjustments(now=now)
    forget_notices(now=now)
