"""The database goes away and comes back: a dead connection heals unseen, a dead database is told at once."""

from __future__ import annotations

import io
import time
from typing import Any

import psycopg
import pytest
from django.core.signals import request_started
from django.db import OperationalError, close_old_connections, connection, transaction

from shuke.api.endpoints import checkout
from shuke.checkout.models import Order
from shuke.config.wsgi import application
from shuke.kit.connection import on_common_connection, on_live_connection
from tests.api.client import Answer, Till

SALE = {"store": "S1", "channel": "pos", "system": "till", "lines": [{"sku": "A", "quantity": 1}]}


def backend() -> int:
    connection.ensure_connection()
    pid: int = connection.connection.info.backend_pid
    return pid


def cut() -> int:
    """End our own server process from another connection, as a restart of the server would; returns its id."""
    pid = backend()
    parameters = {**connection.get_connection_params()}
    for ours in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(ours, None)
    with psycopg.connect(**parameters, autocommit=True) as other:
        assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)
    return pid


def sell(till: Till, number: str) -> Answer:
    return till.post("/orders", {**SALE, "number": number}, key=number)


def test_a_connection_that_died_between_two_requests_goes_unnoticed(open_shop: Till) -> None:
    assert sell(open_shop, "N-1").status == 201
    own = cut()
    with on_common_connection():
        common = cut()
    assert sell(open_shop, "N-2").status == 201
    with on_common_connection():
        assert backend() != common
    assert Order.objects.count() == 2
    assert backend() != own


def test_the_api_does_not_ask_whether_the_connection_lives(
    open_shop: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: list[int] = []
    usable = connection.is_usable
    monkeypatch.setattr(connection, "is_usable", lambda: pings.append(1) or usable())
    connection.health_check_done = False
    assert connection.health_check_enabled
    assert sell(open_shop, "N-1").status == 201
    assert pings == []


def test_a_sale_whose_connection_dies_under_way_is_told_so_and_can_be_sent_again(
    open_shop: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = checkout.commit_order

    def cut_first(**arguments: Any) -> Any:
        cut()
        return commit(**arguments)

    monkeypatch.setattr(checkout, "commit_order", cut_first)
    refused = sell(open_shop, "N-1")
    assert (refused.status, refused.code) == (503, "database_unavailable")
    monkeypatch.undo()
    again = sell(open_shop, "N-1")
    assert again.status == 201
    assert "idempotency-replayed" not in again.headers
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("language", "title", "detail"),
    [
        (
            "en",
            "Not available",
            "The database cannot be reached just now. Try again shortly with the same Idempotency-Key.",
        ),
        ("zh-CN", "暂不可用", "数据库暂时无法访问，请稍后用同一个 Idempotency-Key 重试。"),
        ("zh-TW", "暫時無法使用", "資料庫暫時無法存取，請稍後用同一個 Idempotency-Key 重試。"),
    ],
)
def test_a_database_that_is_down_is_told_at_once(
    open_shop: Till, monkeypatch: pytest.MonkeyPatch, language: str, title: str, detail: str
) -> None:
    cut()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nonexistent/socket")
    began = time.monotonic()
    answer = sell(Till(open_shop.secret, language), "N-1")
    assert time.monotonic() - began < 2
    assert (answer.status, answer.code) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert (answer.json["title"], answer.json["detail"]) == (title, detail)
    connection.close()
    monkeypatch.undo()
    assert sell(open_shop, "N-1").status == 201


def test_an_error_of_a_statement_is_not_taken_for_a_dead_database(
    open_shop: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(**_: Any) -> Any:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1")
            cursor.execute("SELECT pg_sleep(1)")

    monkeypatch.setattr(checkout, "commit_order", slow)
    assert sell(open_shop, "N-1").code == "internal_error"


def test_the_console_still_asks_and_so_heals_wherever_it_reads_first(open_shop: Till) -> None:
    cut()
    request_started.connect(close_old_connections)
    try:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_COOKIE": "sessionid=" + "x" * 32,
            "wsgi.input": io.BytesIO(),
        }
        statuses: list[str] = []
        b"".join(application(environ, lambda status, _headers: statuses.append(status)))
        assert statuses == ["302 Found"]
    finally:
        request_started.disconnect(close_old_connections)


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_nothing_is_tried_again() -> None:
    tries: list[int] = []

    def read() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    with pytest.raises(OperationalError), transaction.atomic():
        cut()
        on_live_connection(read)
    assert len(tries) == 1
    on_live_connection(read)
