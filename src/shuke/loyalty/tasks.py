"""Jobs of the programme: members are told ahead of what will lapse, and new ones get what joining brings."""

from __future__ import annotations

from uuid import UUID

from shuke.kit import clock, jobs
from shuke.loyalty.books import announce_expiring
from shuke.loyalty.coupon_occasions import issue_birthday_coupons
from shuke.loyalty.plans.dues import end_plans, remind_holders
from shuke.loyalty.plans.gift_orders import MAKE, make_gifts
from shuke.loyalty.plans.giving import give_birthday_gifts, give_plan_packs, give_tier_packs
from shuke.loyalty.plans.levels import align_levels
from shuke.loyalty.plans.renewals import charge_due
from shuke.loyalty.subscribers import welcome_members
from shuke.members.operations.register import REGISTERED


@jobs.periodic(cron="27 * * * *")
@jobs.task(name="loyalty.announce_expiring", lock="loyalty.announce_expiring", retries=3)
def tell_what_expires() -> None:
    """Publish the notices that have fallen due, each once."""
    announce_expiring(now=clock.now())


@jobs.after(event=REGISTERED)
@jobs.periodic(cron="* * * * *")
@jobs.task(name="loyalty.welcome_members", lock="loyalty.welcome_members", retries=3)
def welcome_new_members() -> None:
    """Give new members what joining brings, batch by batch."""
    now = clock.now()
    while welcome_members(now=now):
        pass


@jobs.periodic(cron="3,13,23,33,43,53 * * * *")
@jobs.task(name="loyalty.birthday_coupons", lock="loyalty.birthday_coupons", retries=3)
def give_birthday_coupons() -> None:
    """Walk through all members once a local day, and hand out what birthdays bring."""
    now = clock.now()
    while issue_birthday_coupons(now=now):
        pass


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="loyalty.charge_renewals", lock="loyalty.charge_renewals", retries=3)
def charge_renewals() -> None:
    """Charge the plans that renew themselves, before those that end are ended."""
    now = clock.now()
    while charge_due(now=now):
        pass


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="loyalty.end_plans", lock="loyalty.end_plans", retries=3)
def end_finished_plans() -> None:
    """Tell which plans have ended or are in their grace days, and what a new version makes of the levels they bring."""
    now = clock.now()
    while end_plans(now=now):
        pass
    while align_levels(now=now):
        pass


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="loyalty.remind_holders", lock="loyalty.remind_holders", retries=3)
def remind_plan_holders() -> None:
    """Tell members whose plan is about to end."""
    now = clock.now()
    while remind_holders(now=now):
        pass


@jobs.periodic(cron="4,14,24,34,44,54 * * * *")
@jobs.task(name="loyalty.give_benefits", lock="loyalty.give_benefits", retries=3)
def give_benefits() -> None:
    """Packs of coupons whose period has begun, and birthday gifts; members are walked through once a local day."""
    now = clock.now()
    for give in (give_plan_packs, give_tier_packs, give_birthday_gifts):
        while give(now=now):
            pass


@jobs.task(name=MAKE, retries=5)
def make_plan_gifts(order_id: str) -> None:
    """Make the gift codes of one order, batch by batch."""
    while make_gifts(order_id=UUID(order_id), now=clock.now()):
        pass
