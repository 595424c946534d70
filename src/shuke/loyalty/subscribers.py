"""What the programme does when others report a fact: a new member gets what joining brings."""

from __future__ import annotations

from datetime import datetime, timedelta

from shuke.core.outbox import Event, consume
from shuke.core.values import SYSTEM
from shuke.loyalty.accruals import accrue
from shuke.loyalty.queries import programme_at
from shuke.members.models import Member, MemberStatus
from shuke.members.operations.register import REGISTERED

CONSUMER = "loyalty.welcome"
BATCH = 500
JUST_JOINED = timedelta(days=1)
"""Who joined longer before being registered here was brought over from another system: nobody is welcomed twice."""


def welcome_members(*, now: datetime, limit: int = BATCH) -> int:
    """Read the next facts and reward the registrations among them. Returns how many facts there were.

    The rules that count are those in force when the member registered. Whatever is repeated, a member is welcomed once.
    """
    return consume(consumer=CONSUMER, limit=limit, now=now, handle=_welcome)


def _welcome(events: list[Event]) -> None:
    joined = {e.member_id: e.occurred_at for e in events if e.member_id and _counts(e)}
    active = Member.objects.filter(id__in=joined, status=MemberStatus.ACTIVE).values_list("id", flat=True)
    # In the order of ids, as everybody takes several books, so that no two wait for each other.
    for member_id in sorted(active):
        accrue(actor=SYSTEM, member_id=member_id, kind="registration", now=joined[member_id])


def _counts(event: Event) -> bool:
    if event.name != REGISTERED:
        return False
    if event.occurred_at - datetime.fromisoformat(event.payload["joined_at"]) > JUST_JOINED:
        return False
    in_force = programme_at(event.occurred_at)
    return in_force is not None and any(rule.kind == "registration" for rule in in_force.programme.accruals)
