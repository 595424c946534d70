"""Change a member's file: profile, status, identifiers, tags, attributes.

Each change is audited with the names of what changed, never with values, and told to the outbox in the same way. The
member's row is locked first, so that two changes at once do not overwrite each other's profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput, NotFound
from shuke.core.keyset import keyset
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.members.attributes import clean_tags, sort_attributes
from shuke.members.errors import ProfileErased
from shuke.members.identifiers import normalise, normalise_system
from shuke.members.models import DataKey, Identifier, IdentifierKind, Member, MemberStatus, SearchToken
from shuke.members.operations.register import find_taken, is_identifier_clash, load_definitions, taken
from shuke.members.prepare import (
    MAX_IDENTIFIERS,
    PreparedIdentifier,
    member_tokens,
    open_identifier,
    seal_identifier,
)
from shuke.members.profile import PROFILE_FIELDS, Profile, clean_profile, open_profile, seal_profile

UPDATED = "members.member_updated.v1"
MIN_REASON = 4


def update_member(*, actor: Actor, now: datetime, member_id: UUID, changes: Mapping[str, Any]) -> Member:
    """Change fields of the profile: name, phone, email, birthday, gender, address, note. None or "" clears one.

    A changed phone or e-mail replaces the identifier of the old one. Nothing happens when nothing differs.
    Raises NotFound, InvalidInput, IdentifierTaken, ProfileErased.
    """
    for field in changes:
        if field not in PROFILE_FIELDS:
            raise InvalidInput(field=str(field)[:40], reason=_("A profile has no such field."))
    with transaction.atomic():
        member, data_key = _lock(member_id)
        before = open_profile(member.id, data_key, member.profile)
        wanted = {field: _cleared(field, value) for field, value in changes.items()}
        after = clean_profile(replace(before, **wanted), today=now.date())
        changed = [field for field in PROFILE_FIELDS if getattr(before, field) != getattr(after, field)]
        if not changed:
            return member
        for kind in (IdentifierKind.PHONE, IdentifierKind.EMAIL):
            if kind in changed:
                _replace_identifier(member, data_key, kind, getattr(before, kind), getattr(after, kind), now)
        _store_profile(member, data_key, after)
        if {"name", "phone"} & set(changed):
            _sync_tokens(member, data_key, after)
        _tell(actor, member, now, "members.update_member", changed)
    return member


def change_status(*, actor: Actor, now: datetime, member_id: UUID, status: str, reason: str) -> Member:
    """Freeze, close or reactivate a member. Nothing happens when the status is that already.

    Raises NotFound, InvalidInput.
    """
    reason = check_reason(reason)
    if status not in MemberStatus.values:
        raise InvalidInput(field="status", reason=_("Status is one of: active, frozen, closed."))
    with transaction.atomic():
        member = _lock_row(member_id)
        if member.status == status:
            return member
        before, member.status = member.status, status
        _tell(
            actor,
            member,
            now,
            "members.change_status",
            ["status"],
            reason=reason,
            data={"from": before, "to": status},
        )
    return member


def add_identifier(
    *,
    actor: Actor,
    now: datetime,
    member_id: UUID,
    kind: str,
    value: str,
    system: str = "",
    is_verified: bool = False,
) -> Identifier:
    """Give a member one more phone, e-mail, card or external id. The first phone or e-mail joins the profile, too.

    An identifier that the member already has is returned as it is. Raises NotFound, InvalidInput, IdentifierTaken,
    ProfileErased.
    """
    system = normalise_system(system) if kind == IdentifierKind.EXTERNAL else ""
    normalised = normalise(kind, value, system)
    with transaction.atomic():
        member, data_key = _lock(member_id)
        prepared = seal_identifier(keyset(), data_key, kind, system, normalised)
        own = Identifier.objects.filter(member=member, blind=prepared.blind, kind=kind, system=system).first()
        if own is not None:
            return own
        identifier = _insert_identifier(member, prepared, now)
        if is_verified:
            identifier.verified_at = now
            identifier.save(update_fields=["verified_at"])
        profile = open_profile(member.id, data_key, member.profile)
        if kind in {IdentifierKind.PHONE, IdentifierKind.EMAIL} and not getattr(profile, kind):
            profile = _with_contact(profile, kind, normalised)
            _store_profile(member, data_key, profile)
        if kind == IdentifierKind.PHONE:
            _sync_tokens(member, data_key, profile)
        _tell(actor, member, now, "members.add_identifier", [kind], data={"kind": kind, "system": system})
    return identifier


def remove_identifier(*, actor: Actor, now: datetime, member_id: UUID, identifier_id: UUID) -> None:
    """Take an identifier away. The profile's own phone or e-mail is cleared with it, or replaced by another one left.

    Raises NotFound, ProfileErased.
    """
    with transaction.atomic():
        member, data_key = _lock(member_id)
        identifier = Identifier.objects.filter(id=identifier_id, member=member).first()
        if identifier is None:
            raise NotFound
        kind = str(identifier.kind)
        value = open_identifier(data_key, identifier.id, identifier.value)
        identifier.delete()
        profile = open_profile(member.id, data_key, member.profile)
        if kind in {IdentifierKind.PHONE, IdentifierKind.EMAIL} and getattr(profile, kind) == value:
            left = _values_of(member, data_key, kind)
            profile = _with_contact(profile, kind, left[0] if left else "")
            _store_profile(member, data_key, profile)
        if kind == IdentifierKind.PHONE:
            _sync_tokens(member, data_key, profile)
        data = {"kind": kind, "system": identifier.system}
        _tell(actor, member, now, "members.remove_identifier", [kind], data=data)


def set_tags(*, actor: Actor, now: datetime, member_id: UUID, tags: Iterable[str]) -> Member:
    """Replace the member's tags. Raises NotFound, InvalidInput."""
    clean = clean_tags(tags)
    with transaction.atomic():
        member = _lock_row(member_id)
        if list(member.tags) != clean:
            member.tags = clean
            _tell(actor, member, now, "members.set_tags", ["tags"])
    return member


