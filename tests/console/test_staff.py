"""Staff accounts: the rules of the core reach the person as words beside the field."""

from __future__ import annotations

import uuid

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from shuke.core.models import AuditEvent, Staff
from shuke.core.operations import create_staff
from shuke.core.values import SYSTEM, Role
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.core import NOW, PASSWORD, make_staff

pytestmark = pytest.mark.django_db

NEW = {
    "display_name": "李收银",
    "username": "Li.Cashier",
    "role": "cashier",
    "preferred_language": "zh-hant",
    "password": PASSWORD,
    "all_stores": "on",
}


def test_a_person_is_added_and_can_sign_in() -> None:
    answer = client_of().post("/staff/new", NEW)
    made = Staff.objects.get(username="li.cashier")
    assert answer["Location"] == f"/staff/{made.id}"
    assert (made.role, made.all_stores, made.preferred_language) == ("cashier", True, "zh-hant")
    assert Client().post("/login", {"username": "li.cashier", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("username", "a b", "2 to 64"),
        ("username", "TAKEN", "already taken"),
        ("password", "short", "10"),
        ("password", "1234567890", "common"),
        ("role", "god", "valid choice"),
        ("display_name", "", "required"),
        ("display_name", "\x00", "Null characters"),
        ("preferred_language", "fr", "valid choice"),
    ],
)
def test_a_refusal_stands_beside_its_field(field: str, value: str, said: str) -> None:
    make_staff(username="taken")
    answer = client_of().post("/staff/new", {**NEW, field: value})
    assert answer.status_code == 422
    assert said in " ".join(answer.context["form"].errors[field])
    assert value != PASSWORD
    assert PASSWORD not in text_of(answer), "a password is never sent back"


def test_an_account_needs_stores() -> None:
    given = {key: value for key, value in NEW.items() if key != "all_stores"}
    for stores in ([], ["nonsense"], [str(uuid.uuid4())]):
        answer = client_of().post("/staff/new", {**given, "store_ids": stores})
        assert answer.status_code == 422
        assert answer.context["form"].errors["store_ids"]
    assert not Staff.objects.filter(username="li.cashier").exists()


def test_role_and_stores_change() -> None:
    store, account = make_store(), make_staff(Role.CASHIER)
    given = {
        "display_name": "王店长",
        "role": "store_manager",
        "preferred_language": "en",
        "store_ids": [str(store.id)],
    }
    client = client_of()
    assert client.post(f"/staff/{account.id}", given).status_code == 302
    account.refresh_from_db()
    assert (account.role, account.all_stores, account.store_ids) == ("store_manager", False, [store.id])
    assert "checked" in text_of(client.get(f"/staff/{account.id}")), "the choice is shown again"


def test_the_last_owner_stays() -> None:
    owner = make_staff(Role.OWNER)
    client = client_of(owner)
    given = {"display_name": "x", "role": "admin", "preferred_language": "en", "all_stores": "on"}
    answer = client.post(f"/staff/{owner.id}", given)
    assert answer.status_code == 422
    assert "last active owner" in " ".join(answer.context["form"].errors["role"])
    client.post(f"/staff/{owner.id}/end")
    assert "last active owner" in text_of(client.get(f"/staff/{owner.id}"))
    owner.refresh_from_db()
    assert (owner.role, owner.is_active) == ("owner", True)


def test_an_administrator_neither_makes_nor_takes_over_owners() -> None:
    owner, client = make_staff(Role.OWNER), client_of(make_staff(Role.ADMIN))
    assert client.post("/staff/new", {**NEW, "role": "owner"}).status_code == 422
    given = {"display_name": "x", "role": "cashier", "preferred_language": "en", "all_stores": "on"}
    assert client.post(f"/staff/{owner.id}", given).status_code == 422
    client.post(f"/staff/{owner.id}/password", {"password": PASSWORD})
    client.post(f"/staff/{owner.id}/end")
    before = owner.password
    owner.refresh_from_db()
    assert (owner.display_name == "x", owner.is_active, owner.password) == (False, True, before)
    assert "Only an owner" in text_of(client.get(f"/staff/{owner.id}"))


