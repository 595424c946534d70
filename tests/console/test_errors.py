"""Error pages: the style, the request id, nothing of the exception; and the security headers of every answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from shuke.config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - read by Django
from shuke.core.values import Role
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret 13812346621")


def refuses(request: HttpRequest) -> HttpResponse:
    raise BadRequest("secret")


urlpatterns = [path("fails", fails), path("refuses", refuses), path("", include("shuke.console.urls"))]


@pytest.fixture
def broken(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False, headers={"Accept-Language": "zh-Hans"})


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/fails", 500, "系统出了点问题"),
        ("/refuses", 400, "无法理解这个请求"),
        ("/missing", 404, "页面不存在"),
    ],
)
def test_pages_say_what_to_do_and_carry_the_request_id(
    broken: Client, address: str, status: int, words: str
) -> None:
    answer = broken.get(address, headers={"X-Request-Id": "till-7-00000001"})
    page = answer.content.decode()
    assert answer.status_code == status
    assert words in page
    assert "till-7-00000001" in page
    assert "secret" not in page
    assert "Traceback" not in page


def test_a_stale_form_is_told_so() -> None:
    client = Client(enforce_csrf_checks=True, headers={"Accept-Language": "zh-Hans"})
    answer = client.post("/login", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "页面已过期" in answer.content.decode()


def test_a_missing_permission_is_shown_inside_the_console() -> None:
    client = Client(headers={"Accept-Language": "zh-Hans"})
    client.force_login(make_staff(Role.CASHIER), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/overview")
    assert answer.status_code == 403
    assert "您的角色没有这项权限" in answer.content.decode()
    assert 'class="sidebar"' in answer.content.decode()


@pytest.mark.parametrize("address", ["/login", "/missing", "/fails"])
def test_every_answer_carries_the_security_headers(broken: Client, address: str) -> None:
    answer = broken.get(address)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "img-src 'self' data:" in policy
    assert "unsafe" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"


def test_no_page_contains_inline_script_or_style(broken: Client) -> None:
    for address in ("/login", "/missing"):
        page = broken.get(address).content.decode()
        assert "style=" not in page
        assert "<script>" not in page
        assert " onclick" not in page
