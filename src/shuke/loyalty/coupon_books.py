"""Coupons under the programme in force: it says which templates there are, on which terms and within which limits.

The room of rewards knows no programme; these are its operations with the template filled in. One call is one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.queries import InForce, programme_at
from shuke.members.models import Member, MemberStatus
from shuke.rewards import operations
from shuke.rewards.errors import (
    CouponHolderNotActive,
    CouponHolderUnknown,
    CouponTemplateUnknown,
    TooManyHolders,
)
from shuke.rewards.models import CodeJob, Coupon
from shuke.rewards.operations import Issued
from shuke.rewards.queries import get_coupon
from shuke.rewards.values import CouponTemplate

MAX_HOLDERS = 500
"""Members in one call by hand; what concerns more of them is a campaign's or a job's work, in batches."""
MAX_EACH = 20


def coupon_programme(now: datetime) -> InForce:
    """The programme whose templates count at `now`. Raises NoProgramme."""
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force


def coupon_template(code: str, now: datetime) -> tuple[InForce, CouponTemplate]:
    """A template in force, and the programme that says so. Raises NoProgramme, CouponTemplateUnknown."""
    in_force = coupon_programme(now)
    template = in_force.programme.coupons.get(code)
    if template is None:
        raise CouponTemplateUnknown(field="template", template=code[:40])
    return in_force, template


def give_coupons(
    *,
    actor: Actor,
    template: str,
    member_ids: Sequence[UUID],
    reason: str,
    now: datetime,
    reference: str = "",
    count: int = 1,
    source: str = "manual",
) -> Issued:
    """Hand out pieces by hand; all or none. Each call is an act of its own, unless `reference` names one that was done before.

    :raises NoProgramme, CouponTemplateUnknown, CouponTemplateOver, CouponsOutOfStock, TooManyHolders:
    :raises CouponHolderUnknown, CouponHolderNotActive: with the place in the list.
    """
    in_force, kind = coupon_template(template, now)
    if not 1 <= len(member_ids) <= MAX_HOLDERS:
        raise TooManyHolders(field="members", most=MAX_HOLDERS)
    found = dict(Member.objects.filter(id__in=member_ids).values_list("id", "status"))
    for place, member_id in enumerate(member_ids):
        if member_id not in found:
            raise CouponHolderUnknown(field=f"members/{place}")
        if found[member_id] != MemberStatus.ACTIVE:
            raise CouponHolderNotActive(field=f"members/{place}")
    return operations.issue_coupons(
        actor=actor,
        template=kind,
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        member_ids=member_ids,
        source=source,
        reference=reference or str(uuid7()),
        now=now,
        count=count,
        reason=reason,
    )


def claim_coupon(*, actor: Actor, member_id: UUID, code: str, now: datetime) -> Coupon:
    """As `rewards.operations.claim_code`, under the programme in force. Raises NoProgramme, too."""
    in_force = coupon_programme(now)
    return operations.claim_code(
        actor=actor,
        member_id=member_id,
        code=code,
        templates=in_force.programme.coupons,
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        now=now,
    )


def hand_on_coupon(*, actor: Actor, coupon_id: UUID, receiver_id: UUID, now: datetime) -> Coupon:
    """As `rewards.operations.pass_coupon`: whether it may be passed on is what the programme in force says."""
    in_force = programme_at(now)
    template = in_force.programme.coupons.get(get_coupon(coupon_id).template) if in_force else None
    return operations.pass_coupon(
        actor=actor, coupon_id=coupon_id, receiver_id=receiver_id, template=template, now=now
    )


def order_coupon_codes(*, actor: Actor, template: str, count: int, note: str, now: datetime) -> CodeJob:
    """As `rewards.operations.order_codes`, under the programme in force. Raises NoProgramme, CouponTemplateUnknown, too."""
    in_force, kind = coupon_template(template, now)
    return operations.order_codes(
        actor=actor,
        template=kind,
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        count=count,
        note=note,
        now=now,
    )