def set_attributes(*, actor: Actor, now: datetime, member_id: UUID, attributes: Mapping[str, Any]) -> Member:
    """Set the attributes named, clear and personal ones alike; None removes one, others stay.

    Raises NotFound, InvalidInput, and ProfileErased for a personal one of an erased member.
    """
    clear, personal = sort_attributes(attributes, load_definitions())
    with transaction.atomic():
        member = _lock_row(member_id)
        wanted = {code: value for code, value in {**member.attributes, **clear}.items() if value is not None}
        changed = [code for code in clear if wanted.get(code) != member.attributes.get(code)]
        member.attributes = wanted
        if personal:
            data_key = _data_key(member)
            profile = open_profile(member.id, data_key, member.profile)
            extra = {code: text for code, text in {**profile.extra, **personal}.items() if text is not None}
            changed += [code for code in personal if extra.get(code) != profile.extra.get(code)]
            _store_profile(member, data_key, replace(profile, extra=extra))
        if changed:
            _tell(
                actor,
                member,
                now,
                "members.set_attributes",
                [f"attributes/{code}" for code in sorted(changed)],
            )
    return member


def check_reason(reason: str) -> str:
    """The reason, trimmed. Raises InvalidInput when it says nothing (under 4 letters; a Han character counts as two)."""
    clean = reason.strip()
    if sum(2 if c >= "\u2e80" else 1 for c in clean) < MIN_REASON:
        raise InvalidInput(field="reason", reason=_("Give a reason that another person understands."))
    if len(clean) > 300 or not clean.isprintable():
        raise InvalidInput(field="reason", reason=_("A reason is one line of at most 300 characters."))
    return clean


def _lock_row(member_id: UUID) -> Member:
    # "No key": a sale only refers to the member's id, so it neither waits for an edit nor deadlocks with one.
    member = Member.objects.select_for_update(no_key=True).filter(id=member_id).first()
    if member is None:
        raise NotFound
    return member


def _lock(member_id: UUID) -> tuple[Member, bytes]:
    member = _lock_row(member_id)
    return member, _data_key(member)


def _data_key(member: Member) -> bytes:
    wrapped = DataKey.objects.filter(member=member).values_list("wrapped", flat=True).first()
    if wrapped is None:
        raise ProfileErased
    return keyset().unwrap(bytes(wrapped), member.id.bytes)


def _cleared(field: str, value: Any) -> Any:
    if value is None or value == "":
        return None if field == "birthday" else ""
    return value


def _with_contact(profile: Profile, kind: str, value: str) -> Profile:
    return replace(profile, phone=value) if kind == IdentifierKind.PHONE else replace(profile, email=value)


def _store_profile(member: Member, data_key: bytes, profile: Profile) -> None:
    member.profile = seal_profile(member.id, data_key, profile)


def _replace_identifier(
    member: Member, data_key: bytes, kind: IdentifierKind, old: str, new: str, now: datetime
) -> None:
    if old:
        gone = seal_identifier(keyset(), data_key, kind.value, "", old)
        Identifier.objects.filter(member=member, kind=kind.value, blind=gone.blind).delete()
    if new:
        prepared = seal_identifier(keyset(), data_key, kind.value, "", new)
        if not Identifier.objects.filter(member=member, kind=kind.value, blind=prepared.blind).exists():
            _insert_identifier(member, prepared, now)


def _insert_identifier(member: Member, prepared: PreparedIdentifier, now: datetime) -> Identifier:
    if member.identifiers.count() >= MAX_IDENTIFIERS:
        raise InvalidInput(field=prepared.kind, reason=_("A member has at most 40 identifiers."))
    if find_taken([prepared.key]):
        raise taken(prepared.kind)
    try:
        with transaction.atomic():
            return Identifier.objects.create(
                id=prepared.id,
                member=member,
                kind=prepared.kind,
                system=prepared.system,
                blind=prepared.blind,
                value=prepared.value,
                created_at=now,
            )
    except IntegrityError as error:
        if is_identifier_clash(error):
            raise taken(prepared.kind) from error
        raise


def _values_of(member: Member, data_key: bytes, kind: str) -> list[str]:
    rows = Identifier.objects.filter(member=member, kind=kind).order_by("created_at", "id")
    return [open_identifier(data_key, row.id, row.value) for row in rows]


def _sync_tokens(member: Member, data_key: bytes, profile: Profile) -> None:
    """Make the stored search terms those of the profile and of all phones."""
    wanted = member_tokens(keyset(), profile.name, _values_of(member, data_key, IdentifierKind.PHONE.value))
    stored = {bytes(row) for row in SearchToken.objects.filter(member=member).values_list("token", flat=True)}
    if gone := stored - wanted:
        SearchToken.objects.filter(member=member, token__in=gone).delete()
    SearchToken.objects.bulk_create(SearchToken(token=token, member=member) for token in wanted - stored)


def _tell(
    actor: Actor,
    member: Member,
    now: datetime,
    action: str,
    changed: list[str],
    *,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Save the member, audit the change, and publish it."""
    member.updated_at = now
    member.save(update_fields=["profile", "status", "tags", "attributes", "updated_at"])
    record_audit(
        actor=actor,
        action=action,
        now=now,
        object_type="member",
        object_id=member.id,
        store_id=member.join_store_id,
        reason=reason,
        data={"changed": changed, **(data or {})},
    )
    publish_event(name=UPDATED, member_id=member.id, occurred_at=now, payload={"changed": changed})
