"""Staff accounts: who may manage whom, the last owner, passwords, sessions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection

from shuke.core.errors import (
    InvalidInput,
    LastOwner,
    NotAllowed,
    NotFound,
    OutOfStoreScope,
    UsernameTaken,
    WeakPassword,
)
from shuke.core.models import AuditEvent, Staff
from shuke.core.operations import (
    change_staff,
    create_staff,
    deactivate_staff,
    reactivate_staff,
    set_password,
    unlock_staff,
)
from shuke.core.queries import get_staff, list_staff
from shuke.core.values import SYSTEM, Actor, Permission, Role
from shuke.kit.ids import uuid7
from tests.factories.core import NOW, PASSWORD, make_staff

STORE_A, STORE_B = uuid7(), uuid7()
pytestmark = pytest.mark.django_db


def create(actor: Actor, **kwargs: Any) -> Staff:
    values = {
        "username": "li.na",
        "display_name": "李娜",
        "role": Role.CASHIER,
        "password": PASSWORD,
        "store_ids": [STORE_A],
        **kwargs,
    }
    return create_staff(actor=actor, now=NOW, **values)


def session_of(staff: Staff) -> str:
    store = SessionStore()
    store[SESSION_KEY] = str(staff.id)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    store.create()
    assert store.session_key
    return store.session_key


def test_create_stores_a_usable_account_and_audits_it_without_the_password() -> None:
    owner = make_staff()
    staff = create(owner.as_actor(), username=" Li.Na ")
    stored = get_staff(staff.id)
    assert (stored.username, stored.display_name, stored.role) == ("li.na", "李娜", "cashier")
    assert stored.check_password(PASSWORD) and stored.password.startswith("argon2")
    assert stored.store_ids == [STORE_A] and not stored.all_stores and stored.is_active
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_id, event.object_id) == (
        "core.staff_created.v1",
        owner.id,
        str(staff.id),
    )
    assert PASSWORD not in str(event.data) and stored.password not in str(event.data)


def test_username_is_unique_whatever_its_case() -> None:
    create(SYSTEM)
    with pytest.raises(UsernameTaken):
        create(SYSTEM, username="LI.NA")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "x"}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "a" * 65}, "username"),
        ({"display_name": " "}, "display_name"),
        ({"role": "emperor"}, "role"),
        ({"preferred_language": "tlh"}, "preferred_language"),
    ],
)
def test_create_refuses_bad_input(change: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        create(SYSTEM, **change)
    assert refusal.value.field == field and Staff.objects.count() == 0


@pytest.mark.parametrize("password", ["short", "password12", "lina.wang88x", ""])
def test_weak_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        create(SYSTEM, username="lina.wang88", password=password)
    assert Staff.objects.count() == 0


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
def test_only_owners_and_administrators_manage(role: Role) -> None:
    actor = make_staff(role).as_actor()
    other = make_staff(Role.CASHIER)
    with pytest.raises(NotAllowed):
        create(actor)
    for refused in (
        lambda: change_staff(actor=actor, now=NOW, staff_id=other.id, role=Role.ANALYST),
        lambda: change_staff(actor=actor, now=NOW, staff_id=actor.id, role=Role.OWNER),
        lambda: deactivate_staff(actor=actor, now=NOW, staff_id=other.id),
        lambda: reactivate_staff(actor=actor, now=NOW, staff_id=other.id),
        lambda: set_password(actor=actor, now=NOW, staff_id=other.id, password=PASSWORD),
        lambda: unlock_staff(actor=actor, now=NOW, staff_id=other.id),
    ):
        with pytest.raises(NotAllowed):
            refused()
    assert AuditEvent.objects.count() == 0


def test_an_api_key_and_an_ended_administrator_manage_nothing() -> None:
    with pytest.raises(NotAllowed):
        create(Actor("key", uuid7(), "pos"))
    ended = make_staff(Role.ADMIN, is_active=False)
    with pytest.raises(NotAllowed):
        create(ended.as_actor())


def test_the_role_is_read_from_the_account_not_from_the_actor() -> None:
    """A session that began before a demotion has no more rights than the account."""
    admin = make_staff(Role.ADMIN)
    actor = admin.as_actor()
    Staff.objects.filter(id=admin.id).update(role=Role.CASHIER)
    with pytest.raises(NotAllowed):
        create(actor)


def test_administrator_cannot_make_touch_or_become_an_owner() -> None:
    owner, admin = make_staff(Role.OWNER), make_staff(Role.ADMIN)
    make_staff(Role.OWNER)
    cashier = make_staff(Role.CASHIER)
    actor = admin.as_actor()
    for refused in (
        lambda: create(actor, role=Role.OWNER),
        lambda: change_staff(actor=actor, now=NOW, staff_id=cashier.id, role=Role.OWNER),
        lambda: change_staff(actor=actor, now=NOW, staff_id=admin.id, role=Role.OWNER),
        lambda: change_staff(actor=actor, now=NOW, staff_id=owner.id, role=Role.CASHIER),
        lambda: change_staff(actor=actor, now=NOW, staff_id=owner.id, display_name="X"),
        lambda: set_password(actor=actor, now=NOW, staff_id=owner.id, password=PASSWORD),
        lambda: deactivate_staff(actor=actor, now=NOW, staff_id=owner.id),
        lambda: unlock_staff(actor=actor, now=NOW, staff_id=owner.id),
    ):
        with pytest.raises(NotAllowed):
            refused()
    assert Staff.objects.filter(role=Role.OWNER, is_active=True).count() == 2
    assert change_staff(actor=actor, now=NOW, staff_id=cashier.id, role=Role.ADMIN).role == Role.ADMIN


def test_store_scope_cannot_be_exceeded() -> None:
    admin = make_staff(Role.ADMIN, all_stores=False, store_ids=[STORE_A])
    far = make_staff(Role.CASHIER, all_stores=False, store_ids=[STORE_B])
    near = make_staff(Role.CASHIER, all_stores=False, store_ids=[STORE_A])
    everywhere = make_staff(Role.CASHIER)
    actor = admin.as_actor()
    for refused in (
        lambda: create(actor, all_stores=True),
        lambda: create(actor, store_ids=[STORE_A, STORE_B]),
        lambda: change_staff(actor=actor, now=NOW, staff_id=near.id, all_stores=True),
        lambda: change_staff(actor=actor, now=NOW, staff_id=near.id, store_ids=[STORE_B]),
        lambda: change_staff(actor=actor, now=NOW, staff_id=admin.id, all_stores=True),
        lambda: set_password(actor=actor, now=NOW, staff_id=far.id, password=PASSWORD),
        lambda: deactivate_staff(actor=actor, now=NOW, staff_id=everywhere.id),
    ):
        with pytest.raises(OutOfStoreScope):
            refused()
    assert create(actor, store_ids=[STORE_A]).store_ids == [STORE_A]


def test_the_last_active_owner_stays() -> None:
    owner = make_staff()
    make_staff(is_active=False)
    actor = owner.as_actor()
    with pytest.raises(LastOwner):
        change_staff(actor=actor, now=NOW, staff_id=owner.id, role=Role.ADMIN)
    with pytest.raises(LastOwner):
        deactivate_staff(actor=actor, now=NOW, staff_id=owner.id)
    second = make_staff()
    deactivate_staff(actor=actor, now=NOW, staff_id=owner.id)
    with pytest.raises(LastOwner):
        deactivate_staff(actor=SYSTEM, now=NOW, staff_id=second.id)
    assert list(Staff.objects.filter(role=Role.OWNER, is_active=True)) == [second]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_demote_each_other_at_once_leave_one() -> None:
    pair = [make_staff(), make_staff()]
    gate = threading.Barrier(2)
    outcomes: list[str] = []

    def demote(actor: Staff, target: Staff) -> None:
        gate.wait()
        try:
            change_staff(actor=actor.as_actor(), now=NOW, staff_id=target.id, role=Role.CASHIER)
            outcomes.append("done")
        except (LastOwner, NotAllowed) as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=(pair[i], pair[1 - i])) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 1
    assert Staff.objects.filter(role=Role.OWNER, is_active=True).count() == 1


def test_deactivating_ends_that_persons_sessions_and_nobody_elses() -> None:
    owner, leaving, staying = make_staff(), make_staff(Role.CASHIER), make_staff(Role.CASHIER)
    theirs = {session_of(leaving), session_of(leaving)}
    others = {session_of(staying), session_of(owner)}
    deactivate_staff(actor=owner.as_actor(), now=NOW, staff_id=leaving.id, reason="left")
    assert set(Session.objects.values_list("session_key", flat=True)) == others and not theirs & others
    assert not get_staff(leaving.id).may(Permission.CHECKOUT_USE)
    reactivate_staff(actor=owner.as_actor(), now=NOW, staff_id=leaving.id)
    assert get_staff(leaving.id).may(Permission.CHECKOUT_USE)
    actions = list(AuditEvent.objects.order_by("id").values_list("action", "reason"))
    assert actions == [("core.staff_deactivated.v1", "left"), ("core.staff_reactivated.v1", "")]


def test_setting_a_password_ends_sessions_and_people_may_set_their_own() -> None:
    owner, cashier = make_staff(), make_staff(Role.CASHIER)
    session_of(cashier)
    session_of(owner)
    set_password(actor=cashier.as_actor(), now=NOW, staff_id=cashier.id, password=PASSWORD)
    assert get_staff(cashier.id).check_password(PASSWORD) and Session.objects.count() == 1
    set_password(actor=owner.as_actor(), now=NOW, staff_id=cashier.id, password="another long one 7")
    assert get_staff(cashier.id).check_password("another long one 7")
    assert [event.data["own"] for event in AuditEvent.objects.order_by("id")] == [True, False]
    with pytest.raises(WeakPassword):
        set_password(actor=cashier.as_actor(), now=NOW, staff_id=cashier.id, password="12345")


def test_change_audits_what_changed_and_only_that() -> None:
    owner = make_staff()
    cashier = make_staff(Role.CASHIER, all_stores=False, store_ids=[STORE_A])
    changed = change_staff(
        actor=owner.as_actor(),
        now=NOW,
        staff_id=cashier.id,
        role=Role.STORE_MANAGER,
        store_ids=[STORE_B, STORE_A],
    )
    assert changed.store_ids == [STORE_A, STORE_B]
    event = AuditEvent.objects.get()
    assert set(event.data) == {"username", "role", "store_ids"}
    assert event.data["role"] == ["cashier", "store_manager"]
    change_staff(actor=owner.as_actor(), now=NOW, staff_id=cashier.id, role=Role.STORE_MANAGER)
    assert AuditEvent.objects.count() == 1
    everywhere = change_staff(actor=owner.as_actor(), now=NOW, staff_id=cashier.id, all_stores=True)
    assert everywhere.all_stores and everywhere.store_ids == []


def test_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFound):
        change_staff(actor=SYSTEM, now=NOW, staff_id=uuid7(), role=Role.ADMIN)
    with pytest.raises(NotFound):
        get_staff(uuid7())


def test_list_has_active_accounts_first() -> None:
    gone = make_staff(username="aaa", is_active=False)
    here = make_staff(username="zzz")
    assert list_staff() == [here, gone]
    assert list_staff(include_inactive=False) == [here]
