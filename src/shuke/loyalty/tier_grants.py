"""Levels that are given: by hand within the limits of a role, for points, or by a plan. Each is given once, and ends once.

A granted level stands beside the earned one; the higher of them is the tier held (`loyalty.tier_logic`). The member's book is
the lock, as for every other change of a tier.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput, NotAllowed
from shuke.core.models import Staff
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor, Permission
from shuke.kit.ids import uuid7
from shuke.ledger.values import KEY_ROLE
from shuke.ledger.writing import take_books
from shuke.loyalty.errors import BeyondOverrideLimit, GrantNotByHand, GrantOver, NoProgramme, UnknownGrant
from shuke.loyalty.models import TierGrant
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_logic import Grant, TierState, end_grants, grant
from shuke.loyalty.tier_rows import lowest, states_of, write_moves
from shuke.loyalty.tiers import OverrideLimit, Tiers
from shuke.members.models import MemberStatus
from shuke.members.queries import get_member, joined_days

GrantSource = Literal["override", "bought", "plan"]
MAX_REFERENCE = 80
LATEST_YEAR = 2199


def grant_tier(
    *,
    actor: Actor,
    member_id: UUID,
    track: str,
    level: str,
    until: datetime | None,
    source: GrantSource,
    reference: str,
    now: datetime,
    reason: str = "",
    points: int = 0,
    transfer_id: UUID | None = None,
) -> TierGrant:
    """Give a level of a track ("" is the main one) until an instant, or (None) until it is ended; for each reference once.

    Asked again with the same source and reference it answers with the grant that there is. What is bought tells the points
    and the transfer that paid.

    :raises NotFound: when there is no such member; InvalidInput for a track or level that the programme in force does not
        have, an end that is not later than now, or a membership that is not active. NoProgramme when none is in force.
    """
    in_force, tiers = _track(track, now)
    if level not in tiers.by_code:
        raise InvalidInput(field="level", reason=_("This track has no such level."))
    if until is not None and until <= now:
        raise InvalidInput(field="until", reason=_("This must be later than now."))
    if until is not None and until.year > LATEST_YEAR:
        # No local day is told of the very last instants: a file that holds one could not be opened any more.
        raise InvalidInput(
            field="until", reason=_("There is no such day. Leave the end out if it never ends.")
        )
    if not 0 < len(reference) <= MAX_REFERENCE:
        raise InvalidInput(field="reference", reason=_("Between 1 and 80 characters."))
    with transaction.atomic():
        if get_member(member_id).status != MemberStatus.ACTIVE:
            raise InvalidInput(field="member", reason=_("This membership is not active."))
        take_books([member_id])
        found = find_grant(member_id, source, reference)
        if found is not None:
            return found
        made = write_grant(
            in_force,
            tiers,
            member_id,
            level=level,
            until=until,
            source=source,
            reference=reference,
            by=actor.reference,
            reason=reason,
            now=now,
            points=points,
            transfer_id=transfer_id,
        )
        if source == "override":
            _tell(actor, "loyalty.tier_overridden.v1", made, now, reason)
    return made


def end_grant(*, actor: Actor, grant_id: UUID, reason: str = "", now: datetime) -> TierGrant:
    """End a granted level before its time; what is earned, or granted otherwise, is then held. Ending it again does nothing.

    :raises UnknownGrant: when there is none of this id; GrantOver when its time is over anyhow.
    """
    member_id = get_grant(grant_id).member_id
    with transaction.atomic():
        take_books([member_id])
        found = TierGrant.objects.get(id=grant_id)
        if found.ended_at is not None:
            return found
        if found.until is not None and found.until <= now:
            raise GrantOver
        write_end(_in_force(now), found, by=actor.reference, reason=reason, now=now)
        if found.cause == "override":
            _tell(actor, "loyalty.tier_override_ended.v1", found, now, reason)
    return found


def write_grant(
    in_force: InForce,
    tiers: Tiers,
    member_id: UUID,
    *,
    level: str,
    until: datetime | None,
    source: GrantSource,
    reference: str,
    by: str,
    now: datetime,
    reason: str = "",
    points: int = 0,
    transfer_id: UUID | None = None,
) -> TierGrant:
    """The row of a grant and the change that it brings. The caller holds the member's book, and has checked all of it."""
    given = Grant(uuid7(), level, until, source)
    made = TierGrant.objects.create(
        id=given.id,
        member_id=member_id,
        track=tiers.code,
        tier=level,
        cause=source,
        reference=reference,
        reason=reason,
        granted_at=now,
        until=until,
        granted_by=by,
        programme_version_id=in_force.version_id,
        points=points,
        transfer_id=transfer_id,
    )
    move = grant(tiers, _standing(tiers, member_id), given, now)
    write_moves(in_force.version_id, [(member_id, tiers.code, move)])
    return made


def write_end(in_force: InForce, found: TierGrant, *, by: str, reason: str, now: datetime) -> None:
    """The end of a grant that is alive and the change that it brings. The caller holds the member's book."""
    found.ended_id, found.ended_at = uuid7(), now
    found.ended_by, found.end_reason = by, reason
    found.save(update_fields=["ended_id", "ended_at", "ended_by", "end_reason"])
    tiers = in_force.programme.track(found.track)
    move = end_grants(tiers, _standing(tiers, found.member_id), [found.id], now) if tiers else None
    if move is not None:
        write_moves(in_force.version_id, [(found.member_id, found.track, move)])


