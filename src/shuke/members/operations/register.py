"""Register one member: the door of every till, form and app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Channel, Store
from shuke.core.errors import InvalidInput, OutOfStoreScope
from shuke.core.keyset import keyset
from shuke.core.models import Staff
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import storable
from shuke.core.values import Actor
from shuke.kit import jobs
from shuke.members.attributes import Definitions
from shuke.members.errors import IdentifierTaken
from shuke.members.models import (
    AttributeDefinition,
    DataKey,
    Identifier,
    IdentifierKind,
    Member,
    MemberStatus,
    SearchToken,
)
from shuke.members.numbers import new_number
from shuke.members.prepare import IdentifierKey, PreparedMember, prepare_member
from shuke.members.profile import Profile
from shuke.members.values import NewMember

REGISTERED = "members.member_registered.v1"
KIND_WORDS = {
    "number": _("member number"),
    IdentifierKind.PHONE.value: _("phone number"),
    IdentifierKind.EMAIL.value: _("e-mail address"),
    IdentifierKind.CARD.value: _("card"),
    IdentifierKind.EXTERNAL.value: _("external id"),
}
_ATTEMPTS = 5


def register_member(
    *,
    actor: Actor,
    now: datetime,
    profile: Profile,
    join_store_id: UUID | None = None,
    join_channel: str | None = None,
    join_staff_id: UUID | None = None,
    number: str | None = None,
    tags: Sequence[str] = (),
    attributes: Mapping[str, Any] | None = None,
    cards: Sequence[str] = (),
    external_ids: Mapping[str, str] | None = None,
) -> Member:
    """Register a member and return the row; the profile is encrypted, the identifiers and the name are searchable.

    Raises InvalidInput, OutOfStoreScope, or IdentifierTaken when another member has one of the identifiers; of two
    registrations of one phone at the same time exactly one succeeds.
    """
    new = NewMember(
        profile=profile,
        number=number,
        join_store_id=join_store_id,
        join_channel=join_channel,
        join_staff_id=join_staff_id,
        tags=tags,
        attributes=attributes or {},
        cards=cards,
        external_ids=external_ids or {},
    )
    with transaction.atomic():
        check_origin(actor, new)
        definitions = load_definitions() if new.attributes or profile.extra else {}
        prepared = prepare_member(new, keyset=keyset(), definitions=definitions, now=now)
        member = _write(prepared, now)
        record_audit(
            actor=actor,
            action="members.register_member",
            now=now,
            object_type="member",
            object_id=member.id,
            store_id=join_store_id,
            data={"identifiers": sorted(identifier.kind for identifier in prepared.identifiers)},
        )
        publish_event(
            name=REGISTERED, member_id=member.id, occurred_at=now, payload=registered_payload(prepared)
        )
        jobs.hurry(event=REGISTERED)  # at the desk the first purchase follows at once
    return member


def registered_payload(prepared: PreparedMember) -> dict[str, Any]:
    """What the world may know of a new member."""
    return {
        "join_store_id": prepared.join_store_id,
        "join_channel": prepared.join_channel,
        "joined_at": prepared.joined_at,
    }


def check_origin(actor: Actor, new: NewMember) -> None:
    """The store, channel and staff member of joining exist, and the actor covers the store.

    Raises OutOfStoreScope or InvalidInput.
    """
    if new.join_store_id is not None:
        if not actor.may_touch_store(new.join_store_id):
            raise OutOfStoreScope(field="join_store_id")
        if not Store.objects.filter(id=new.join_store_id).exists():
            raise InvalidInput(field="join_store_id", reason=_("There is no such store."))
    if new.join_channel is not None and not _channel_exists(new.join_channel):
        raise InvalidInput(field="join_channel", reason=_("There is no such channel."))
    if new.join_staff_id is not None and not Staff.objects.filter(id=new.join_staff_id).exists():
        raise InvalidInput(field="join_staff_id", reason=_("There is no such staff member."))


def _channel_exists(code: str) -> bool:
    return storable(code) == code and Channel.objects.filter(code=code).exists()


def load_definitions() -> Definitions:
    """Every attribute definition by its code."""
    return AttributeDefinition.objects.in_bulk()


def taken(kind: str) -> IdentifierTaken:
    """The refusal for an identifier of a kind."""
    return IdentifierTaken(field=kind, kind=KIND_WORDS[kind])


def find_taken(keys: Sequence[IdentifierKey]) -> set[IdentifierKey]:
    """Those of the keys that some member already has."""
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, system, blind FROM members_identifier WHERE blind = ANY(%s)",
            [[key[2] for key in keys]],
        )
        return {(kind, system, bytes(blind)) for kind, system, blind in cursor.fetchall()} & set(keys)


def _write(prepared: PreparedMember, now: datetime) -> Member:
    """Insert the rows of a member. A rival's insert of the same identifier is waited for and then reported."""
    for _attempt in range(_ATTEMPTS):
        clash = find_taken([identifier.key for identifier in prepared.identifiers])
        for identifier in prepared.identifiers:
            if identifier.key in clash:
                raise taken(identifier.kind)
        if prepared.number and Member.objects.filter(number=prepared.number).exists():
            raise taken("number")
        try:
            with transaction.atomic():
                return _insert(prepared, prepared.number or new_number(), now)
        except IntegrityError as error:
            if not is_identifier_clash(error):
                raise
    raise RuntimeError("identifiers of a new member kept clashing with rows that then could not be found")


def is_identifier_clash(error: IntegrityError) -> bool:
    """True when the database refused a member number or an identifier that is there already."""
    cause = error.__cause__
    name = getattr(getattr(cause, "diag", None), "constraint_name", None) or ""
    return name == "members_identifier_once" or name.startswith("members_member_number")


def _insert(prepared: PreparedMember, number: str, now: datetime) -> Member:
    member = Member.objects.create(
        id=prepared.id,
        number=number,
        status=MemberStatus.ACTIVE,
        profile=prepared.profile,
        tags=prepared.tags,
        attributes=prepared.attributes,
        join_store_id=prepared.join_store_id,
        join_channel_id=prepared.join_channel,
        join_staff_id=prepared.join_staff_id,
        joined_at=prepared.joined_at,
        updated_at=now,
    )
    DataKey.objects.create(member=member, wrapped=prepared.wrapped_key, created_at=now)
    # In the order of the unique index: two registrations that cross wait for each other, never in a circle.
    Identifier.objects.bulk_create(
        Identifier(
            id=identifier.id,
            member=member,
            kind=identifier.kind,
            system=identifier.system,
            blind=identifier.blind,
            value=identifier.value,
            created_at=now,
        )
        for identifier in sorted(prepared.identifiers, key=attrgetter("blind"))
    )
    SearchToken.objects.bulk_create(SearchToken(token=token, member=member) for token in prepared.tokens)
    return member
