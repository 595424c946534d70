"""A form of the console books once, however often it is sent: its hidden token is the idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from django import forms
from django.http import HttpRequest

from shuke.console.access import staff_of
from shuke.core.idempotency import run_once


def book_once(request: HttpRequest, form: forms.Form, work: Callable[[], str], *, now: datetime) -> str:
    """What `work` says; sent again, the same form only says again what it said. The form has a field `token`."""
    sent = "\n".join(f"{key}={form.data.get(key, '')}" for key in sorted(form.fields))
    answer = run_once(
        caller_id=staff_of(request).id,
        key=f"console-{form.cleaned_data['token']}"[:120],
        input_hash=hashlib.sha256(f"{request.path}\n{sent}".encode()).digest(),
        now=now,
        work=lambda: (200, work().encode()),
    )
    return answer.body.decode()
