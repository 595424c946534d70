"""Benefits that come by themselves: packs of coupons in each period, and birthday gifts.

What is given is once per member, source and period, whatever is repeated: coupons by their reference, and every gift by its
row. A walk through members goes on where it was killed. Packs of a plan come in periods that run from the day its paid time
began, not in a trial and not in grace; packs of a tier come in calendar periods. A tier that a plan brought gives them as the
plan: in its paid time only, and counted as given by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction

from shuke.core.operations import publish_event
from shuke.core.values import SYSTEM
from shuke.kit.clock import local_date, start_of_day
from shuke.kit.ids import uuid7
from shuke.kit.sql import load
from shuke.ledger.writing import take_books
from shuke.loyalty.accruals import post_earned
from shuke.loyalty.benefits import Held, Pack, birthday_due, next_pack_start, pack_start, period_start
from shuke.loyalty.earning import Batch, Earned
from shuke.loyalty.models import MemberGroup, Standing
from shuke.loyalty.plans.models import BenefitGrant, PlanHolding, PlanState, PlanTerm, TermCause
from shuke.loyalty.plans.use import bringer
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_logic import beside_plans
from shuke.loyalty.tier_rows import states_of
from shuke.loyalty.tiers import MAIN
from shuke.members.models import Member, MemberStatus
from shuke.members.queries import open_profiles
from shuke.rewards.errors import CouponTemplateOver
from shuke.rewards.models import Sweep
from shuke.rewards.operations import issue_coupons

HOLDINGS = 200
MEMBERS = 1000
MISSED_DAYS = 7
"""Birthdays that passed while no worker ran are made up for, so far back."""
_TIER_PACKS, _BIRTHDAYS = "tier_packs", "birthday_gifts"
BIRTHDAY_GIFT = "loyalty.birthday_gift_given.v1"


@dataclass(frozen=True, slots=True)
class _Due:
    """Members to whom the same is due. `reference` names it: `plan:vip/monthly/2026-03-02`."""

    code: str
    period: date
    pack: Pack
    members: tuple[UUID, ...]
    through: Mapping[UUID, str]
    """Of these members those to whom a plan brought the tier that gives it, by plan."""

    @property
    def reference(self) -> str:
        return f"{self.code}/{self.period}"


# Packs of plans ----------------------------------------------------------------------------------------


def give_plan_packs(*, now: datetime, limit: int = HOLDINGS) -> int:
    """Give the holders that come next the packs of the period that has begun. Returns how many were looked at."""
    in_force = programme_at(now)
    plans = {c: p for c, p in in_force.programme.plans.items() if p.benefit.packs} if in_force else {}
    if in_force is None or not plans:
        return 0
    # A version may bring packs to plans that are held already.
    PlanHolding.objects.filter(plan__in=plans, packs_at=None, state=PlanState.ACTIVE, until__gt=now).update(
        packs_at=now
    )
    due = PlanHolding.objects.filter(packs_at__lte=now).order_by("packs_at")
    found = list(due.values_list("id", "member_id")[:limit])
    with transaction.atomic():
        take_books(member_id for _id, member_id in found)
        holdings = list(
            PlanHolding.objects.select_for_update()
            .filter(id__in=[holding_id for holding_id, _member in found], packs_at__lte=now)
            .order_by("id")
        )
        began = _paid_since(holdings)
        members: dict[tuple[str, str, date], list[UUID]] = defaultdict(list)
        today, zone = local_date(now, in_force.programme.zone), in_force.programme.zone
        for holding in holdings:
            plan, start = plans.get(holding.plan), began.get(holding.id)
            holding.packs_at = None
            if plan is not None and holding.until > now and holding.state != PlanState.ENDED:
                anchor = local_date(start, zone) if start else None
                if start is None or anchor is None:
                    holding.packs_at = holding.until  # a trial: packs come with what is paid for after it
                elif start > now:
                    holding.packs_at = start
                else:
                    for pack in plan.benefit.packs:
                        period = pack_start(pack.period, anchor, today)
                        members[plan.code, pack.code, period].append(holding.member_id)
                    coming = (next_pack_start(p.period, anchor, today) for p in plan.benefit.packs)
                    holding.packs_at = start_of_day(min(coming), zone)
            holding.save(update_fields=["packs_at"])
        packs = {(c, p.code): p for c, plan in plans.items() for p in plan.benefit.packs}
        _give(
            in_force,
            [
                _Due(f"plan:{plan}/{pack}", period, packs[plan, pack], tuple(ids), {})
                for (plan, pack, period), ids in members.items()
            ],
            now,
        )
    return len(found)


def _paid_since(holdings: Sequence[PlanHolding]) -> dict[UUID, datetime]:
    """When the paid time of each present run began; nothing for one that is only tried."""
    since = {holding.id: holding.since for holding in holdings}
    terms = PlanTerm.objects.filter(holding__in=holdings, closed_at=None).exclude(cause=TermCause.TRIAL)
    found: dict[UUID, datetime] = {}
    for holding_id, starts_at in terms.order_by("starts_at").values_list("holding_id", "starts_at"):
        if starts_at >= since[holding_id]:
            found.setdefault(holding_id, starts_at)
    return found


# Packs of tiers ----------------------------------------------------------------------------------------


def give_tier_packs(*, now: datetime, limit: int = MEMBERS) -> int:
    """Give the members that come next on today's walk the packs of their tier. Returns how many were looked at.

    Who reaches the tier within a period gets its pack on the next day; who loses it keeps what was given.
    """
    in_force = programme_at(now)
    if in_force is None:
        return 0
    levels = {level.code: level.benefit.packs for level in in_force.programme.tiers.levels}
    with_packs = [code for code, packs in levels.items() if packs]
    if not with_packs:
        return 0
    today = local_date(now, in_force.programme.zone)
    with transaction.atomic():
        walk = _begin(_TIER_PACKS, today)
        if walk is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(
                load("loyalty", "members_of_tiers"),
                {
                    "after": walk.after or UUID(int=0),
                    "lowest": in_force.programme.tiers.levels[0].code,
                    "tiers": with_packs,
                    "most": limit,
                },
            )
            rows = cursor.fetchall()
        through = _brought(in_force, [member_id for member_id, _tier in rows], now, paid=True)
        due = []
        for tier in with_packs:
            members = tuple(m for m, held in rows if held == tier and through.get(m) != "")
            for pack in levels[tier] if members else ():
                period = period_start(pack.period, today, today)
                due.append(_Due(f"tier:{tier}/{pack.code}", period, pack, members, through))
        _give(in_force, due, now)
        _go_on(walk, [member_id for member_id, _tier in rows], limit)
    return len(rows)


def _brought(
    in_force: InForce, members: Iterable[UUID], now: datetime, *, paid: bool = False
) -> dict[UUID, str]:
    """Of these members those whose tier is not their own, each with the plan that brought it.

    With `paid` only a plan counts whose paid time runs; "" where none does, as in a trial.
    """
    tiers = in_force.programme.tiers
    states = {
        member_id: state
        for member_id, state in states_of(members, MAIN, {}).items()
        if beside_plans(tiers, state).tier != state.tier
    }
    if not states:
        return {}
    holdings = list(
        PlanHolding.objects.filter(member__in=states, grace_until__gt=now).exclude(state=PlanState.ENDED)
    )
    if paid:
        began = _paid_since(holdings)
        holdings = [h for h in holdings if h.until > now and h.id in began and began[h.id] <= now]
    plans: dict[UUID, dict[str, datetime]] = defaultdict(dict)
    for holding in holdings:
        plans[holding.member_id][holding.plan] = holding.since
    return {m: bringer(in_force.programme, state.tier, plans[m]) for m, state in states.items()}


def _begin(name: str, today: date) -> Sweep | None:
    """Today's walk, held until the transaction ends; None when it is over, or another worker is at it."""
    Sweep.objects.bulk_create([Sweep(name=name, day=today)], ignore_conflicts=True)
    walk = Sweep.objects.select_for_update(skip_locked=True).filter(name=name).first()
    if walk is None or (walk.day >= today and walk.done):
        return None
    if walk.day < today:
        walk.day, walk.after, walk.done = today, None, False
    return walk


