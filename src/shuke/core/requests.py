"""One id per request, in every answer, log line and audit row; and log lines that carry no personal data.

The id of the caller (`X-Request-Id`) is kept when it is harmless, so that a POS can follow its call through
its own logs and ours; otherwise one is made. Query strings are never logged, because searches carry names and
phone numbers.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-Id"
ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")

_current: ContextVar[str] = ContextVar("shuke_request_id", default="")
_access = logging.getLogger("shuke.access")
_errors = logging.getLogger("shuke.errors")

_LONG_DIGITS = re.compile(r"\d{5,}")
_EMAIL = re.compile(r"[^\s@<>\"'(=]+@[^\s@<>\"')]+")
_HAN = re.compile(r"[\u3400-\u9fff]+")


def current_request_id() -> str:
    """The id of the request (or job) being served in this thread, or ""."""
    return _current.get()


def new_request_id() -> str:
    """A fresh id: 20 hex digits."""
    return secrets.token_hex(10)


@contextmanager
def request_id(value: str) -> Iterator[None]:
    """Serve a block of work under an id: jobs and commands use it, so that their audit rows can be found."""
    token = _current.set(value)
    try:
        yield
    finally:
        _current.reset(token)


class RequestIdMiddleware:
    """Set the request id, return it, write the access log line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        value = given if ACCEPTED_ID.fullmatch(given) else new_request_id()
        started = time.perf_counter()
        token = _current.set(value)
        try:
            response = self.get_response(request)
            response.headers[HEADER] = value
            if _access.isEnabledFor(logging.INFO):
                _access.info(
                    json.dumps(
                        {
                            "request_id": value,
                            "method": request.method,
                            "path": request.path,
                            "status": response.status_code,
                            "ms": round((time.perf_counter() - started) * 1000, 1),
                        }
                    )
                )
            return response
        finally:
            _current.reset(token)


def log_unknown_error(error: BaseException, *, method: str = "", path: str = "") -> None:
    """Log an exception that nobody anticipated, as one line of JSON with the request id and the place."""
    _errors.error(json.dumps({"method": method, "path": path, **_described(error)}))


class PlainErrors(logging.Filter):
    """On a log handler: turns a traceback into one line of JSON without personal data, whoever logged it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; never drops it."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            record.msg = json.dumps({"log": blot(record.getMessage()), **_described(error)})
            record.args = None
        record.exc_info = record.exc_text = None
        return True


def blot(text: str) -> str:
    """The first line of a message without what could be personal data, at most 300 characters.

    Database errors quote values of the row, so e-mail addresses, five or more digits and Chinese text go.
    """
    line = text.strip().split("\n", 1)[0][:300]
    return _HAN.sub("▇", _LONG_DIGITS.sub("▇", _EMAIL.sub("▇", line)))


def _described(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "request_id": current_request_id(),
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": blot(str(error)),
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }
