"""Logging in: failures are counted, lock-outs hold, and every step leaves an audit row without what was typed."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate, login, logout
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory

from shuke.core.models import AuditEvent, Staff
from shuke.core.operations import create_staff, deactivate_staff, unlock_staff
from shuke.core.values import SYSTEM, Role
from tests.factories.core import NOW, PASSWORD, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Staff:
    make_staff()
    return create_staff(
        actor=SYSTEM,
        now=NOW,
        username="anna",
        display_name="Anna",
        role=Role.CASHIER,
        password=PASSWORD,
        all_stores=True,
    )


def request_from(address: str = "203.0.113.77") -> Any:
    request = RequestFactory().post("/login", REMOTE_ADDR=address)
    request.session = SessionStore()
    return request


def attempt(username: str, password: str, address: str = "203.0.113.77") -> tuple[Staff | None, HttpRequest]:
    request = request_from(address)
    user = authenticate(request, username=username, password=password)
    if user is not None:
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return user, request  # type: ignore[return-value]


def actions() -> list[str]:
    rows = AuditEvent.objects.exclude(action="core.staff_created.v1").order_by("id")
    return [row.action.removeprefix("core.").removesuffix(".v1") for row in rows]


def test_login_and_logout_are_recorded_with_the_network_only(anna: Staff) -> None:
    user, request = attempt("Anna", PASSWORD)
    assert user == anna
    request.user = user
    logout(request)
    assert actions() == ["staff_logged_in", "staff_logged_out"]
    event = AuditEvent.objects.order_by("-id").first()
    assert event is not None and event.actor_id == anna.id
    assert event.data == {"network": "203.0.113.0/24"}


def test_unknown_username_is_not_written_down(anna: Staff) -> None:
    """People type their password into the wrong field."""
    user, _request = attempt("my-Secret-Pa55", "x")
    assert user is None and actions() == ["login_failed"]
    event = AuditEvent.objects.get(action="core.login_failed.v1")
    assert (event.actor_kind, event.actor_id, event.actor_name) == ("system", None, "unknown account")
    assert "my-secret" not in str([row.__dict__ for row in AuditEvent.objects.all()]).lower()


def test_five_failures_lock_out_once_in_the_log_and_the_right_password_does_not_help(anna: Staff) -> None:
    for _ in range(5):
        assert attempt("anna", "wrong")[0] is None
    for _ in range(4):
        assert attempt("anna", PASSWORD)[0] is None
    assert actions().count("login_failed") == 5
    assert actions().count("login_locked_out") == 1, "a flood during the lock-out must not fill the log"


def test_spelling_the_name_differently_gives_no_further_tries(anna: Staff) -> None:
    for name in ("anna", "ANNA", "Anna", "aNNa", "anNA"):
        attempt(name, "wrong")
    assert attempt("annA", PASSWORD)[0] is None


def test_lock_out_is_per_account_and_address(anna: Staff) -> None:
    for _ in range(5):
        attempt("anna", "wrong", address="198.51.100.9")
    assert attempt("anna", PASSWORD, address="198.51.100.9")[0] is None
    assert attempt("anna", PASSWORD, address="203.0.113.77")[0] == anna


def test_a_manager_ends_a_lock_out(anna: Staff) -> None:
    for _ in range(5):
        attempt("anna", "wrong")
    unlock_staff(actor=SYSTEM, now=NOW, staff_id=anna.id)
    assert attempt("anna", PASSWORD)[0] == anna
    assert "staff_unlocked" in actions() and AccessAttempt.objects.count() == 0


def test_an_ended_account_cannot_log_in(anna: Staff) -> None:
    deactivate_staff(actor=SYSTEM, now=NOW, staff_id=anna.id)
    assert attempt("anna", PASSWORD)[0] is None
    assert actions() == ["staff_deactivated", "login_failed"]


def test_failed_attempts_keep_no_password(anna: Staff) -> None:
    request = RequestFactory().post("/login", {"username": "anna", "password": "hunter2-hunter2"})
    authenticate(request, username="anna", password="hunter2-hunter2")
    assert AccessAttempt.objects.count() == 1
    assert "hunter2" not in str(AccessAttempt.objects.values())