def _go_on(walk: Sweep, members: Sequence[UUID], limit: int) -> None:
    walk.done = len(members) < limit
    walk.after = members[-1] if members else walk.after
    walk.save()


def _give(in_force: InForce, due: Iterable[_Due], now: datetime) -> None:
    """Hand the packs out, and write down who got one: whom the stock left out got nothing."""
    fresh: list[tuple[_Due, set[UUID]]] = []
    for each in due:
        known = BenefitGrant.objects.filter(
            member__in=each.members, kind="pack", code=each.code, period=each.period.isoformat()
        ).values_list("member_id", flat=True)
        if members := set(each.members).difference(known):
            fresh.append((each, members))
    served: dict[str, set[UUID]] = defaultdict(set)
    # In the order of templates, as everybody takes several, so that no two wait for each other.
    pieces = (
        (template, count, each, members) for each, members in fresh for template, count in each.pack.coupons
    )
    for template, count, each, members in sorted(pieces, key=lambda row: (row[0], row[2].reference)):
        served[each.reference] |= _issue(in_force, template, count, each.reference, members, now)
    BenefitGrant.objects.bulk_create(
        (
            BenefitGrant(
                id=uuid7(),
                member_id=member_id,
                kind="pack",
                code=each.code,
                period=each.period.isoformat(),
                worth_minor=each.pack.worth,
                through=each.through.get(member_id, ""),
                occurred_at=now,
            )
            for each, _members in fresh
            for member_id in sorted(served[each.reference])
        ),
        ignore_conflicts=True,
    )


def _issue(
    in_force: InForce, template: str, count: int, reference: str, members: Iterable[UUID], now: datetime
) -> set[UUID]:
    """Who got coupons; nobody once the template's days are over."""
    try:
        issued = issue_coupons(
            actor=SYSTEM,
            template=in_force.programme.coupons[template],
            version_id=in_force.version_id,
            zone=in_force.programme.zone,
            member_ids=sorted(members),
            source="pack",
            reference=reference,
            now=now,
            count=count,
            fewer=True,
        )
    except CouponTemplateOver:
        return set()
    return {member_id for _coupon, member_id in issued.coupons}


# Birthdays ---------------------------------------------------------------------------------------------


def give_birthday_gifts(*, now: datetime, limit: int = MEMBERS) -> int:
    """Look at the next members of today's walk and give what their tier and plans bring on a birthday.

    A birthday is known to nobody but the member's own encrypted profile, so a walk opens them once a local day. One gift
    a year for the tier, whichever it is by then, and one for each plan. Returns how many members were looked at.
    """
    in_force = programme_at(now)
    if in_force is None or not _brings(in_force):
        return 0
    today = local_date(now, in_force.programme.zone)
    with transaction.atomic():
        walk = _begin(_BIRTHDAYS, today)
        if walk is None:
            return 0
        rows = Member.objects.filter(status=MemberStatus.ACTIVE).order_by("id")
        if walk.after is not None:
            rows = rows.filter(id__gt=walk.after)
        members = list(rows.values_list("id", flat=True)[:limit])
        _greet(in_force, members, today, now)
        _go_on(walk, members, limit)
    return len(members)


def _brings(in_force: InForce) -> bool:
    programme = in_force.programme
    benefits = [level.benefit for level in programme.tiers.levels]
    benefits += [plan.benefit for plan in programme.plans.values()]
    return any(each.birthday is not None for each in benefits)


def _greet(in_force: InForce, members: Sequence[UUID], today: date, now: datetime) -> None:
    born = {
        member_id: (profile.birthday.month, profile.birthday.day)
        for member_id, profile in open_profiles(members).items()
        if profile.birthday is not None
    }
    tiers = dict(Standing.objects.filter(member__in=born).values_list("member_id", "tier"))
    plans: dict[UUID, list[str]] = defaultdict(list)
    held = MemberGroup.objects.filter(member__in=born, kind="plan", since__lte=now, until__gt=now)
    for member_id, code in held.values_list("member_id", "code"):
        plans[member_id].append(code)
    lowest = in_force.programme.tiers.levels[0].code
    due: list[tuple[UUID, Held, int]] = []
    for member_id, birthday in born.items():
        for each in in_force.programme.held(tiers.get(member_id, lowest), plans[member_id]):
            gift = each.benefit.birthday
            year = birthday_due(birthday, gift, today, MISSED_DAYS) if gift else None
            if year is not None:
                due.append((member_id, each, year))
    given = set(
        BenefitGrant.objects.filter(
            member__in={member_id for member_id, _held, _year in due}, kind="birthday"
        ).values_list("member_id", "code", "period")
    )
    due = [row for row in due if (row[0], _giver(row[1]), str(row[2])) not in given]
    if not due:
        return
    take_books(member_id for member_id, _held, _year in due)
    brought = _brought(in_force, {member_id for member_id, _held, _year in due}, now)
    for member_id, each, year in due:
        through = brought.get(member_id, "") if each.kind == "tier" else ""
        _write_down(in_force, member_id, each, year, through, now)
    for template, count, reference, member_id in sorted(
        (template, count, f"birthday:{_giver(each)}:{year}", member_id)
        for member_id, each, year in due
        if each.benefit.birthday
        for template, count in each.benefit.birthday.coupons
    ):
        _issue(in_force, template, count, reference, [member_id], now)


def _giver(held: Held) -> str:
    return held.source if held.kind == "plan" else "tier"


def _write_down(
    in_force: InForce, member_id: UUID, held: Held, year: int, through: str, now: datetime
) -> None:
    """The gift's row, its points and its event. The caller holds the book and has seen that there is no such row."""
    gift = held.benefit.birthday
    if gift is None:
        return
    BenefitGrant.objects.create(
        id=uuid7(),
        member_id=member_id,
        kind="birthday",
        code=_giver(held),
        period=str(year),
        through=through,
        occurred_at=now,
    )
    if gift.points:
        part = {"id": "birthday_gift", held.kind: held.code, "points": gift.points}
        earned = Earned("points", gift.points, [], [part], (Batch(gift.points),))
        post_earned(in_force, SYSTEM, member_id, "birthday", [earned], now)
    publish_event(
        name=BIRTHDAY_GIFT,
        member_id=member_id,
        occurred_at=now,
        payload={
            "source": held.source,
            "year": year,
            "points": gift.points,
            "coupons": [{"template": template, "count": count} for template, count in gift.coupons],
        },
    )
