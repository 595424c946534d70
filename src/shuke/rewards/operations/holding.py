"""What holders and staff do with single pieces: claim one by its code, pass it to a friend, call it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.core.errors import InvalidInput, NotFound
from shuke.core.operations import NewEvent, publish_events, record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import local_date, start_of_day
from shuke.kit.ids import uuid7
from shuke.members.models import MemberStatus
from shuke.members.queries import get_member
from shuke.rewards.codes import read_public_code
from shuke.rewards.errors import (
    CouponClaimLimit,
    CouponCodeOver,
    CouponCodeTaken,
    CouponCodeUnknown,
    CouponHasNoHolder,
    CouponHolderNotActive,
    CouponHolderUnknown,
    CouponLapsed,
    CouponNotOpen,
    CouponNotTransferable,
    CouponPassedBefore,
    CouponPassedToSelf,
    CouponsOutOfStock,
    CouponTemplateOver,
    CouponTemplateUnknown,
    CouponUnknown,
)
from shuke.rewards.events import CLAIMED, PASSED, RECEIVED, VOIDED
from shuke.rewards.models import OPEN, CodeJob, Coupon, CouponEvent, State
from shuke.rewards.operations.counting import count, stock_left, take_counter
from shuke.rewards.operations.issuing import MAX_REASON
from shuke.rewards.queries import FoundCode, find_code
from shuke.rewards.terms import terms_of
from shuke.rewards.values import CouponTemplate, Period

_STATES = {
    "issued": pgettext_lazy("coupon", "issued"),
    "held": pgettext_lazy("coupon", "held"),
    "used": pgettext_lazy("coupon", "used"),
    "expired": pgettext_lazy("coupon", "expired"),
    "void": pgettext_lazy("coupon", "void"),
}


def claim_code(
    *,
    actor: Actor,
    member_id: UUID,
    code: str,
    templates: Mapping[str, CouponTemplate],
    version_id: UUID,
    zone: ZoneInfo,
    now: datetime,
) -> Coupon:
    """A member takes a unique code, or a piece of a public one, into their pocket.

    `templates` are those in force, by code. A member claims at most what the template's `per_member` allows in each of its
    periods; one who has claimed the unique code already is answered with the same piece.

    :raises CouponCodeUnknown, CouponCodeTaken, CouponCodeOver, CouponTemplateUnknown, CouponTemplateOver:
    :raises CouponClaimLimit, CouponsOutOfStock, CouponHolderUnknown, CouponHolderNotActive:
    """
    require_holder(member_id, "member_id")
    found = find_code(code)
    if found is None:
        public = read_public_code(code)
        template = next((each for each in templates.values() if each.public_code == public != ""), None)
        if template is None:
            raise CouponCodeUnknown(field="code")
        with transaction.atomic():
            return _claim_public(actor, member_id, template, version_id, zone, now)
    if found.template not in templates:
        raise CouponTemplateUnknown(field="code", template=found.template)
    with transaction.atomic():
        return _claim_unique(actor, member_id, found, templates[found.template], zone, now)


def _claim_public(
    actor: Actor,
    member_id: UUID,
    template: CouponTemplate,
    version_id: UUID,
    zone: ZoneInfo,
    now: datetime,
) -> Coupon:
    begins, ends = _terms(template, now, zone)
    # The counter first: of two claims of one member, the second looks after the first is done.
    counter = take_counter(template.code)
    earlier = _check_claims(member_id, template, zone, now)
    limits = template.limits
    if limits.stock is not None and counter.issued >= limits.stock:
        raise CouponsOutOfStock(field="code", template=template.code, left=stock_left(template), asked=1)
    coupon = Coupon.objects.create(
        id=uuid7(),
        template=template.code,
        state=State.HELD,
        member_id=member_id,
        issued_to=member_id,
        source="claim",
        reference=template.public_code,
        nth=earlier + 1,
        issued_at=now,
        valid_from=begins,
        valid_until=ends,
        programme_version_id=version_id,
    )
    count(template.code, now, issued=1, held=1, stock=limits.stock, alarm=limits.alarm_percent)
    _tell(coupon, actor, now, "issued", CLAIMED, cause="claim")
    return coupon


def _claim_unique(
    actor: Actor, member_id: UUID, found: FoundCode, template: CouponTemplate, zone: ZoneInfo, now: datetime
) -> Coupon:
    # The job, the piece, the counter, as a sale takes them: whoever took two of them the other way round would end up
    # waiting for a till that waits for them. The job is shared, and only its end waits for us.
    job = CodeJob.objects.raw("SELECT * FROM rewards_codejob WHERE id = %s FOR SHARE", [found.job_id])[0]
    piece = Coupon.objects.select_for_update().filter(code_blind=found.blind)
    held = piece.first()
    if held is None:
        if job.ended_at is not None or (job.valid_until and job.valid_until <= now):
            raise CouponCodeOver(field="code")
        made = Coupon(
            id=uuid7(),
            template=template.code,
            state=State.ISSUED,
            source="code",
            code_blind=found.blind,
            last_four=found.last_four,
            job_id=job.id,
            issued_at=now,
            valid_from=now,
            programme_version_id=job.programme_version_id,
        )
        # Waits for a rival who is making the same piece; then it is theirs.
        Coupon.objects.bulk_create([made], ignore_conflicts=True)
        held = piece.get()
    if held.state == State.HELD and held.member_id == member_id:
        return held
    if held.state != State.ISSUED:
        over = held.state in (State.EXPIRED, State.VOID)
        raise (CouponCodeOver if over else CouponCodeTaken)(field="code")
    take_counter(template.code)
    _check_claims(member_id, template, zone, now)
    begins, ends = _terms(template, now, zone)
    held.state, held.member_id = State.HELD, member_id
    held.issued_at, held.valid_from, held.valid_until, held.noticed = now, begins, ends, None
    held.save()
    count(template.code, now, held=1)
    _tell(held, actor, now, "held", CLAIMED, cause="claim")
    return held


def _terms(template: CouponTemplate, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    begins, ends = terms_of(template.validity, now, zone)
    if ends is not None and (ends <= now or ends <= begins):
        raise CouponTemplateOver(field="code", template=template.code)
    return begins, ends


def _check_claims(member_id: UUID, template: CouponTemplate, zone: ZoneInfo, now: datetime) -> int:
    """How many pieces of the public code the member ever claimed. Raises CouponClaimLimit. The caller holds the counter."""
    claimed = Coupon.objects.filter(template=template.code, source__in=("claim", "code"))
    limits = template.limits
    if limits.per_member is not None:
        since = start_of_day(period_start(limits.per_member_per, local_date(now, zone)), zone)
        recent = claimed.filter(issued_at__gte=since)
        # Who passed a claimed piece on has had it nevertheless; who was given one has claimed nothing.
        had = recent.filter(member_id=member_id, passed_from__isnull=True).count()
        had += recent.filter(passed_from=member_id).count()
        if had >= limits.per_member:
            raise CouponClaimLimit(field="code", most=limits.per_member)
    return claimed.filter(issued_to=member_id, source="claim", reference=template.public_code).count()


def period_start(period: Period, day: date) -> date:
    """The first day of the period that holds a local day; weeks begin on Monday, and "all" long ago."""
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    return date(2000, 1, 1)


def pass_coupon(
    *, actor: Actor, coupon_id: UUID, receiver_id: UUID, template: CouponTemplate | None, now: datetime
) -> Coupon:
    """Give a held piece to another member. It keeps its term, and it is passed on once.

    `template` as in force; None, or one that does not allow it, refuses. Raises CouponUnknown, CouponNotOpen, CouponLapsed,
    CouponHasNoHolder, CouponNotTransferable, CouponPassedBefore, CouponPassedToSelf, CouponHolderUnknown,
    CouponHolderNotActive.
    """
    with transaction.atomic():
        coupon = _locked(coupon_id)
        sender_id = _may_pass(coupon, template, now)
        if receiver_id == sender_id:
            raise CouponPassedToSelf(field="receiver_id")
        require_holder(sender_id, "coupon_id")
        require_holder(receiver_id, "receiver_id")
        coupon.member_id, coupon.passed_from, coupon.noticed = receiver_id, sender_id, None
        coupon.save(update_fields=["member_id", "passed_from", "noticed"])
        CouponEvent.objects.create(
            coupon_id=coupon.id, kind="passed", at=now, member_id=receiver_id, actor=actor.reference
        )
        facts = {"coupon_id": str(coupon.id), "template": coupon.template}
        given, got = {"receiver_id": str(receiver_id)}, {"sender_id": str(sender_id)}
        publish_events(
            [
                NewEvent(name=PASSED, member_id=sender_id, occurred_at=now, payload={**facts, **given}),
                NewEvent(name=RECEIVED, member_id=receiver_id, occurred_at=now, payload={**facts, **got}),
            ]
        )
        record_audit(
            actor=actor,
            action=PASSED,
            now=now,
            object_type="coupon",
            object_id=coupon.id,
            data={"template": coupon.template, "from": sender_id, "to": receiver_id},
        )
    return coupon


def _may_pass(coupon: Coupon, template: CouponTemplate | None, now: datetime) -> UUID:
    """The holder, when the piece may be passed on."""
    if coupon.state not in OPEN:
        raise CouponNotOpen(state=state_word(coupon.state))
    if coupon.member_id is None:
        raise CouponHasNoHolder
    if template is None or not template.transferable:
        raise CouponNotTransferable
    if coupon.passed_from is not None:
        raise CouponPassedBefore
    if coupon.valid_until is not None and coupon.valid_until <= now:
        raise CouponLapsed
    return coupon.member_id


def void_coupon(*, actor: Actor, coupon_id: UUID, reason: str, now: datetime) -> Coupon:
    """Call a piece back: its holder loses it, and it does not return to the stock. Raises CouponUnknown, CouponNotOpen."""
    reason = checked_reason(reason)
    with transaction.atomic():
        coupon = _locked(coupon_id)
        if coupon.state not in OPEN:
            raise CouponNotOpen(state=state_word(coupon.state))
        was, coupon.state = coupon.state, State.VOID
        coupon.save(update_fields=["state"])
        count(coupon.template, now, held=-1 if was == State.HELD else 0, void=1)
        _tell(coupon, actor, now, "void", VOIDED, cause=reason)
        record_audit(
            actor=actor,
            action=VOIDED,
            now=now,
            object_type="coupon",
            object_id=coupon.id,
            reason=reason,
            data={"template": coupon.template, "member_id": coupon.member_id},
        )
    return coupon


def checked_reason(reason: str) -> str:
    """The reason as it is kept. Raises InvalidInput when there is none."""
    reason = clean_text("reason", reason, MAX_REASON)
    if not reason:
        raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the coupon."))
    return reason


def require_holder(member_id: UUID, field: str) -> None:
    """The member exists and is active. Raises CouponHolderUnknown, CouponHolderNotActive."""
    try:
        member = get_member(member_id)
    except NotFound as error:
        raise CouponHolderUnknown(field=field) from error
    if member.status != MemberStatus.ACTIVE:
        raise CouponHolderNotActive(field=field)


def state_word(state: str) -> str:
    """A state in the active language."""
    return str(_STATES.get(state, state))


def _locked(coupon_id: UUID) -> Coupon:
    coupon = Coupon.objects.select_for_update().filter(id=coupon_id).first()
    if coupon is None:
        raise CouponUnknown
    return coupon


def _tell(coupon: Coupon, actor: Actor, now: datetime, kind: str, name: str, *, cause: str) -> None:
    CouponEvent.objects.create(
        coupon_id=coupon.id,
        kind=kind,
        at=now,
        member_id=coupon.member_id,
        cause=cause,
        actor=actor.reference,
    )
    facts = {"coupon_id": str(coupon.id), "template": coupon.template, "source": coupon.source}
    publish_events([NewEvent(name=name, member_id=coupon.member_id, occurred_at=now, payload=facts)])
