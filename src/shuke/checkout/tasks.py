"""Jobs of the sale: tiers whose term is over, coupons of occasions, drafts that are simulated and looked at."""

from __future__ import annotations

from uuid import UUID

from shuke.checkout.impact.runs import JOB as IMPACT_JOB
from shuke.checkout.impact.runs import run_impact
from shuke.checkout.queries import first_orders, qualifying_totals
from shuke.checkout.simulate.runs import JOB, run_simulation
from shuke.kit import clock, jobs
from shuke.loyalty.coupon_occasions import issue_on_occasions
from shuke.loyalty.tier_reviews import announce_downgrades, reassess_members, review_tiers
from shuke.members.operations.register import REGISTERED


@jobs.periodic(cron="12 * * * *")
@jobs.task(name="checkout.review_tiers", lock="checkout.review_tiers", retries=3)
def review_due_tiers() -> None:
    """Review every tier that is due, batch by batch. A sale reviews its own member's first, so being late misprices nothing."""
    now = clock.now()
    while review_tiers(now=now, qualifying=qualifying_totals):
        pass


@jobs.periodic(cron="*/2 * * * *")
@jobs.task(name="checkout.reassess_members", lock="checkout.reassess_members", retries=3)
def reassess_under_new_version() -> None:
    """Look at every member once under a version that has begun, as the `on_change` of its tracks says."""
    now = clock.now()
    while reassess_members(now=now, qualifying=qualifying_totals):
        pass


@jobs.periodic(cron="42 * * * *")
@jobs.task(name="checkout.announce_downgrades", lock="checkout.announce_downgrades", retries=3)
def tell_of_downgrades() -> None:
    """Tell members ahead what they still need to keep their tier, each once for each of the track's `warn_days`."""
    now = clock.now()
    while announce_downgrades(now=now, qualifying=qualifying_totals):
        pass


@jobs.after(event=REGISTERED)
@jobs.periodic(cron="* * * * *")
@jobs.task(name="checkout.issue_coupons", lock="checkout.issue_coupons", retries=3)
def issue_coupons_on_occasions() -> None:
    """Hand out the coupons that joining, a higher tier, a first purchase and the like bring, batch by batch."""
    now = clock.now()
    while issue_on_occasions(now=now, first_orders=first_orders):
        pass


@jobs.task(name=JOB, lock=JOB, retries=3)
def simulate(simulation_id: str) -> None:
    """Carry out a simulation; an interrupted one goes on from its last batch."""
    run_simulation(simulation_id=UUID(simulation_id), clock=clock.now)


@jobs.task(name=IMPACT_JOB, lock=IMPACT_JOB, retries=3)
def look_at_members(impact_id: str) -> None:
    """Look at every member under a draft; an interrupted run begins anew."""
    run_impact(impact_id=UUID(impact_id), clock=clock.now)
