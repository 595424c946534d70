"""Fuzz every operation of the OpenAPI document through the WSGI entry point: no 5xx, and nothing but what is documented.

Random ids and codes name nothing, so every second generated case gets ones that exist: then the fuzzer gets past the
doors and into the rooms.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shuke.config.wsgi import application
from shuke.core.queries import verify_audit
from shuke.core.values import Scope
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from tests.api.client import Till
from tests.factories.checkout import make_shop
from tests.factories.core import make_key
from tests.factories.members import make_member

EXAMPLES = 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


@dataclass(frozen=True)
class House:
    """What exists, by the names that requests use."""

    secret: str
    member_id: str
    order_id: str
    known: dict[str, str]


@pytest.fixture
def house(transactional_db: None) -> Iterator[House]:
    """A shop with a member who has bought something."""
    make_shop()
    secret = make_key(*Scope)[1]
    member = make_member(phone="13812345678")
    till = Till(secret)
    line = {"sku": "A", "quantity": 200}
    who = {"kind": "id", "value": str(member.id)}
    order = till.post("/orders", {"store": "S1", "channel": "pos", "lines": [line], "member": who})
    known = {
        "store": "S1",
        "join_store": "S1",
        "channel": "pos",
        "join_channel": "pos",
        "sku": "A",
        "currency": "CNY",
    }
    yield House(secret, str(member.id), order.json["id"], known)
    forget_versions()


def brought_home(case: schemathesis.Case, house: House) -> bool:
    """Put what exists into every second case, decided by the case itself. False when it was left as generated."""
    chance = random.Random(f"{case.path_parameters}{case.query}{case.body!r}")
    if chance.random() < 0.5:
        return False
    ids = {"member_id": house.member_id, "order_id": house.order_id, "number": 1, "code": "S1", "sku": "A"}
    if case.path_parameters:
        case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
    if isinstance(case.query, dict) and "member" in case.query:
        case.query = {**case.query, "member": house.member_id}
    if isinstance(case.body, dict):
        case.body = _filled(case.body, house)
        if isinstance(case.body.get("member"), dict):
            case.body["member"] = {"kind": "id", "value": house.member_id}
        if "occurred_at" in case.body:
            case.body["occurred_at"] = None
    return True


def _filled(value: Any, house: House) -> Any:
    if isinstance(value, dict):
        return {
            name: house.known[name] if name in house.known and isinstance(item, str) else _filled(item, house)
            for name, item in value.items()
        }
    return [_filled(item, house) for item in value] if isinstance(value, list) else value


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_to_its_document(case: schemathesis.Case, house: House) -> None:
    changed = brought_home(case, house)
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {house.secret}"}
    checks = [check for check in CHECKS if not (changed and check is negative_data_rejection)]
    case.call_and_validate(checks=checks)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=schema["/api/v1/orders"]["POST"].as_strategy())
def test_the_books_stay_clean_under_odd_sales(case: schemathesis.Case, house: House) -> None:
    """Carts of the fuzzer with every name replaced by one that exists: what is sold must add up."""
    if isinstance(case.body, dict):
        case.body = {
            **_filled(case.body, house),
            "member": {"kind": "id", "value": house.member_id},
            "occurred_at": None,
        }
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {house.secret}"}
    assert case.call().status_code < 500
    assert reconcile().is_clean
    assert verify_audit().ok
