"""Jobs of the programme: members are told ahead of what will lapse, and new ones get what joining brings."""

from __future__ import annotations

from shuke.kit import clock, jobs
from shuke.loyalty.books import announce_expiring
from shuke.loyalty.coupon_occasions import issue_birthday_coupons
from shuke.loyalty.subscribers import welcome_members


@jobs.periodic(cron="27 * * * *")
@jobs.task(name="loyalty.announce_expiring", lock="loyalty.announce_expiring", retries=3)
def tell_what_expires() -> None:
    """Publish the notices that have fallen due, each once."""
    announce_expiring(now=clock.now())


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
