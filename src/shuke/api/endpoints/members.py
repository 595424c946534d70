"""Register, find, read and change members; their balances and what moved them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from ninja import Router

from shuke.api.contracts.members import (
    Candidates,
    Entries,
    EntriesQuery,
    IdentifyIn,
    MemberChange,
    MemberDetail,
    MemberIn,
    MemberList,
    MemberQuery,
    MembersQuery,
    QrCode,
    TagsIn,
)
from shuke.api.cursors import BY_ENTRY, BY_TIME, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.api.stores import covered_store, store_codes
from shuke.checkout.words import explain_entry
from shuke.core.errors import IdempotencyConflict, InvalidInput, NotFound
from shuke.core.operations import record_audit
from shuke.core.values import Scope
from shuke.ledger.queries import list_entries
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import programme_at
from shuke.members.errors import IdentifierTaken, ProfileErased, QrExpired, QrInvalid, QrUsed
from shuke.members.operations import change_status, register_member, set_attributes, set_tags, update_member
from shuke.members.profile import PROFILE_FIELDS, Profile
from shuke.members.qr import issue_qr
from shuke.members.queries import (
    candidate_by_phone,
    candidates_exactly,
    find_member,
    get_candidate,
    identify,
    list_members,
    open_profiles,
)
from shuke.members.values import Candidate, MemberFilters

router = Router()


@endpoint(
    router,
    "POST",
    "/members",
    scope=Scope.MEMBERS_WRITE,
    body=MemberIn,
    answers={201: MemberDetail},
    tag="members",
    keyed="once",
    refusals=(IdentifierTaken, InvalidInput, IdempotencyConflict),
)
def register(call: Call, body: MemberIn) -> tuple[int, dict[str, Any]]:
    """Register a member.

    Phone, e-mail, cards and external ids must be nobody else's. The answer is masked.
    """
    external = {given.system: given.value for given in body.external_ids}
    if len(external) < len(body.external_ids):
        raise InvalidInput(field="external_ids", reason=_("Give one id for each system."))
    member = register_member(
        actor=call.caller.as_actor(),
        now=call.now,
        profile=Profile(**{name: getattr(body, name) for name in PROFILE_FIELDS}),
        join_store_id=covered_store(call, body.join_store, "join_store") if body.join_store else None,
        join_channel=body.join_channel,
        number=body.number,
        tags=body.tags,
        attributes=body.attributes,
        cards=body.cards,
        external_ids=external,
    )
    return 201, _detail(call, get_candidate(member.id))


@endpoint(
    router,
    "GET",
    "/members",
    scope=Scope.MEMBERS_READ,
    query=MembersQuery,
    answers={200: MemberList},
    tag="members",
    refusals=(InvalidInput,),
)
def members(call: Call, query: MembersQuery) -> tuple[int, dict[str, Any]]:
    """List or search members, newest first, masked.

    A key that covers some stores sees the members who joined there.
    """
    stores = call.stores
    if not isinstance(query.store, msgspec.UnsetType):
        stores = frozenset({covered_store(call, query.store, "store")})
    page = list_members(
        MemberFilters(
            text=query.text or "",
            status=query.status or "",
            tag=query.tag or "",
            store_ids=stores,
            joined_from=query.joined_from or None,
            joined_before=query.joined_to or None,
        ),
        checked_cursor(query.cursor, BY_TIME),
        limit=query.limit,
    )
    return 200, {"members": _rows(page.rows), "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/members/identify",
    scope=Scope.MEMBERS_READ,
    body=IdentifyIn,
    answers={200: Candidates},
    tag="members",
    keyed="optional",
    refusals=(QrExpired, QrUsed, QrInvalid, InvalidInput),
)
def identify_members(call: Call, body: IdentifyIn) -> tuple[int, dict[str, Any]]:
    """Find out who stands at the till.

    Searches the whole chain, whatever stores the key covers, and answers masked. A member code (QR) is used up by this
    call: send an Idempotency-Key with it, so that a lost answer can be asked for again.
    """
    if body.kind == "any":
        found = candidates_exactly(body.text) or identify(body.text, call.now)
    elif body.kind == "phone":
        known = candidate_by_phone(body.text)
        found = [known] if known else []
    else:
        member = find_member(body.kind, body.text)
        found = [get_candidate(member.id)] if member else []
    rows = _rows(found)
    for row, candidate in zip(rows, found, strict=True):
        row["matched_by"] = candidate.matched_by or body.kind
    return 200, {"candidates": rows}


@endpoint(
    router,
    "GET",
    "/members/{member_id}",
    scope=Scope.MEMBERS_READ,
    query=MemberQuery,
    answers={200: MemberDetail},
    tag="members",
    refusals=(NotFound, ProfileErased),
)
def member(call: Call, member_id: UUID, query: MemberQuery) -> tuple[int, dict[str, Any]]:
    """Read a member.

    Masked, unless `include=personal` asks for the clear data: that needs the scope members:personal, and each such read
    is written to the audit log under the name of the key.
    """
    if query.include:
        call.caller.require(Scope.MEMBERS_PERSONAL)
    candidate = _covered(call, member_id)
    return 200, _detail(call, candidate, _clear(call, candidate) if query.include else None)


@endpoint(
    router,
    "PATCH",
    "/members/{member_id}",
    scope=Scope.MEMBERS_WRITE,
    body=MemberChange,
    answers={200: MemberDetail},
    tag="members",
    keyed="once",
    refusals=(NotFound, ProfileErased, IdentifierTaken, InvalidInput, IdempotencyConflict),
)
def change_member(call: Call, member_id: UUID, body: MemberChange) -> tuple[int, dict[str, Any]]:
    """Change a member.

    Fields not named stay. A new phone or e-mail takes the place of the old one as identifier, too. The answer is masked.
    """
    _covered(call, member_id)
    who: dict[str, Any] = {"actor": call.caller.as_actor(), "now": call.now, "member_id": member_id}
    changes = {name: value for name in PROFILE_FIELDS if (value := getattr(body, name)) is not msgspec.UNSET}
    if changes:
        update_member(changes=changes, **who)
    if body.attributes is not msgspec.UNSET:
        set_attributes(attributes=body.attributes, **who)
    if not isinstance(body.status, msgspec.UnsetType):
        if not body.reason:
            raise InvalidInput(field="reason", reason=_("State the reason for the change of status."))
        change_status(status=body.status, reason=body.reason, **who)
    return 200, _detail(call, get_candidate(member_id))


@endpoint(
    router,
    "PUT",
    "/members/{member_id}/tags",
    scope=Scope.MEMBERS_WRITE,
    body=TagsIn,
    answers={200: MemberDetail},
    tag="members",
    keyed="once",
    refusals=(NotFound, InvalidInput, IdempotencyConflict),
)
def replace_tags(call: Call, member_id: UUID, body: TagsIn) -> tuple[int, dict[str, Any]]:
    """Set a member's tags."""
    _covered(call, member_id)
    set_tags(actor=call.caller.as_actor(), now=call.now, member_id=member_id, tags=body.tags)
    return 200, _detail(call, get_candidate(member_id))


