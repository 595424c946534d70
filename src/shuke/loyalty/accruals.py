"""What a member gets for something other than buying: joining, a full profile, a check-in, a survey, a friend, a review.

Each act is rewarded once per reference, whoever reports it and however often. The member's book is the lock; budgets are
drawn last, and an accrual that finds a budget emptier than it was priced with is made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.ledger.models import Account
from shuke.ledger.writing import Cause, Leg, Opened, post
from shuke.loyalty.conditions import SaleContext
from shuke.loyalty.counters import take_uses
from shuke.loyalty.earning import Earned, Room, accrue_rules
from shuke.loyalty.earning_document import ACCRUALS
from shuke.loyalty.errors import AccrualNotOffered, AlreadyBrought, NoProgramme
from shuke.loyalty.logic import expires_at, lots_of
from shuke.loyalty.models import Accrual, Standing, TrackStanding
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.rule_facts import arguments, room_of, traits_of
from shuke.members.models import MemberStatus
from shuke.members.queries import get_member, open_profiles

ONCE = frozenset({"registration", "profile_completed"})
"""Kinds that happen once in a membership: they need no reference."""
MAX_REFERENCE = 80


@dataclass(frozen=True, slots=True)
class Accrued:
    """What was given: (asset, units, each rule's part). `is_new` is False when it had been rewarded before."""

    id: UUID
    kind: str
    reference: str
    occurred_at: datetime
    given: list[dict[str, Any]]
    is_new: bool

    def units(self, asset: str = "points") -> int:
        """Units of an asset."""
        return sum(int(each["amount"]) for each in self.given if each["asset"] == asset)


def accrue(*, actor: Actor, member_id: UUID, kind: str, reference: str = "", now: datetime) -> Accrued:
    """Reward what a member did, once. The same act again is answered with what it brought the first time.

    `reference` names the act: the survey, the review, the new member (for a referral). A check-in is one a local day, and
    joining and completing the profile are one a membership; they take none.

    :raises NotFound: when there is no such member; InvalidInput for an unknown kind, a missing reference, or a membership
        that is not active.
    :raises AccrualNotOffered: when the programme in force has no rule for this kind; NoProgramme when none is in force.
    :raises AlreadyBrought: when another member was rewarded for the same friend.
    """
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    reference = _checked(in_force.programme, kind, reference, now)
    while True:
        try:
            with transaction.atomic():
                return _accrue(in_force, actor, member_id, kind, reference, now)
        except OperationalError as error:
            # A rival drew on the budget after we looked: it holds less now, until it holds nothing.
            if getattr(error.__cause__, "sqlstate", None) != "40001":
                raise
        except IntegrityError as error:
            if "loyalty_referral_once" not in str(error):
                raise
            raise AlreadyBrought(field="reference") from error


def _checked(programme: Programme, kind: str, reference: str, now: datetime) -> str:
    """The reference as it is kept."""
    if kind not in ACCRUALS:
        raise InvalidInput(
            field="kind", reason=_("There is no such accrual. Choose from: %s") % ", ".join(ACCRUALS)
        )
    if kind in ONCE or kind == "check_in":
        if reference:
            raise InvalidInput(field="reference", reason=_("This accrual takes no reference."))
        return "" if kind in ONCE else local_date(now, programme.zone).isoformat()
    if not reference or len(reference) > MAX_REFERENCE or not reference.isprintable():
        raise InvalidInput(
            field="reference", reason=_("Name what was done in a reference of at most 80 characters.")
        )
    return reference


def _accrue(
    in_force: InForce, actor: Actor, member_id: UUID, kind: str, reference: str, now: datetime
) -> Accrued:
    programme = in_force.programme
    member = get_member(member_id)
    if member.status != MemberStatus.ACTIVE:
        raise InvalidInput(field="member", reason=_("This membership is not active: it cannot earn."))
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_take_book(%s, NULL)", [member_id])
    before = Accrual.objects.filter(member_id=member_id, kind=kind, reference=reference).first()
    if before is not None:
        return _told(before, is_new=False)
    if not any(rule.kind == kind for rule in programme.accruals):
        raise AccrualNotOffered(field="kind", kind=kind)
    context, room = _facts(programme, member_id, now)
    earned = accrue_rules([rule for rule in programme.accruals if rule.kind == kind], context, room)
    accrual = Accrual.objects.create(
        id=uuid7(),
        member_id=member_id,
        kind=kind,
        reference=reference,
        occurred_at=now,
        recorded_at=now,
        given=[{"asset": e.asset, "amount": e.total, "rules": e.parts} for e in earned],
        transfer_id=post_earned(in_force, actor, member_id, kind, earned, now) if earned else None,
        programme_version_id=in_force.version_id,
        actor=actor.reference,
    )
    told = _told(accrual, is_new=True)
    facts = {"accrual_id": str(accrual.id), "kind": kind, "points": told.units(), "given": accrual.given}
    if actor.kind == "staff":
        record_audit(
            actor=actor,
            action="loyalty.accrued.v1",
            now=now,
            object_type="member",
            object_id=member_id,
            data={"accrual_id": accrual.id, "kind": kind, "points": told.units()},
        )
    publish_event(name="loyalty.accrued.v1", member_id=member_id, occurred_at=now, payload=facts)
    uses = [use for each in earned for use in each.uses]
    take_uses(programme, member_id, uses, now, accrual_id=accrual.id)
    return told


def _told(accrual: Accrual, *, is_new: bool) -> Accrued:
    return Accrued(
        accrual.id, accrual.kind, accrual.reference, accrual.occurred_at, accrual.given, is_new=is_new
    )


def _facts(programme: Programme, member_id: UUID, now: datetime) -> tuple[SaleContext, Room]:
    """What the rules may look at, read under the member's book."""
    needs = programme.accrual_needs
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM loyalty_rule_facts(%s, %s, %s, %s, %s::text[], %s, %s::text[], %s::date[])",
            [member_id, *arguments(programme, needs, now)],
        )
        joined_at, tags, groups, used, drawn = cursor.fetchone()
    tier = Standing.objects.filter(member_id=member_id).values_list("tier", flat=True).first()
    levels = {code: tiers.levels[0].code for code, tiers in programme.tracks.items()}
    if levels:
        further = TrackStanding.objects.filter(member_id=member_id, track__in=levels)
        levels |= dict(further.values_list("track", "tier"))
    birthday = None
    if any(rule.when.birthday for rule in programme.accruals):
        profile = open_profiles([member_id]).get(member_id)
        born = profile.birthday if profile else None
        birthday = (born.month, born.day) if born else None
    context = SaleContext(
        at=now.astimezone(programme.zone),
        store="",
        channel="",
        tier=tier or programme.tiers.levels[0].code,
        birthday=birthday,
        traits=traits_of(programme, joined_at, tags, groups, is_first=False),
        track_tiers=frozenset(levels.values()),
    )
    return context, room_of(needs, used, drawn)