def test_a_manager_of_some_stores_sees_and_grants_only_those() -> None:
    mine, theirs = make_store(), make_store()
    client = client_of(make_staff(Role.ADMIN, all_stores=False, store_ids=[mine.id]))
    near = make_staff(Role.CASHIER, all_stores=False, store_ids=[mine.id])
    far = make_staff(Role.CASHIER, all_stores=False, store_ids=[mine.id, theirs.id])
    shown = {row["staff"].id for row in client.get("/staff").context["rows"]}
    assert near.id in shown
    assert far.id not in shown
    assert client.get(f"/staff/{near.id}").status_code == 200
    assert client.get(f"/staff/{far.id}").status_code == 404
    for path in ("password", "end", "resume", "unlock"):
        assert client.post(f"/staff/{far.id}/{path}", {"password": PASSWORD}).status_code == 404
    given = {"display_name": "x", "role": "cashier", "preferred_language": "en"}
    for grant in ({"all_stores": "on"}, {"store_ids": [str(theirs.id)]}):
        assert client.post(f"/staff/{near.id}", {**given, **grant}).status_code == 422
    near.refresh_from_db()
    assert near.store_ids == [mine.id]


def test_an_account_is_ended_and_resumed() -> None:
    account = create_staff(
        actor=SYSTEM,
        now=NOW,
        username="wang",
        display_name="王",
        role=Role.CASHIER,
        password=PASSWORD,
        all_stores=True,
    )
    theirs = Client()
    theirs.post("/login", {"username": "wang", "password": PASSWORD})
    client = client_of()
    assert 'data-confirm="end-account"' in text_of(client.get(f"/staff/{account.id}")), "ending asks first"
    client.post(f"/staff/{account.id}/end", {"reason": "离职\x00" + "x" * 500})
    account.refresh_from_db()
    assert not account.is_active
    assert theirs.get("/account").status_code == 302
    event = AuditEvent.objects.get(action="core.staff_deactivated.v1")
    assert event.reason.startswith("离职")
    client.post(f"/staff/{account.id}/resume")
    account.refresh_from_db()
    assert account.is_active


def test_a_password_is_set_and_open_sessions_end() -> None:
    account = create_staff(
        actor=SYSTEM,
        now=NOW,
        username="wang",
        display_name="王",
        role=Role.CASHIER,
        password=PASSWORD,
        all_stores=True,
    )
    theirs = Client()
    theirs.post("/login", {"username": "wang", "password": PASSWORD})
    client = client_of()
    assert client.post(f"/staff/{account.id}/password", {"password": "short"}).status_code == 422
    assert (
        client.post(f"/staff/{account.id}/password", {"password": "another horse battery"}).status_code == 302
    )
    assert theirs.get("/account").status_code == 302
    assert Client().post("/login", {"username": "wang", "password": PASSWORD}).status_code == 200
    assert (
        Client().post("/login", {"username": "wang", "password": "another horse battery"}).status_code == 302
    )


def test_ones_own_password_is_not_set_without_the_old_one() -> None:
    owner = make_staff(Role.OWNER)
    answer = client_of(owner).post(f"/staff/{owner.id}/password", {"password": "another horse battery"})
    assert answer["Location"] == "/account"
    before = owner.password
    owner.refresh_from_db()
    assert owner.password == before