def override_tier(
    *,
    actor: Actor,
    member_id: UUID,
    track: str,
    level: str,
    until: datetime | None,
    reason: str,
    reference: str = "",
    now: datetime,
) -> TierGrant:
    """Set a level by hand, as high and for as long as the track's `overrides` let the actor's role. Audited with its reason.

    `reference` makes a repeated call the same act. Raises as `grant_tier`, and NotAllowed or BeyondOverrideLimit.
    """
    if not reason.strip():
        raise InvalidInput(field="reason", reason=_("A reason is required."))
    _in, tiers = _track(track, now)
    limit = _limit(actor, tiers, level)
    if limit.days is not None and (until is None or until > now + timedelta(days=limit.days)):
        raise BeyondOverrideLimit(field="until", most=limit.days)
    return grant_tier(
        actor=actor,
        member_id=member_id,
        track=track,
        level=level,
        until=until,
        source="override",
        reference=reference or str(uuid7()),
        now=now,
        reason=reason.strip(),
    )


def end_override(*, actor: Actor, grant_id: UUID, reason: str, now: datetime) -> TierGrant:
    """End a level that was set by hand, by somebody whose role may set it. Audited with its reason; a second end does nothing.

    What a plan or points gave ends with them, not here.

    :raises UnknownGrant: when there is none of this id; GrantNotByHand for one of a plan or of points; GrantOver;
        NotAllowed and BeyondOverrideLimit as for setting it; InvalidInput without a reason.
    """
    if not reason.strip():
        raise InvalidInput(field="reason", reason=_("A reason is required."))
    found = get_grant(grant_id)
    if found.cause != "override":
        raise GrantNotByHand
    # A track that is no more has no limits left: its grants may be ended by whoever sets levels of the main one.
    programme = _in_force(now).programme
    _limit(actor, programme.track(found.track) or programme.tiers, found.tier)
    return end_grant(actor=actor, grant_id=grant_id, reason=reason.strip(), now=now)


def may_override(actor: Actor, track: str, now: datetime) -> OverrideLimit | None:
    """What the actor may set by hand on a track; None when nothing, or when there is no such track."""
    in_force = programme_at(now)
    tiers = in_force.programme.track(track) if in_force else None
    try:
        return tiers.overrides.get(_role(actor)) if tiers else None
    except NotAllowed:
        return None


def get_grant(grant_id: UUID) -> TierGrant:
    """A grant by its id. Raises UnknownGrant."""
    found = TierGrant.objects.filter(id=grant_id).first()
    if found is None:
        raise UnknownGrant
    return found


def find_grant(member_id: UUID, source: GrantSource, reference: str) -> TierGrant | None:
    """What was given to a member for this."""
    return TierGrant.objects.filter(member_id=member_id, cause=source, reference=reference).first()


def _in_force(now: datetime) -> InForce:
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force


def _track(track: str, now: datetime) -> tuple[InForce, Tiers]:
    in_force = _in_force(now)
    tiers = in_force.programme.track(track)
    if tiers is None:
        raise InvalidInput(field="track", reason=_("The programme in force has no such track."))
    return in_force, tiers


def _standing(tiers: Tiers, member_id: UUID) -> TierState:
    joined = joined_days([member_id])
    stored = states_of([member_id], tiers.code, joined).get(member_id)
    return stored or lowest(tiers, joined[member_id])


def _limit(actor: Actor, tiers: Tiers, level: str) -> OverrideLimit:
    """How far the actor's role goes on a track. Raises NotAllowed, and BeyondOverrideLimit for a level above it."""
    limit = tiers.overrides.get(_role(actor))
    if limit is None:
        raise NotAllowed
    wanted = tiers.by_code.get(level)
    if wanted is not None and limit.rank is not None and wanted.rank > limit.rank:
        raise BeyondOverrideLimit(field="level", most=tiers.levels[limit.rank].code)
    return limit


def _role(actor: Actor) -> str:
    """The role under which the actor's limits stand, read now. Raises NotAllowed."""
    if actor.kind == "key":
        return KEY_ROLE
    staff = Staff.objects.filter(id=actor.id).first() if actor.kind == "staff" and actor.id else None
    if staff is None or not staff.may(Permission.MEMBERS_WRITE):
        raise NotAllowed
    return staff.role


def _tell(actor: Actor, action: str, made: TierGrant, now: datetime, reason: str) -> None:
    """On record, and published: a level that stands beneath another one changes no tier, and is news all the same."""
    facts = {
        "grant": str(made.id),
        "track": made.track,
        "tier": made.tier,
        "until": made.until.isoformat() if made.until else None,
    }
    record_audit(
        actor=actor,
        action=action,
        now=now,
        object_type="member",
        object_id=made.member_id,
        reason=reason,
        data=facts,
    )
    publish_event(name=action, member_id=made.member_id, occurred_at=now, payload=facts)
