"""A form books once, however often it is sent: the token that it was drawn with is its key."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from shuke.console.access import staff_of
from shuke.core.idempotency import run_once
from shuke.kit import clock


def new_token() -> str:
    """The key of a fresh form."""
    return uuid.uuid4().hex


def once(request: HttpRequest, sent: Mapping[str, str], work: Callable[[], str]) -> str:
    """What `work` returned, now or when this form was first sent. `sent` is what makes two sendings the same.

    Raises PermissionDenied for a token that no page of ours made, IdempotencyConflict when the same form asks for
    something else, and the refusals of `work`, which then may be tried again.
    """
    token = request.POST.get("token", "")[:60]
    if not token.isalnum() or not token.isascii():
        raise PermissionDenied
    told = "\n".join(f"{name}={sent[name]}" for name in sorted(sent))
    answer = run_once(
        caller_id=staff_of(request).id,
        key=f"console-{token}",
        input_hash=hashlib.sha256(f"{request.path}\n{told}".encode()).digest(),
        now=clock.now(),
        work=lambda: (200, work().encode()),
    )
    return answer.body.decode()
