"""Logins leave traces in the audit log, and each migration checks the transaction numbers."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import connection
from django.db.models.signals import post_migrate
from django.http import HttpRequest

from shuke.core.logins import login_name
from shuke.core.models import AuditEvent, OutboxCursor, Staff
from shuke.core.operations import align_txids, record_audit
from shuke.core.values import Actor
from shuke.kit.clock import now

_JUST_LOCKED = "shuke_just_locked"
_UNKNOWN = Actor("system", None, "unknown account")
"""What was typed as a username is not written down when there is no such account: it may be a password."""


def connect() -> None:
    """Called once, when Django is ready."""
    user_logged_in.connect(_logged_in, dispatch_uid="core.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="core.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="core.login_failed")
    user_locked_out.connect(_locked_out, dispatch_uid="core.locked_out")
    post_migrate.connect(_migrated, dispatch_uid="core.migrated")


def _logged_in(sender: Any, request: HttpRequest, user: Staff, **kwargs: Any) -> None:
    _record("core.staff_logged_in.v1", user, request)


def _logged_out(sender: Any, request: HttpRequest, user: Staff | None, **kwargs: Any) -> None:
    if user is not None:
        _record("core.staff_logged_out.v1", user, request)


def _login_failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    # During a lock-out nothing is tried, and nothing more is written: a flood must not fill the log.
    if getattr(request, "axes_locked_out", False) and not getattr(request, _JUST_LOCKED, False):
        return
    _record("core.login_failed.v1", _account(login_name(request, credentials)), request)


def _locked_out(sender: Any, request: HttpRequest, username: str, **kwargs: Any) -> None:
    """Sent with every attempt during the lock-out; written once."""
    staff, action = _account(username.lower()), "core.login_locked_out.v1"
    lasting = now() - timedelta(hours=settings.AXES_COOLOFF_TIME)
    already = AuditEvent.objects.filter(
        action=action,
        actor_id=staff.id if staff else None,
        occurred_at__gt=lasting,
        data__network=_network(request),
    )
    if not already.exists():
        setattr(request, _JUST_LOCKED, True)
        _record(action, staff, request)


def _migrated(sender: Any, **kwargs: Any) -> None:
    if sender.label == "core" and OutboxCursor._meta.db_table in connection.introspection.table_names():
        align_txids()


def _account(username: str) -> Staff | None:
    return Staff.objects.filter(username__iexact=username).first()


def _record(action: str, staff: Staff | None, request: HttpRequest | None) -> None:
    record_audit(
        actor=staff.as_actor() if staff else _UNKNOWN,
        action=action,
        now=now(),
        object_type="staff" if staff else "",
        object_id=staff.id if staff else "",
        data={"network": _network(request)},
    )


def _network(request: HttpRequest | None) -> str:
    """The caller's network (/24 or /48), enough to see an attack and too little to tell a home."""
    try:
        address = ipaddress.ip_address((request.META.get("REMOTE_ADDR") or "") if request else "")
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))
