"""Registering one member: what is stored, what is refused, and that two tills cannot both win."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from shuke.catalog.operations import ensure_channel
from shuke.core.errors import InvalidInput, OutOfStoreScope
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.members.errors import IdentifierTaken
from shuke.members.models import DataKey, Identifier, Member, SearchToken
from shuke.members.numbers import is_valid_number, new_number
from shuke.members.operations import define_attribute, register_member
from shuke.members.profile import Profile
from shuke.members.queries import find_member, open_profiles
from tests.factories.catalog import make_store
from tests.factories.core import NOW, make_staff
from tests.factories.members import make_member, make_profile


@pytest.mark.django_db
def test_everything_handed_in_can_be_read_again() -> None:
    store, staff = make_store(), make_staff()
    ensure_channel("pos")
    define_attribute(actor=SYSTEM, now=NOW, code="size", kind="integer", labels={"en": "Size"})
    define_attribute(actor=SYSTEM, now=NOW, code="allergy", kind="text", labels={"en": "A"}, is_personal=True)
    member = register_member(
        actor=SYSTEM,
        now=NOW,
        profile=Profile(
            name="林若溪", phone="138 1234 6621", email="Lin@Example.com", birthday=date(1994, 5, 17)
        ),
        join_store_id=store.id,
        join_channel="pos",
        join_staff_id=staff.id,
        tags=["vip", "老客"],
        attributes={"size": "38", "allergy": "花生"},
        cards=["C 0001"],
        external_ids={"WeChat": "oXyz"},
    )
    kept = Member.objects.get(id=member.id)
    assert is_valid_number(kept.number)
    assert (kept.status, kept.tags, kept.attributes) == ("active", ["vip", "老客"], {"size": 38})
    assert (kept.join_store, kept.join_channel_id, kept.join_staff_id) == (store, "pos", staff.id)
    assert kept.joined_at == NOW
    profile = open_profiles([member.id])[member.id]
    assert profile == Profile(
        name="林若溪",
        phone="+8613812346621",
        email="lin@example.com",
        birthday=date(1994, 5, 17),
        extra={"allergy": "花生"},
    )
    for kind, value, system in (
        ("number", kept.number, ""),
        ("phone", "+86 13812346621", ""),
        ("email", "LIN@EXAMPLE.COM", ""),
        ("card", "c0001", ""),
        ("external", "oXyz", "wechat"),
    ):
        assert find_member(kind, value, system) == kept


@pytest.mark.django_db
def test_registration_is_audited_and_published_without_personal_data() -> None:
    member = make_member(cards=["C0001"])
    audit = AuditEvent.objects.get(action="members.register_member")
    assert (audit.object_id, audit.data) == (str(member.id), {"identifiers": ["card", "phone"]})
    event = OutboxEvent.objects.get()
    assert (event.name, event.member_id) == ("members.member_registered.v1", member.id)
    assert set(event.payload) == {"join_store_id", "join_channel", "joined_at"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("again", "field"),
    [
        ({"phone": "+86 138 1234 6621"}, "phone"),
        ({"email": "lin@EXAMPLE.com"}, "email"),
        ({"cards": ["c-0001"]}, "card"),
        ({"external_ids": {"POS": "h1"}}, "external"),
    ],
)
def test_an_identifier_belongs_to_one_member(again: dict[str, Any], field: str) -> None:
    make_member("林若溪", "13812346621", email="lin@example.com", cards=["C0001"], external_ids={"pos": "h1"})
    with pytest.raises(IdentifierTaken) as refusal:
        make_member("张三", **{"phone": "", **again})
    assert (refusal.value.status, refusal.value.field) == (409, field)
    assert "林" not in str(refusal.value)
    assert Member.objects.count() == 1
    assert AuditEvent.objects.filter(action="members.register_member").count() == 1


@pytest.mark.django_db
def test_the_same_id_in_two_systems_is_two_identifiers() -> None:
    first = make_member(external_ids={"pos": "1"})
    second = make_member(external_ids={"web": "1"})
    assert find_member("external", "1", "pos") == first
    assert find_member("external", "1", "web") == second


@pytest.mark.django_db
def test_a_number_of_one_s_own() -> None:
    number = new_number()
    assert make_member(number=number).number == number
    with pytest.raises(IdentifierTaken) as taken:
        make_member(number=number)
    assert taken.value.field == "number"
    with pytest.raises(InvalidInput) as wrong:
        make_member(number="880000000009")
    assert wrong.value.field == "number"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"join_store_id": uuid7()}, "join_store_id"),
        ({"join_channel": "nowhere"}, "join_channel"),
        ({"join_channel": "pos\x00"}, "join_channel"),
        ({"join_staff_id": uuid7()}, "join_staff_id"),
        ({"attributes": {"nope": 1}}, "attributes/nope"),
        ({"tags": [""]}, "tags"),
        ({"cards": ["!"]}, "card"),
        ({"cards": [f"C{n:04d}" for n in range(41)]}, "cards"),
        ({"external_ids": {"a b": "1"}}, "system"),
        ({"profile": Profile(name="林" * 10_000)}, "name"),
        ({"profile": Profile(name="a\x00b")}, "name"),
        ({"profile": Profile(phone="12")}, "phone"),
        ({"profile": Profile(extra={"nope": "x"})}, "attributes/nope"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(change: dict[str, Any], field: str) -> None:
    ensure_channel("pos")
    values: dict[str, Any] = {"profile": make_profile(), **change}
    with pytest.raises(InvalidInput) as refusal:
        register_member(actor=SYSTEM, now=NOW, **values)
    assert refusal.value.field == field
    for table in (Member, DataKey, Identifier, SearchToken, AuditEvent, OutboxEvent):
        assert table.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    ["", "👩‍👩‍👧‍👦🎉", "محمد\u202e علي", "Robert'); DROP TABLE members_member;--", "%s %(x)s {}", "\\"],
)
def test_odd_names_are_stored_as_they_are(name: str) -> None:
    member = make_member(name)
    assert open_profiles([member.id])[member.id].name == name.replace("\u202e", "")


@pytest.mark.django_db
def test_a_member_joins_at_a_store_that_the_actor_covers() -> None:
    mine, other = make_store(), make_store()
    cashier = Actor("staff", uuid7(), "c", all_stores=False, store_ids=frozenset({mine.id}))
    assert make_member(actor=cashier, join_store_id=mine.id).join_store == mine
    assert make_member(actor=cashier).join_store is None
    with pytest.raises(OutOfStoreScope):
        make_member(actor=cashier, join_store_id=other.id)


def race(*calls: Any) -> list[Any]:
    """Run the calls at the same moment, each on its own connection; results or refusals."""
    start = Barrier(len(calls))

    def run(call: Any) -> Any:
        try:
            start.wait(10)
            return call()
        except ShukeError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_of_many_registrations_of_one_phone_exactly_one_succeeds() -> None:
    for turn in range(5):
        phone = f"1390000000{turn}"
        results = race(*[lambda phone=phone: make_member("张三", phone)] * 6)
        members = [result for result in results if isinstance(result, Member)]
        refusals = [result for result in results if isinstance(result, IdentifierTaken)]
        assert (len(members), len(refusals)) == (1, 5)
        assert {refusal.field for refusal in refusals} == {"phone"}
        assert find_member("phone", phone) == members[0]
    assert Member.objects.count() == 5
    assert DataKey.objects.count() == 5
    assert OutboxEvent.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_crossed_identifiers_do_not_deadlock_into_two_members() -> None:
    results = race(
        lambda: make_member("甲", "13900000001", email="b@example.com"),
        lambda: make_member("乙", "13900000002", email="b@example.com"),
        lambda: make_member("丙", "13900000001", email="c@example.com"),
    )
    assert all(isinstance(result, (Member, IdentifierTaken)) for result in results)
    assert Identifier.objects.count() == 2 * Member.objects.count()
