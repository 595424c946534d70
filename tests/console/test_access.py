"""Who gets in: every address of the console is guarded or says that it is open to all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from shuke.console import navigation, urls
from shuke.core.values import ROLE_PERMISSIONS, Permission, Role
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db


def patterns(found: list[Any]) -> Iterator[URLPattern]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns)
        else:
            yield each


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_staff(role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_no_view_forgets_to_say_who_may_open_it() -> None:
    unguarded = [
        pattern.name
        for pattern in patterns(urls.urlpatterns)
        if not hasattr(pattern.callback, "console_access")
    ]
    assert unguarded == []


def test_a_page_in_the_sidebar_asks_for_the_permission_its_view_asks_for() -> None:
    asked: dict[str | None, Any] = {
        pattern.name: getattr(pattern.callback, "console_access", None)
        for pattern in patterns(urls.urlpatterns)
    }
    listed = [item for _label, items in navigation.GROUPS for item in items]
    disagreeing = [
        item.route for item in listed if item.route in asked and asked[item.route] != item.permission
    ]
    assert disagreeing == []


def test_strangers_are_sent_to_sign_in_and_back() -> None:
    answer = Client().get("/overview?days=7")
    assert answer.status_code == 302
    assert answer["Location"] == "/login?next=/overview%3Fdays%3D7"


def test_a_fragment_after_the_session_ended_answers_401() -> None:
    answer = Client().get("/overview", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.content == b""


@pytest.mark.parametrize("role", list(Role))
def test_the_overview_opens_by_role(role: Role) -> None:
    expected = 200 if Permission.OVERVIEW_VIEW in ROLE_PERMISSIONS[role] else 403
    assert signed_in(role).get("/overview").status_code == expected


def test_a_deactivated_account_is_out_at_once() -> None:
    staff = make_staff(Role.OWNER)
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/overview").status_code == 200
    staff.is_active = False
    staff.save()
    assert client.get("/overview").status_code == 302


def test_signing_out_needs_a_post() -> None:
    client = signed_in(Role.OWNER)
    assert client.get(reverse("console:logout")).status_code == 405
    client.post(reverse("console:logout"))
    assert client.get("/overview").status_code == 302


def test_the_resolver_knows_the_console() -> None:
    assert get_resolver().namespace_dict["console"]


def test_no_page_behind_the_sign_in_is_kept_by_the_browser() -> None:
    client = signed_in(Role.OWNER)
    kept = [
        name
        for name in ("overview", "members", "cashier", "refunds", "programme", "staff", "audit", "account")
        if "no-store" not in client.get(reverse(f"console:{name}")).headers.get("Cache-Control", "")
    ]
    assert kept == []


@pytest.mark.parametrize("page", ["coupons", "plans", "rewards"])
def test_an_empty_page_leads_to_where_it_is_filled(page: str) -> None:
    link = f'href="/programme/editor?section={page}"'
    assert link in signed_in(Role.MARKETER).get(f"/{page}").content.decode()
    assert signed_in(Role.MARKETER).get(f"/programme/editor?section={page}").status_code == 200
    assert link not in signed_in(Role.ANALYST).get(f"/{page}").content.decode()
