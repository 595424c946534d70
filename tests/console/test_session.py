"""Signing in, lock-out, and the choices of language and store."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from shuke.console import scope
from shuke.core.models import Staff
from shuke.core.values import Role
from tests.factories.catalog import make_store
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def owner() -> Staff:
    staff = make_staff(Role.OWNER, username="zhou")
    staff.set_password(PASSWORD)
    staff.preferred_language = "zh-hant"
    staff.save()
    return staff


def sign_in(client: Client, password: str, username: str = "zhou", path: str = "/login") -> object:
    return client.post(path, {"username": username, "password": password})


def test_the_right_password_opens_the_first_page_of_the_role(owner: Staff) -> None:
    client = Client()
    answer = client.post("/login", {"username": "Zhou", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/overview"
    assert answer.status_code == 200


def test_it_goes_on_to_the_page_that_was_asked_for_but_not_to_another_site(owner: Staff) -> None:
    for asked, expected in (("/overview?days=7", "/overview?days=7"), ("https://evil.example/", "/")):
        answer = Client().post("/login", {"username": "zhou", "password": PASSWORD, "next": asked})
        assert answer["Location"] == expected


def test_wrong_name_and_wrong_password_read_the_same(owner: Staff) -> None:
    pages = [
        Client(headers={"Accept-Language": "en"})
        .post("/login", {"username": name, "password": "wrong"})
        .content.decode()
        for name in ("zhou", "nobody")
    ]
    for page in pages:
        assert "The username or the password is not right" in page


def test_five_failures_pause_the_account_here(owner: Staff) -> None:
    client = Client(headers={"Accept-Language": "zh-Hans"})
    statuses = [
        client.post("/login", {"username": "zhou", "password": "wrong"}).status_code for _ in range(5)
    ]
    assert statuses == [200, 200, 200, 200, 429]
    locked = client.post("/login", {"username": "zhou", "password": PASSWORD})
    assert locked.status_code == 429
    assert "15 分钟" in locked.content.decode()


def test_the_language_of_the_account_holds_on_a_new_device(owner: Staff) -> None:
    client = Client()
    client.post("/login", {"username": "zhou", "password": PASSWORD})
    assert client.cookies["shuke_language"].value == "zh-hant"
    assert 'lang="zh-Hant"' in client.get("/overview").content.decode()


def test_a_language_chosen_on_the_device_stays(owner: Staff) -> None:
    client = Client()
    answer = client.post("/language", {"language": "en", "next": "/login"})
    assert answer["Location"] == "/login"
    client.post("/login", {"username": "zhou", "password": PASSWORD})
    assert client.cookies["shuke_language"].value == "en"


@pytest.mark.parametrize("language", ["", "fr", "../en", "zh-hans<script>"])
def test_an_unknown_language_changes_nothing(language: str) -> None:
    client = Client()
    assert client.post("/language", {"language": language}).status_code == 302
    assert "shuke_language" not in client.cookies


def test_the_choice_never_leads_to_another_site() -> None:
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)", ""):
        assert Client().post("/language", {"language": "en", "next": target})["Location"] == "/"


def test_a_person_narrows_the_screens_to_their_own_stores_only() -> None:
    mine, theirs = make_store(), make_store()
    staff = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[mine.id])
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    for wanted in (str(theirs.id), str(uuid.uuid4()), "nonsense"):
        client.post("/store", {"store": wanted})
        assert scope.SESSION_KEY not in client.session
    client.post("/store", {"store": str(mine.id)})
    assert client.session[scope.SESSION_KEY] == str(mine.id)
    assert mine.name in client.get("/overview").content.decode()
    client.post("/store", {"store": ""})
    assert scope.SESSION_KEY not in client.session


def test_the_top_bar_never_promises_stores_that_the_person_does_not_cover() -> None:
    one, two = make_store(), make_store()

    def bar(**scope_of: Any) -> str:
        client = Client()
        client.force_login(
            make_staff(Role.CASHIER, **scope_of), backend="django.contrib.auth.backends.ModelBackend"
        )
        client.cookies["shuke_language"] = "en"
        page = client.get("/products").content.decode()
        found = re.search(r'<span class="truncate max-lg:sr-only">([^<]*)</span>', page)
        assert found
        return found[1]

    assert bar() == "All stores"
    assert bar(all_stores=False, store_ids=[one.id]) == one.name
    assert bar(all_stores=False, store_ids=[one.id, two.id]) == "Your stores"


def test_a_store_taken_away_meanwhile_no_longer_counts() -> None:
    mine = make_store()
    staff = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[mine.id])
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    client.post("/store", {"store": str(mine.id)})
    staff.store_ids = []
    staff.save()
    assert mine.name not in client.get("/overview").content.decode()


def test_the_store_menu_lists_only_what_the_person_covers() -> None:
    mine, theirs = make_store(), make_store()
    staff = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[mine.id])
    client = Client()
    assert client.get("/store/menu").status_code == 401
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    menu = client.get("/store/menu?next=/overview").content.decode()
    assert str(mine.id) in menu
    assert str(theirs.id) not in menu
