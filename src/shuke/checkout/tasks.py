"""Jobs of the sale: tiers whose term is over, looked at even when their members no longer come."""

from __future__ import annotations

from shuke.checkout.queries import qualifying_totals
from shuke.kit import clock, jobs
from shuke.loyalty.operations import review_tiers


@jobs.periodic(cron="12 * * * *")
@jobs.task(name="checkout.review_tiers", lock="checkout.review_tiers", retries=3)
def review_due_tiers() -> None:
    """Review every tier that is due, batch by batch. A sale reviews its own member's first, so being late misprices nothing."""
    now = clock.now()
    while review_tiers(now=now, qualifying=qualifying_totals):
        pass
