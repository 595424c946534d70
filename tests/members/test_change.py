"""Changing a member's file: what changes, what is recorded, what never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from shuke.core.errors import InvalidInput, NotAllowed, NotFound
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor, Role
from shuke.kit.ids import uuid7
from shuke.members.errors import IdentifierTaken, ProfileErased
from shuke.members.models import DataKey, Identifier, Member, SearchToken
from shuke.members.operations import (
    add_identifier,
    change_status,
    define_attribute,
    remove_identifier,
    set_attributes,
    set_tags,
    unmask_profile,
    update_member,
)
from shuke.members.queries import find_member, identify, list_identifiers, open_profiles
from shuke.members.search import blind_terms, name_terms, phone_terms
from tests.factories.core import NOW, make_staff
from tests.factories.members import make_member
from tests.members.test_register import race

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def change(member: Member, **changes: Any) -> Member:
    return update_member(actor=SYSTEM, now=LATER, member_id=member.id, changes=changes)


def tokens(member: Member) -> set[bytes]:
    return {
        bytes(token) for token in SearchToken.objects.filter(member=member).values_list("token", flat=True)
    }


def last_audit() -> AuditEvent:
    event = AuditEvent.objects.order_by("-id").first()
    assert event is not None
    return event


def test_a_changed_profile_is_found_by_its_new_data_only() -> None:
    member = make_member("林若溪", "13812346621", email="lin@example.com")
    change(member, name="欧阳娜娜", phone="139 0000 0001", email="", birthday=date(1990, 1, 1))
    profile = open_profiles([member.id])[member.id]
    assert (profile.name, profile.phone, profile.email) == ("欧阳娜娜", "+8613900000001", "")
    assert (profile.birthday, profile.gender) == (date(1990, 1, 1), "female")
    assert find_member("phone", "13900000001") == member
    assert find_member("phone", "13812346621") is None
    assert find_member("email", "lin@example.com") is None
    assert identify("林若溪", NOW) == identify("6621", NOW) == []
    assert [row.member_id for row in identify("oynn", NOW)] == [member.id]
    from shuke.core.keyset import keyset

    assert tokens(member) == blind_terms(keyset(), name_terms("欧阳娜娜") | phone_terms(["+8613900000001"]))
    member.refresh_from_db()
    assert member.updated_at == LATER


def test_a_change_is_recorded_by_field_names_only() -> None:
    member = make_member()
    change(member, name="张三丰", note="秘密备注", gender="female")
    audit = last_audit()
    assert (audit.action, audit.data) == ("members.update_member", {"changed": ["name", "note"]})
    event = OutboxEvent.objects.order_by("-id").first()
    assert event is not None
    assert (event.name, event.payload) == ("members.member_updated.v1", {"changed": ["name", "note"]})


def test_a_change_that_changes_nothing_leaves_no_trace() -> None:
    member = make_member("林若溪", "13812346621", tags=["a"])
    before = (AuditEvent.objects.count(), OutboxEvent.objects.count(), bytes(member.profile))
    change(member, name=" 林若溪 ", phone="+86 138 1234 6621")
    set_tags(actor=SYSTEM, now=LATER, member_id=member.id, tags=["a", "a "])
    set_attributes(actor=SYSTEM, now=LATER, member_id=member.id, attributes={})
    change_status(actor=SYSTEM, now=LATER, member_id=member.id, status="active", reason="误操作")
    member.refresh_from_db()
    assert (AuditEvent.objects.count(), OutboxEvent.objects.count(), bytes(member.profile)) == before


def test_a_refused_change_changes_nothing() -> None:
    make_member("张三", "13900000001")
    member = make_member("林若溪", "13812346621")
    before = (bytes(member.profile), tokens(member), AuditEvent.objects.count())
    for changes, refusal in (
        ({"name": "新名", "phone": "13900000001"}, IdentifierTaken),
        ({"name": "新名", "email": "x"}, InvalidInput),
        ({"extra": {"a": "b"}}, InvalidInput),
        ({"number": "1"}, InvalidInput),
    ):
        with pytest.raises(refusal):
            change(member, **changes)
    member.refresh_from_db()
    assert (bytes(member.profile), tokens(member), AuditEvent.objects.count()) == before
    assert find_member("phone", "13812346621") == member


@pytest.mark.parametrize(
    "call",
    [
        lambda who: update_member(actor=SYSTEM, now=NOW, member_id=who, changes={"name": "x"}),
        lambda who: change_status(actor=SYSTEM, now=NOW, member_id=who, status="closed", reason="会员要求"),
        lambda who: add_identifier(actor=SYSTEM, now=NOW, member_id=who, kind="card", value="C001"),
        lambda who: remove_identifier(actor=SYSTEM, now=NOW, member_id=who, identifier_id=uuid7()),
        lambda who: set_tags(actor=SYSTEM, now=NOW, member_id=who, tags=[]),
        lambda who: set_attributes(actor=SYSTEM, now=NOW, member_id=who, attributes={}),
        lambda who: unmask_profile(actor=SYSTEM, now=NOW, member_id=who, reason="客服回访"),
    ],
)
def test_nobody_is_not_found(call: Callable[[Any], object]) -> None:
    with pytest.raises(NotFound):
        call(uuid7())


def test_status_changes_with_a_reason() -> None:
    member = make_member()
    change_status(actor=SYSTEM, now=LATER, member_id=member.id, status="frozen", reason=" 疑似盗号 ")
    member.refresh_from_db()
    assert member.status == "frozen"
    audit = last_audit()
    assert (audit.action, audit.reason) == ("members.change_status", "疑似盗号")
    assert audit.data == {"changed": ["status"], "from": "active", "to": "frozen"}
    for status, reason, field in (
        ("gone", "会员要求", "status"),
        ("closed", " ", "reason"),
        ("closed", "abc", "reason"),
        ("closed", "x" * 301, "reason"),
        ("closed", "line\nbreak", "reason"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            change_status(actor=SYSTEM, now=LATER, member_id=member.id, status=status, reason=reason)
        assert refusal.value.field == field
    member.refresh_from_db()
    assert member.status == "frozen"


def test_identifiers_come_and_go() -> None:
    member, other = make_member("林若溪", "13812346621"), make_member("张三", "13900000001")

    def add(kind: str, value: str, system: str = "", **more: Any) -> Identifier:
        return add_identifier(
            actor=SYSTEM, now=LATER, member_id=member.id, kind=kind, value=value, system=system, **more
        )

    second = add("phone", "137 0000 0002", is_verified=True)
    assert second.verified_at == LATER
    add("email", "Lin@Example.com")
    add("external", "H1", "POS")
    assert add("phone", "13700000002").id == second.id
    with pytest.raises(IdentifierTaken):
        add("phone", "13900000001")
    with pytest.raises(InvalidInput):
        add("external", "H1", "")
    assert [row.member_id for row in identify("0002", NOW)] == [member.id]
    profile = open_profiles([member.id])[member.id]
    assert (profile.phone, profile.email) == ("+8613812346621", "lin@example.com")
    assert [(row.kind, row.system, row.value) for row in list_identifiers(member.id)] == [
        ("phone", "", "138****6621"),
        ("phone", "", "137****0002"),
        ("email", "", "l***@example.com"),
        ("external", "pos", "****"),
    ]

    def remove(identifier_id: Any) -> None:
        remove_identifier(actor=SYSTEM, now=LATER, member_id=member.id, identifier_id=identifier_id)

    remove(Identifier.objects.filter(member=member, kind="phone").order_by("created_at").first().id)  # type: ignore[union-attr]
    assert open_profiles([member.id])[member.id].phone == "+8613700000002"
    assert identify("6621", NOW) == []
    remove(second.id)
    assert open_profiles([member.id])[member.id].phone == ""
    assert find_member("phone", "13700000002") is None
    with pytest.raises(NotFound):
        remove(second.id)
    with pytest.raises(NotFound):
        remove(Identifier.objects.get(member=other).id)
    assert last_audit().data == {"changed": ["phone"], "kind": "phone", "system": ""}


def test_a_member_has_forty_identifiers_at_most() -> None:
    member = make_member(cards=[f"C{n:04d}" for n in range(39)])
    with pytest.raises(InvalidInput):
        add_identifier(actor=SYSTEM, now=LATER, member_id=member.id, kind="card", value="C9999")
    change(member, phone="13999999999")
    assert member.identifiers.count() == 40


def test_attributes_and_tags() -> None:
    define_attribute(actor=SYSTEM, now=NOW, code="size", kind="integer", labels={"en": "Size"})
    define_attribute(actor=SYSTEM, now=NOW, code="colour", kind="text", labels={"en": "Colour"})
    define_attribute(actor=SYSTEM, now=NOW, code="allergy", kind="text", labels={"en": "A"}, is_personal=True)
    member = make_member(attributes={"size": 38, "allergy": "花生"})
    set_attributes(
        actor=SYSTEM,
        now=LATER,
        member_id=member.id,
        attributes={"colour": "red", "allergy": "虾", "size": 38},
    )
    member.refresh_from_db()
    assert member.attributes == {"size": 38, "colour": "red"}
    assert open_profiles([member.id])[member.id].extra == {"allergy": "虾"}
    assert last_audit().data == {"changed": ["attributes/allergy", "attributes/colour"]}
    set_attributes(actor=SYSTEM, now=LATER, member_id=member.id, attributes={"size": None, "allergy": None})
    member.refresh_from_db()
    assert member.attributes == {"colour": "red"}
    assert open_profiles([member.id])[member.id].extra == {}
    set_tags(actor=SYSTEM, now=LATER, member_id=member.id, tags=["vip", "老客"])
    member.refresh_from_db()
    assert member.tags == ["vip", "老客"]
    assert last_audit().data == {"changed": ["tags"]}
    with pytest.raises(InvalidInput):
        set_attributes(actor=SYSTEM, now=LATER, member_id=member.id, attributes={"size": "big"})


def test_unmasking_needs_the_permission_and_a_reason_and_is_on_record() -> None:
    member = make_member()
    manager = make_staff(Role.STORE_MANAGER).as_actor()
    cashier = make_staff(Role.CASHIER).as_actor()
    gone = make_staff(Role.OWNER, is_active=False).as_actor()
    before = AuditEvent.objects.count()
    for actor in (cashier, gone, Actor("key", uuid7(), "pos")):
        with pytest.raises(NotAllowed):
            unmask_profile(actor=actor, now=NOW, member_id=member.id, reason="核对身份")
    for reason in ("", "  ", "ab", "\n"):
        with pytest.raises(InvalidInput):
            unmask_profile(actor=manager, now=NOW, member_id=member.id, reason=reason)
    assert AuditEvent.objects.count() == before
    profile = unmask_profile(actor=manager, now=NOW, member_id=member.id, reason="核对身份")
    assert profile.name == "林若溪"
    audit = last_audit()
    assert (audit.action, audit.reason, audit.object_id) == (
        "members.unmask_profile",
        "核对身份",
        str(member.id),
    )
    assert (audit.actor_id, audit.data) == (manager.id, {})


def test_without_the_key_nothing_personal_can_be_read_or_written() -> None:
    member = make_member("林若溪", "13812346621")
    DataKey.objects.filter(member=member).delete()
    assert open_profiles([member.id]) == {}
    row = identify(member.number, NOW)[0]
    assert (row.name, row.phone, row.email) == ("", "", "")
    for call in (
        lambda: change(member, name="x"),
        lambda: unmask_profile(actor=SYSTEM, now=NOW, member_id=member.id, reason="客服回访"),
        lambda: list_identifiers(member.id),
    ):
        with pytest.raises(ProfileErased):
            call()
    change_status(actor=SYSTEM, now=NOW, member_id=member.id, status="closed", reason="已注销")


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_both_hold() -> None:
    member = make_member()
    race(
        lambda: change(member, name="张三"),
        lambda: change(member, note="喜欢靠窗"),
        lambda: change(member, gender="male"),
    )
    profile = open_profiles([member.id])[member.id]
    assert (profile.name, profile.note, profile.gender) == ("张三", "喜欢靠窗", "male")


@pytest.mark.django_db(transaction=True)
def test_of_two_members_who_take_one_phone_at_once_one_gets_it() -> None:
    first, second = make_member("甲"), make_member("乙")
    results = race(lambda: change(first, phone="13911111111"), lambda: change(second, phone="13911111111"))
    assert sorted(type(result).__name__ for result in results) == ["IdentifierTaken", "Member"]
    assert Identifier.objects.count() == 2
