"""Who gets in: keys, scopes, expiry, rate; and what a stranger learns (nothing)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from shuke.api.app import ROOMS
from shuke.api.endpoint import ENDPOINTS, Endpoint
from shuke.api.schema import PREFIX
from shuke.core import rate
from shuke.core.models import ApiKey
from shuke.core.operations import revoke_api_key
from shuke.core.queries import forget_keys
from shuke.core.values import SYSTEM, Scope
from tests.api.client import Till, new_key
from tests.factories.core import NOW, make_key

SOME_ID = "01a1fc5e-4940-7953-9531-2451e928925c"


def address(spec: Endpoint) -> str:
    """The endpoint's path with something in its variables."""
    return (
        re.sub(r"\{\w+_id\}", SOME_ID, spec.path)
        .replace("{number}", "1")
        .replace("{code}", "S1")
        .replace("{sku}", "A")
    )


@pytest.mark.parametrize("spec", ENDPOINTS, ids=lambda spec: f"{spec.method} {spec.path}")
def test_every_endpoint_needs_a_key_and_its_scope(shop: object, spec: Endpoint) -> None:
    stranger = Till().call(spec.method, address(spec), key=new_key())
    assert (stranger.status, stranger.code) == (401, "unauthenticated")
    assert stranger.headers["www-authenticate"].startswith("Bearer")
    if spec.scope is None:
        return
    others = [scope for scope in Scope if scope != spec.scope]
    refused = Till(make_key(*others)[1]).call(spec.method, address(spec), {}, key=new_key())
    assert (refused.status, refused.code) == (403, "missing_scope")
    assert spec.scope.value in refused.json["detail"]


@pytest.mark.parametrize("secret", ["", "sk_live_x", "sk_live_" + "x" * 500, "nonsense", "sk_live_é"])
def test_a_wrong_key_is_refused(shop: object, secret: str) -> None:
    assert Till(secret.encode().decode("latin-1")).get("/ping").code == "unauthenticated"


def test_another_scheme_is_refused(till: Till) -> None:
    answer = Till().call("GET", "/ping", headers={"Authorization": f"Basic {till.secret}"})
    assert answer.code == "unauthenticated"


def test_an_expired_and_a_revoked_key(shop: object) -> None:
    key, secret = make_key(expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert Till(secret).get("/ping").status == 200
    forget_keys()  # it was read within this second
    ApiKey.objects.filter(id=key.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert (Till(secret).get("/ping").status, Till(secret).get("/ping").code) == (401, "key_expired")
    other, other_secret = make_key()
    revoke_api_key(actor=SYSTEM, now=NOW, key_id=other.id)
    assert Till(other_secret).get("/ping").code == "unauthenticated"


def test_the_rate_is_told_and_kept(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = rate.RateLimiter(3)
    monkeypatch.setattr(rate, "_configured", lambda: limiter)
    left = [till.get("/ping").headers["ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = till.get("/ping")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit-limit"] == "3"
    assert Till(make_key()[1]).get("/ping").status == 200  # another key has its own


def test_a_refusal_tells_the_rate_too(till: Till) -> None:
    assert "ratelimit-remaining" in till.get("/orders/none").headers


def test_health_needs_no_key_and_tells_nothing(db: None) -> None:
    answer = Till().get("/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_request_ids(till: Till) -> None:
    kept = till.call("GET", "/ping", headers={"X-Request-Id": "pos-7.0001"})
    assert kept.headers["x-request-id"] == "pos-7.0001"
    made = till.call("GET", "/ping", headers={"X-Request-Id": "a b"})
    assert made.headers["x-request-id"] not in {"", "a b"}


def test_no_endpoint_is_registered_past_the_declaration() -> None:
    routed = {
        (method, PREFIX + "/" + path.lstrip("/"))
        for room in ROOMS
        for path, view in room.router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }
    assert routed == {(spec.method, PREFIX + spec.path) for spec in ENDPOINTS}
