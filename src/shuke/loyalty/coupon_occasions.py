"""Coupons that come by themselves: on joining, a higher tier, a first purchase, a full profile, a friend, a birthday.

All but the birthday follow from facts of the outbox, read once each. A birthday is known to nobody but the member's own
encrypted profile, so once a local day a walk through all members opens them, batch by batch, and goes on where it was killed.
What is handed out is once per member, template and occasion, whatever is repeated; a stock that runs out ends it quietly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from shuke.core.outbox import Event, consume
from shuke.core.values import SYSTEM
from shuke.kit.clock import local_date
from shuke.loyalty.conditions import is_birthday
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.subscribers import JUST_JOINED
from shuke.members.models import Member, MemberStatus
from shuke.members.operations.register import REGISTERED
from shuke.members.queries import open_profiles
from shuke.rewards.errors import CouponTemplateOver
from shuke.rewards.models import Sweep
from shuke.rewards.operations import issue_coupons

CONSUMER = "loyalty.coupons"
BATCH = 2000
MISSED_DAYS = 7
"""Birthdays that passed while no worker ran are made up for, so far back."""
_BIRTHDAYS = "birthday_coupons"
_ACCRUALS = frozenset({"profile_completed", "referral"})

FirstOrders = Callable[[Sequence[tuple[UUID, UUID]]], set[UUID]]
"""Of (member, order) pairs, the members whose first order it is. Sales know it, and they live above."""


def issue_on_occasions(*, now: datetime, first_orders: FirstOrders, limit: int = BATCH) -> int:
    """Read the next facts and hand out what they bring. Returns how many facts there were.

    The templates that count are those in force when the fact happened; terms begin now.
    """

    def handle(events: list[Event]) -> None:
        _handle(events, now, first_orders)

    return consume(consumer=CONSUMER, limit=limit, now=now, handle=handle)


def _handle(events: list[Event], now: datetime, first_orders: FirstOrders) -> None:
    due: dict[tuple[UUID, str, str], list[UUID]] = defaultdict(list)
    programmes: dict[UUID, InForce] = {}
    orders: list[tuple[Event, UUID]] = []
    for event in events:
        if event.member_id is None:
            continue
        occasion = _occasion(event)
        in_force = programme_at(event.occurred_at) if occasion else None
        if in_force is None or not _brings(in_force.programme, occasion):
            continue
        programmes[in_force.version_id] = in_force
        if occasion == "first_purchase":
            orders.append((event, event.member_id))
        elif reference := _reference(event, occasion, in_force.programme):
            due[in_force.version_id, occasion, reference].append(event.member_id)
    if orders:
        firsts = first_orders([(member, UUID(event.payload["order_id"])) for event, member in orders])
        for event, member in orders:
            in_force = programme_at(event.occurred_at)
            if member in firsts and in_force is not None:
                due[in_force.version_id, "first_purchase", "first_purchase"].append(member)
    for (version_id, occasion, reference), members in sorted(due.items(), key=lambda item: str(item[0])):
        _issue(programmes[version_id], occasion, reference, members, now)


def _occasion(event: Event) -> str:
    match event.name:
        case "checkout.order_committed.v1":
            return "first_purchase"
        case "loyalty.tier_changed.v1":
            return "tier_up"
        case "loyalty.accrued.v1" if event.payload["kind"] in _ACCRUALS:
            return str(event.payload["kind"])
        case name if name == REGISTERED:
            return "registration"
    return ""


def _brings(programme: Programme, occasion: str) -> bool:
    return any(occasion in template.auto_issue for template in programme.coupons.values())


def _reference(event: Event, occasion: str, programme: Programme) -> str:
    """What makes it once: joining and completing the profile in a membership, a friend each, a tier in a calendar year.

    "" when it is no occasion after all: brought over from another system, or a lower tier.
    """
    if occasion == "registration":
        longer = event.occurred_at - datetime.fromisoformat(event.payload["joined_at"]) > JUST_JOINED
        return "" if longer else occasion
    if occasion == "referral":
        return f"referral:{event.payload['accrual_id']}"
    if occasion == "tier_up":
        if event.payload.get("track"):
            return ""  # a track beside the tiers has levels of its own
        ranks = {level.code: level.rank for level in programme.tiers.levels}
        before, after = ranks.get(event.payload["from"]), ranks.get(event.payload["to"])
        if before is None or after is None or after <= before:
            return ""
        return f"tier_up:{event.payload['to']}:{local_date(event.occurred_at, programme.zone).year}"
    return occasion


def _issue(in_force: InForce, occasion: str, reference: str, members: Sequence[UUID], now: datetime) -> None:
    active = set(
        Member.objects.filter(id__in=members, status=MemberStatus.ACTIVE).values_list("id", flat=True)
    )
    served = [member for member in members if member in active]
    # In the order of codes, as everybody takes several templates, so that no two wait for each other.
    for _code, template in sorted(in_force.programme.coupons.items()):
        if occasion not in template.auto_issue or not served:
            continue
        try:
            issue_coupons(
                actor=SYSTEM,
                template=template,
                version_id=in_force.version_id,
                zone=in_force.programme.zone,
                member_ids=served,
                source="auto",
                reference=reference,
                now=now,
                fewer=True,
            )
        except CouponTemplateOver:
            continue  # its days are over: there is nothing left to give


def issue_birthday_coupons(*, now: datetime, limit: int = BATCH) -> int:
    """Look at the next members of today's walk, and hand out what birthdays bring. Returns how many were looked at.

    One transaction per batch. 0 when today's walk is over, or another worker is at it.
    """
    in_force = programme_at(now)
    if in_force is None or not _brings(in_force.programme, "birthday"):
        return 0
    today = local_date(now, in_force.programme.zone)
    with transaction.atomic():
        Sweep.objects.bulk_create([Sweep(name=_BIRTHDAYS, day=today)], ignore_conflicts=True)
        walk = Sweep.objects.select_for_update(skip_locked=True).filter(name=_BIRTHDAYS).first()
        if walk is None or (walk.day >= today and walk.done):
            return 0
        if walk.day < today:
            # A walk that was not finished by midnight is begun anew, from the day that it began to look at.
            walk.since = walk.day + timedelta(days=1) if walk.done else walk.since
            walk.day, walk.after, walk.done = today, None, False
        rows = Member.objects.filter(status=MemberStatus.ACTIVE).order_by("id")
        if walk.after is not None:
            rows = rows.filter(id__gt=walk.after)
        members = list(rows.values_list("id", flat=True)[:limit])
        since = max(walk.since or today, today - timedelta(days=MISSED_DAYS))
        born = {
            member_id: (profile.birthday.month, profile.birthday.day)
            for member_id, profile in open_profiles(members).items()
            if profile.birthday is not None
        }
        for back in range((today - since).days + 1):
            day = today - timedelta(days=back)
            greeted = [member for member in members if is_birthday(born.get(member), day, "day")]
            if greeted:
                _issue(in_force, "birthday", f"birthday:{day.year}", greeted, now)
        walk.done = len(members) < limit
        walk.after = members[-1] if members else walk.after
        walk.save()
    return len(members)