@endpoint(
    router,
    "POST",
    "/members/{member_id}/qr",
    scope=Scope.MEMBERS_READ,
    answers={201: QrCode},
    tag="members",
    refusals=(NotFound,),
)
def member_qr(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """Make the member code of this minute.

    For apps that show the code on the member's phone. It stores nothing, so it takes no Idempotency-Key.
    """
    _covered(call, member_id)
    token, expires_at = issue_qr(member_id, call.now)
    return 201, {"token": token, "expires_at": expires_at}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/entries",
    scope=Scope.LEDGER_READ,
    query=EntriesQuery,
    answers={200: Entries},
    tag="members",
    refusals=(NotFound, InvalidInput),
)
def member_entries(call: Call, member_id: UUID, query: EntriesQuery) -> tuple[int, dict[str, Any]]:
    """List what moved a member's balances, newest first.

    Each entry explains itself: in words (`explanation`, in the language of Accept-Language) and in structure
    (`explain`: the rules and what each gave).
    """
    _covered(call, member_id)
    page = list_entries(
        member_id, asset=query.asset or None, cursor=checked_cursor(query.cursor, BY_ENTRY), limit=query.limit
    )
    rows = [
        {
            **{name: getattr(entry, name) for name in type(entry).__slots__},
            "explanation": explain_entry(entry),
        }
        for entry in page.entries
    ]
    return 200, {"entries": rows, "next_cursor": page.next_cursor}


def _covered(call: Call, member_id: UUID) -> Candidate:
    """The member, masked. Raises NotFound, also for one who joined at a store that the key does not cover."""
    candidate = get_candidate(member_id)
    if not call.covers(candidate.join_store_id):
        raise NotFound
    return candidate


def _clear(call: Call, candidate: Candidate) -> dict[str, Any]:
    """The clear profile. The audit row is committed before anything is shown. Raises ProfileErased."""
    with transaction.atomic():
        profile = open_profiles([candidate.member_id]).get(candidate.member_id)
        if profile is None:
            raise ProfileErased
        record_audit(
            actor=call.caller.as_actor(),
            action="members.read_personal",
            now=call.now,
            object_type="member",
            object_id=candidate.member_id,
            store_id=candidate.join_store_id,
        )
    return {**{name: getattr(profile, name) for name in PROFILE_FIELDS}, "extra": dict(profile.extra)}


def _rows(found: Iterable[Candidate]) -> list[dict[str, Any]]:
    candidates = list(found)
    codes = store_codes(candidate.join_store_id for candidate in candidates)
    return [
        {
            "id": candidate.member_id,
            "number": candidate.number,
            "status": candidate.status,
            "name": candidate.name,
            "phone": candidate.phone,
            "email": candidate.email,
            "tags": candidate.tags,
            "attributes": candidate.attributes,
            "join_store": codes.get(candidate.join_store_id) if candidate.join_store_id else None,
            "join_channel": candidate.join_channel,
            "joined_at": candidate.joined_at,
        }
        for candidate in candidates
    ]


def _detail(call: Call, candidate: Candidate, personal: dict[str, Any] | None = None) -> dict[str, Any]:
    standing = Standing.objects.filter(member_id=candidate.member_id).first()
    in_force = programme_at(call.now)
    lowest = in_force.programme.tiers.levels[0].code if in_force else None
    return {
        **_rows([candidate])[0],
        "tier": standing.tier if standing else lowest,
        "tier_since": standing.since if standing else candidate.joined_at,
        "tier_review_at": standing.review_at if standing else None,
        "personal": personal,
    }