def test_a_lock_out_is_shown_and_ended() -> None:
    account, client = make_staff(Role.CASHIER), client_of()
    AccessAttempt.objects.create(
        username=account.username, ip_address="127.0.0.1", failures_since_start=5, attempt_time=timezone.now()
    )
    assert "Sign-in paused" in text_of(client.get(f"/staff/{account.id}"))
    client.post(f"/staff/{account.id}/unlock")
    assert not AccessAttempt.objects.exists()
    assert "Sign-in paused" not in text_of(client.get(f"/staff/{account.id}"))


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
def test_other_roles_stay_out(role: Role) -> None:
    account, client = make_staff(Role.CASHIER), client_of(make_staff(role))
    for path in ("/staff", "/staff/new", f"/staff/{account.id}"):
        assert client.get(path).status_code == 403
        assert client.post(path, NEW).status_code == 403
    for act in ("password", "end", "resume", "unlock"):
        assert client.post(f"/staff/{account.id}/{act}", {"password": PASSWORD}).status_code == 403
    account.refresh_from_db()
    assert account.is_active


def test_filters_narrow_the_list_whatever_they_hold() -> None:
    make_staff(Role.CASHIER, username="anna")
    make_staff(Role.CASHIER, username="bert", is_active=False)
    client = client_of()
    names = [
        row["staff"].username
        for row in client.get("/staff", {"role": "cashier", "state": "active"}).context["rows"]
    ]
    assert names == ["anna"]
    for text in ("\x00", "<script>", "x" * 500):
        assert client.get("/staff", {"text": text, "role": text, "state": text}).status_code == 200


def test_the_list_costs_the_same_for_one_row_and_for_three() -> None:
    client = client_of()
    one = queries_of(client, "/staff")
    make_staff(Role.CASHIER, store_ids=[make_store().id], all_stores=False)
    make_staff(Role.CASHIER)
    assert queries_of(client, "/staff") == one <= MOST_QUERIES


def test_ones_own_account() -> None:
    account = create_staff(
        actor=SYSTEM,
        now=NOW,
        username="wang",
        display_name="王",
        role=Role.CASHIER,
        password=PASSWORD,
        all_stores=True,
    )
    client, other = Client(), Client()
    for each in (client, other):
        each.post("/login", {"username": "wang", "password": PASSWORD})
    given = {
        "form": "password",
        "current": "wrong",
        "password": "another horse battery",
        "again": "another horse battery",
    }
    wrong = client.post("/account", given)
    assert wrong.status_code == 422
    assert wrong.context["password_form"].errors["current"]
    differ = client.post("/account", {**given, "current": PASSWORD, "again": "x"})
    assert differ.context["password_form"].errors["again"]
    weak = client.post("/account", {**given, "current": PASSWORD, "password": "short", "again": "short"})
    assert weak.context["password_form"].errors["password"]
    assert client.post("/account", {**given, "current": PASSWORD}).status_code == 302
    assert client.get("/account").status_code == 200, "this device stays signed in"
    assert other.get("/account").status_code == 302, "other devices are signed out"
    account.refresh_from_db()
    assert account.check_password("another horse battery")
    assert Session.objects.count() == 1


def test_guessing_the_current_password_pauses_the_account() -> None:
    create_staff(
        actor=SYSTEM,
        now=NOW,
        username="wang",
        display_name="王",
        role=Role.CASHIER,
        password=PASSWORD,
        all_stores=True,
    )
    client = Client()
    client.post("/login", {"username": "wang", "password": PASSWORD})
    given = {
        "form": "password",
        "current": "wrong",
        "password": "another horse battery",
        "again": "another horse battery",
    }
    for _attempt in range(5):
        client.post("/account", given)
    client.post("/account", {**given, "current": PASSWORD})
    assert Staff.objects.get(username="wang").check_password(PASSWORD)


def test_ones_own_language() -> None:
    account = make_staff(Role.CASHIER)
    client = client_of(account)
    assert client.post("/account", {"form": "language", "preferred_language": "fr"}).status_code == 422
    client.post("/account", {"form": "language", "preferred_language": "zh-hant"})
    account.refresh_from_db()
    assert account.preferred_language == "zh-hant"
    assert client.cookies["shuke_language"].value == "zh-hant"
    assert Client().get("/account")["Location"] == "/login?next=/account"
