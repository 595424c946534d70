"""Registering in bulk gives what registering one by one gives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shuke.catalog.operations import ensure_channel
from shuke.core.errors import InvalidInput, OutOfStoreScope
from shuke.core.keyset import keyset
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.members.errors import IdentifierTaken
from shuke.members.models import Identifier, Member, SearchToken
from shuke.members.numbers import is_valid_number, new_number
from shuke.members.operations import bulk, define_attribute, register_member, register_members_in_bulk
from shuke.members.prepare import open_identifier
from shuke.members.profile import Profile
from shuke.members.queries import identify, open_profiles
from shuke.members.values import NewMember
from tests.factories.catalog import make_store
from tests.factories.core import NOW
from tests.factories.members import make_member
from tests.members.test_register import race

pytestmark = pytest.mark.django_db


def contents(member: Member) -> dict[str, Any]:
    """Everything stored about a member but ids, keys and the number."""
    data_key = keyset().unwrap(bytes(member.data_key.wrapped), member.id.bytes)
    return {
        "profile": open_profiles([member.id])[member.id],
        "identifiers": sorted(
            (
                row.kind,
                row.system,
                bytes(row.blind),
                open_identifier(data_key, row.id, row.value),
                row.verified_at,
            )
            for row in Identifier.objects.filter(member=member)
        ),
        "tokens": {bytes(row.token) for row in SearchToken.objects.filter(member=member)},
        "row": (
            member.status,
            member.tags,
            member.attributes,
            member.join_store_id,
            member.join_channel_id,
            member.joined_at,
            member.updated_at,
        ),
        "event": OutboxEvent.objects.filter(member_id=member.id).values_list("name", "payload").get(),
    }


def test_bulk_stores_what_single_registration_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 3)
    store = make_store()
    ensure_channel("pos")
    define_attribute(actor=SYSTEM, now=NOW, code="size", kind="integer", labels={"en": "Size"})
    define_attribute(actor=SYSTEM, now=NOW, code="allergy", kind="text", labels={"en": "A"}, is_personal=True)
    rows = [
        NewMember(
            profile=Profile(name="林若溪", phone="138 1234 6621", email="LIN@example.com"), cards=["c-001"]
        ),
        NewMember(
            profile=Profile(name="欧阳娜娜", phone="13900000001"), tags=["b", "a"], join_store_id=store.id
        ),
        NewMember(profile=Profile(name="John Smith", note="多行\n备注"), join_channel="pos"),
        NewMember(attributes={"size": "38", "allergy": "花生"}, external_ids={"POS": "x", "web": "y"}),
        NewMember(profile=Profile(name="张三", phone="+1 650-253-0000")),
    ]
    result = register_members_in_bulk(actor=SYSTEM, now=NOW, rows=iter(rows))
    assert [index for index, _id in result.registered] == [0, 1, 2, 3, 4]
    assert result.refused == []
    in_bulk = [contents(Member.objects.get(id=member_id)) for _index, member_id in result.registered]
    assert all(is_valid_number(number) for number in Member.objects.values_list("number", flat=True))
    assert len(identify("linruoxi", NOW)) == 1

    Member.objects.all().delete()
    singly = [
        contents(
            register_member(
                actor=SYSTEM,
                now=NOW,
                profile=row.profile,
                join_store_id=row.join_store_id,
                join_channel=row.join_channel,
                tags=row.tags,
                attributes=row.attributes,
                cards=row.cards,
                external_ids=row.external_ids,
            )
        )
        for row in rows
    ]
    assert in_bulk == singly


def test_refused_rows_are_named_and_do_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    taken = new_number()
    make_member("在册", "13800000000", number=taken)
    other = make_store()
    clerk = Actor("staff", uuid7(), "c", all_stores=False)
    number = new_number()
    rows = [
        NewMember(profile=Profile(phone="13800000000")),
        NewMember(profile=Profile(phone="13800000001"), number=number),
        NewMember(profile=Profile(phone="13800000001")),
        NewMember(profile=Profile(phone="oops")),
        NewMember(profile=Profile(phone="13800000002"), join_store_id=other.id),
        NewMember(profile=Profile(phone="13800000003"), number=number),
        NewMember(profile=Profile(phone="13800000004"), joined_at=NOW + timedelta(seconds=1)),
        NewMember(profile=Profile(phone="13800000005"), number=taken),
        NewMember(profile=Profile(phone="13800000006"), joined_at=NOW - timedelta(days=900)),
        NewMember(profile=Profile(phone="13800000007", email="x@example.com"), join_store_id=uuid7()),
    ]
    result = register_members_in_bulk(actor=clerk, now=NOW, rows=rows)
    assert [index for index, _id in result.registered] == [1, 8]
    assert [(r.index, type(r.error), r.error.field) for r in result.refused] == [
        (0, IdentifierTaken, "phone"),
        (2, IdentifierTaken, "phone"),
        (3, InvalidInput, "phone"),
        (4, OutOfStoreScope, "join_store_id"),
        (5, IdentifierTaken, "number"),
        (6, InvalidInput, "joined_at"),
        (7, IdentifierTaken, "number"),
        (9, OutOfStoreScope, "join_store_id"),
    ]
    assert Member.objects.count() == 3
    old = Member.objects.get(id=result.registered[1][1])
    assert old.joined_at == NOW - timedelta(days=900)
    assert old.id < result.registered[0][1]
    audit = AuditEvent.objects.get(action="members.register_members_in_bulk")
    assert audit.data == {"registered": 2, "refused": 8}


def test_no_rows_are_no_trouble() -> None:
    result = register_members_in_bulk(actor=SYSTEM, now=NOW, rows=[])
    assert (result.registered, result.refused) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_register_each_person_once() -> None:
    def rows() -> list[NewMember]:
        return [NewMember(profile=Profile(name="张三", phone=f"139{n:08d}")) for n in range(300)]

    first, second = race(
        lambda: register_members_in_bulk(actor=SYSTEM, now=NOW, rows=rows()),
        lambda: register_members_in_bulk(actor=SYSTEM, now=NOW, rows=rows()),
    )
    assert Member.objects.count() == 300
    assert Identifier.objects.count() == 300
    assert len(first.registered) + len(second.registered) == 300
    assert len(first.refused) + len(second.refused) == 300
    assert OutboxEvent.objects.count() == 300
