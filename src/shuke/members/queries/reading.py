"""Read members' files: in clear for code that needs it, masked for everything that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import F, QuerySet

from shuke.core.errors import NotFound
from shuke.core.keyset import keyset
from shuke.members.errors import ProfileErased
from shuke.members.models import AttributeDefinition, DataKey, Identifier, IdentifierKind, Member
from shuke.members.prepare import open_identifier
from shuke.members.profile import Profile, mask_code, mask_email, mask_name, mask_phone, open_profile
from shuke.members.values import Candidate, MaskedIdentifier


def open_profiles(ids: Iterable[UUID]) -> dict[UUID, Profile]:
    """Clear profiles by member id, for jobs and rules; erased and unknown members are left out. One query.

    What a person sees goes through `unmask_profile` instead, which puts it on record.
    """
    keys = keyset()
    rows = Member.objects.filter(id__in=list(ids), data_key__isnull=False).values_list(
        "id", "profile", "data_key__wrapped"
    )
    return {
        member_id: open_profile(member_id, keys.unwrap(bytes(wrapped), member_id.bytes), sealed)
        for member_id, sealed, wrapped in rows
    }


def get_candidate(member_id: UUID) -> Candidate:
    """One member as staff see it before unmasking. Raises NotFound."""
    rows = candidates(Member.objects.filter(id=member_id))
    if not rows:
        raise NotFound
    return rows[0]


def candidates(members: QuerySet[Member], matched_by: Mapping[UUID, str] | None = None) -> list[Candidate]:
    """The members of a query, masked, in its order. One query."""
    keys = keyset()
    matches = matched_by or {}
    found = []
    for member in members.annotate(wrapped=F("data_key__wrapped")):
        profile = (
            open_profile(member.id, keys.unwrap(member.wrapped, member.id.bytes), member.profile)
            if member.wrapped is not None
            else Profile()
        )
        found.append(
            Candidate(
                member_id=member.id,
                number=member.number,
                status=member.status,
                name=mask_name(profile.name),
                phone=mask_phone(profile.phone),
                email=mask_email(profile.email),
                tags=tuple(member.tags),
                attributes=member.attributes,
                join_store_id=member.join_store_id,
                join_channel=member.join_channel_id,
                joined_at=member.joined_at,
                matched_by=matches.get(member.id, ""),
            )
        )
    return found


def list_identifiers(member_id: UUID) -> list[MaskedIdentifier]:
    """The member's identifiers, masked, oldest first. Raises ProfileErased when they can no longer be read."""
    rows = list(Identifier.objects.filter(member_id=member_id).order_by("created_at", "id"))
    if not rows:
        return []
    wrapped = DataKey.objects.filter(member_id=member_id).values_list("wrapped", flat=True).first()
    if wrapped is None:
        raise ProfileErased
    data_key = keyset().unwrap(bytes(wrapped), member_id.bytes)
    return [
        MaskedIdentifier(
            id=row.id,
            kind=row.kind,
            system=row.system,
            value=_masked(row.kind, open_identifier(data_key, row.id, row.value)),
            created_at=row.created_at,
            verified_at=row.verified_at,
        )
        for row in rows
    ]


def list_attribute_definitions() -> list[AttributeDefinition]:
    """Every custom attribute, by code."""
    return list(AttributeDefinition.objects.order_by("code"))


def _masked(kind: str, value: str) -> str:
    match kind:
        case IdentifierKind.PHONE:
            return mask_phone(value)
        case IdentifierKind.EMAIL:
            return mask_email(value)
    return mask_code(value)
