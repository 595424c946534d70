"""Show a member's personal data to a person: always with a reason, always on record."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from shuke.core.authority import require_manager
from shuke.core.errors import NotFound
from shuke.core.keyset import keyset
from shuke.core.operations import record_audit
from shuke.core.values import Actor, Permission
from shuke.members.errors import ProfileErased
from shuke.members.models import DataKey, Member
from shuke.members.operations.change import check_reason
from shuke.members.profile import Profile, open_profile


def unmask_profile(*, actor: Actor, now: datetime, member_id: UUID, reason: str) -> Profile:
    """The clear profile. The audit row is committed before the caller sees anything.

    Raises NotAllowed unless the actor's role grants it now (API keys never), InvalidInput for an empty reason,
    NotFound, ProfileErased.
    """
    require_manager(actor, Permission.MEMBERS_UNMASK)
    reason = check_reason(reason)
    with transaction.atomic():
        member = Member.objects.filter(id=member_id).first()
        if member is None:
            raise NotFound
        wrapped = DataKey.objects.filter(member=member).values_list("wrapped", flat=True).first()
        if wrapped is None:
            raise ProfileErased
        profile = open_profile(member.id, keyset().unwrap(bytes(wrapped), member.id.bytes), member.profile)
        record_audit(
            actor=actor,
            action="members.unmask_profile",
            now=now,
            object_type="member",
            object_id=member.id,
            store_id=member.join_store_id,
            reason=reason,
        )
    return profile
