"""Request ids, the access log, and log lines without personal data."""

from __future__ import annotations

import json
import logging
import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from shuke.core.requests import (
    PlainErrors,
    RequestIdMiddleware,
    blot,
    current_request_id,
    log_unknown_error,
    request_id,
)


def serve(
    given: str | None = None, path: str = "/api/v1/members?phone=13800138000"
) -> tuple[str, HttpResponse]:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current_request_id())
        return HttpResponse("ok", status=201)

    headers = {} if given is None else {"X-Request-Id": given}
    response = RequestIdMiddleware(view)(RequestFactory().get(path, headers=headers))
    return seen[0], response


def test_callers_id_is_kept_and_returned() -> None:
    seen, response = serve("pos-7.2026_0001")
    assert seen == response.headers["X-Request-Id"] == "pos-7.2026_0001"
    assert current_request_id() == ""


@pytest.mark.parametrize(
    "given", [None, "", "short", "x" * 65, "has space1", "new\nline-1", "<script>", "ключ-12345"]
)
def test_a_missing_or_harmful_id_is_replaced(given: str | None) -> None:
    seen, response = serve(given)
    assert seen == response.headers["X-Request-Id"] != given
    assert re.fullmatch(r"[0-9a-f]{20}", seen)


def test_access_line_is_json_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="shuke.access"):
        serve("pos-7-000001", "/api/v1/members?phone=13800138000")
    [line] = [record.getMessage() for record in caplog.records if record.name == "shuke.access"]
    entry = json.loads(line)
    assert entry.pop("ms") >= 0
    assert entry == {"request_id": "pos-7-000001", "method": "GET", "path": "/api/v1/members", "status": 201}
    assert "13800138000" not in line


def test_ids_nest_and_are_restored_after_an_exception() -> None:
    with request_id("outer-0001"):
        with pytest.raises(RuntimeError), request_id("inner-0001"):
            raise RuntimeError
        assert current_request_id() == "outer-0001"
    assert current_request_id() == ""


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Key (value)=(13800138000) already exists", "13800138000"),
        ("Key (email)=(li.na@example.com) exists", "li.na"),
        ("member 李娜 has no phone", "李娜"),
        ('duplicate key value violates "x"\nDETAIL: Failing row contains (secret words)', "secret"),
        ("x" * 1000, "x" * 301),
    ],
)
def test_blot_hides_what_may_be_personal(text: str, hidden: str) -> None:
    assert hidden not in blot(text)


def test_unknown_error_is_one_line_of_json_with_the_place(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("card 6222020200112233 of 李娜\nsecond line")
    except ValueError as error:
        with request_id("pos-7-000002"):
            log_unknown_error(error, method="POST", path="/api/v1/orders")
    [record] = caplog.records
    entry = json.loads(record.getMessage())
    assert "\n" not in record.getMessage() and record.exc_info is None
    assert entry["request_id"] == "pos-7-000002" and entry["error"] == "builtins.ValueError"
    assert entry["message"] == "card ▇ of ▇"
    assert entry["frames"][-1].endswith("test_unknown_error_is_one_line_of_json_with_the_place")


def test_tracebacks_of_others_lose_their_values() -> None:
    try:
        raise ValueError("phone 13800138000")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed for %s", ("li.na@example.com",), None
        )
        record.exc_info = (type(error), error, error.__traceback__)
    assert PlainErrors().filter(record) is True
    text = logging.Formatter("%(message)s").format(record)
    assert "13800138000" not in text and "li.na" not in text and "\n" not in text
    assert json.loads(text)["error"] == "builtins.ValueError"
    plain = logging.LogRecord("x", logging.INFO, __file__, 1, "%d rows", (3,), None)
    assert PlainErrors().filter(plain) and plain.getMessage() == "3 rows"