def post_earned(
    in_force: InForce, actor: Actor, member_id: UUID, kind: str, earned: list[Earned], now: datetime
) -> UUID:
    """The transfer that issues what was earned; a debt is settled first, the rest becomes a lot per asset and term."""
    programme, transfer_id = in_force.programme, uuid7()
    debts = dict(Account.objects.filter(member_id=member_id, debt__gt=0).values_list("asset", "debt"))
    legs: list[Leg] = []
    lots: list[Opened] = []
    slides: list[tuple[str, datetime]] = []
    for each in earned:
        settled = min(each.total, debts.get(each.asset, 0))
        explain: dict[str, Any] | None = {"rules": each.parts, "accrual": kind}
        if settled:
            legs.append(Leg("member", each.asset, settled, None, explain))
            explain = None
        for plan in lots_of(programme, each, settled, now):
            lot = Opened(
                uuid7(),
                each.asset,
                plan.amount,
                now,
                plan.active_at,
                plan.expires_at,
                plan.waits_for,
                plan.slides,
            )
            lots.append(lot)
            legs.append(Leg("member", each.asset, plan.amount, lot.id, explain))
            explain = None
        legs.append(Leg("issued", each.asset, -each.total))
        expiry = programme.expiry[each.asset]
        until = expires_at(expiry, now, programme) if expiry.slides else None
        if until is not None:
            slides.append((each.asset, until))
    cause = Cause(actor, now, programme_version_id=in_force.version_id)
    return post(transfer_id, "accrue", member_id, cause, legs, lots, slides)
