"""The same write twice: one effect, one answer. Another write under the same key: refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from shuke.api.endpoint import ENDPOINTS
from shuke.checkout.models import Order, Refund
from shuke.core.models import IdempotentCall
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.members.models import Member
from tests.api.client import Answer, Till
from tests.factories.core import make_key
from tests.factories.members import make_member

TWINS = 16


def sale(member: Member, **more: Any) -> dict[str, Any]:
    return {
        "store": "S1",
        "channel": "pos",
        "lines": [{"sku": "A", "quantity": 3}],
        "member": {"kind": "id", "value": str(member.id)},
        **more,
    }


def test_every_write_needs_a_key(till: Till) -> None:
    for spec in ENDPOINTS:
        if spec.keyed not in {"once", "own"}:
            continue
        path = re.sub(r"{\w+_id}", "x", spec.path).replace("{code}", "S1")
        answer = till.call(spec.method, path.replace("{sku}", "A"), _body(spec.name))
        assert answer.status in {400, 404}, spec
        if "x" not in path.split("/"):
            assert answer.code == "idempotency_key_missing", spec
            assert answer.json["errors"][0]["header"] == "Idempotency-Key"


def _body(name: str) -> dict[str, Any]:
    return {
        "commit": {"store": "S1", "channel": "pos", "lines": [{"sku": "A", "quantity": 1}]},
        "refund": {"reason": "none"},
        "activate": {"event": "delivered"},
        "attach": {"receipt": "T-1-AAAAAAAA", "member": {"kind": "number", "value": "1"}},
        "create_a_store": {"code": "S7", "name": "Seventh"},
        "create_a_product": {"sku": "P7", "name": "Seventh"},
        "replace_tags": {"tags": []},
    }.get(name, {})


@pytest.mark.parametrize("key", ["x" * 121, "tab\tkey", "clé"])
def test_a_key_that_cannot_be_kept(till: Till, key: str) -> None:
    answer = till.post("/products", {"sku": "P", "name": "P"}, key=key.encode().decode("latin-1"))
    assert (answer.status, answer.json["errors"][0]["header"]) == (422, "Idempotency-Key")


def test_replay_and_twist_of_every_kind_of_write(till: Till) -> None:
    member = make_member()
    order_id = till.post("/orders", sale(member)).json["id"]
    writes: list[tuple[str, str, Any, Any]] = [
        ("POST", "/orders", sale(member), sale(member, settled=True)),
        ("POST", f"/orders/{order_id}/refund", {"reason": "one"}, {"reason": "two"}),
        ("POST", "/members", {"name": "a"}, {"name": "b"}),
        ("PATCH", f"/members/{member.id}", {"name": "a"}, {"name": "b"}),
        ("PUT", f"/members/{member.id}/tags", {"tags": ["a"]}, {"tags": ["b"]}),
        ("POST", "/stores", {"code": "Q1", "name": "a"}, {"code": "Q2", "name": "a"}),
        ("PATCH", "/stores/S1", {"name": "a"}, {"name": "b"}),
        ("POST", "/products", {"sku": "Q1", "name": "a"}, {"sku": "Q2", "name": "a"}),
        ("PATCH", "/products/A", {"name": "a"}, {"name": "b"}),
    ]
    for number, (method, path, body, twisted) in enumerate(writes):
        key = f"write-{number}"
        first = till.call(method, path, body, key=key)
        assert first.status in {200, 201}, first
        assert "idempotency-replayed" not in first.headers
        again = till.call(method, path, body, key=key)
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["idempotency-replayed"] == "true"
        refused = till.call(method, path, twisted, key=key)
        assert (refused.status, refused.code) == (409, "idempotency_conflict"), path
    assert Order.objects.count() == 2
    assert Member.objects.count() == 2


def test_a_key_belongs_to_its_caller_and_its_address(till: Till) -> None:
    member = make_member()
    assert till.post("/orders", sale(member), key="k").status == 201
    other = Till(make_key()[1]).post("/orders", sale(member), key="k")
    assert (other.status, "idempotency-replayed" in other.headers) == (201, False)
    assert till.post("/products", {"sku": "P", "name": "P"}, key="k").code == "idempotency_conflict"


def test_a_refusal_is_not_kept(till: Till) -> None:
    body = {"sku": "N", "name": "N"}
    cart = {"store": "S1", "channel": "pos", "lines": [{"sku": "N", "quantity": 1, "unit_price_minor": 5}]}
    assert till.post("/orders", cart, key="late").code == "unknown_product"
    till.post("/products", body)
    assert till.post("/orders", cart, key="late").status == 201


def together(call: Callable[[], Answer], times: int = TWINS) -> list[Answer]:
    """Make the same call from several threads at once."""
    answers: list[Answer] = []
    start = threading.Barrier(times)

    def run() -> None:
        try:
            start.wait()
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == times
    return answers


def test_sixteen_twins_sell_once(open_shop: Till) -> None:
    member = make_member()
    answers = together(lambda: open_shop.post("/orders", sale(member), key="twin"))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert Order.objects.count() == 1
    assert Account.objects.get(member_id=member.id, asset="points").balance == 30
    assert IdempotentCall.objects.count() == 1
    assert reconcile().is_clean


def test_sixteen_twins_refund_once(open_shop: Till) -> None:
    member = make_member()
    order_id = open_shop.post("/orders", sale(member)).json["id"]
    answers = together(lambda: open_shop.post(f"/orders/{order_id}/refund", {"reason": "twins"}, key="twin"))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert Refund.objects.count() == 1
    assert reconcile().is_clean


def test_sixteen_sales_of_one_member_all_count(open_shop: Till) -> None:
    member = make_member()
    answers = together(lambda: open_shop.post("/orders", sale(member)))
    assert {answer.status for answer in answers} == {201}
    assert Account.objects.get(member_id=member.id, asset="points").balance == 30 * TWINS
    assert reconcile().is_clean


def test_sixteen_twins_register_once(open_shop: Till) -> None:
    answers = together(lambda: open_shop.post("/members", {"phone": "13812345678"}, key="twin"))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert Member.objects.count() == 1
