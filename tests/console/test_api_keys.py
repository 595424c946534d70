"""API keys: a secret is shown once, and a key grants no more than the person who makes it has."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from shuke.core.errors import Unauthenticated
from shuke.core.models import ApiKey
from shuke.core.queries import authenticate_key
from shuke.core.values import Role, Scope
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.core import make_key, make_staff

pytestmark = pytest.mark.django_db

NEW = {"name": "Tills", "scopes": ["checkout:read", "checkout:write"], "all_stores": "on"}


def test_a_key_is_made_and_its_secret_is_shown_once() -> None:
    client = client_of()
    answer = client.post("/api-keys/new", NEW)
    secret = answer.context["secret"]
    assert secret in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    caller = authenticate_key(secret=secret, now=timezone.now())
    assert caller.scopes == {"checkout:read", "checkout:write"}
    for path in ("/api-keys", f"/api-keys/{caller.id}"):
        assert secret not in text_of(client.get(path))
        assert "sk_live_" in text_of(client.get(path))


def test_a_key_of_some_stores_ends_with_its_last_day() -> None:
    store = make_store()
    day = timezone.localdate() + timedelta(days=3)
    given = {
        "name": "x",
        "scopes": ["members:read"],
        "store_ids": [str(store.id)],
        "expires_on": day.isoformat(),
    }
    client_of().post("/api-keys/new", given)
    key = ApiKey.objects.get()
    assert (key.all_stores, key.store_ids) == (False, [store.id])
    assert key.expires_at is not None
    assert key.expires_at - timezone.now() > timedelta(days=3) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x\x00"),
        ("name", "x" * 81),
        ("scopes", []),
        ("scopes", ["everything"]),
        ("expires_on", "2001-01-01"),
        ("expires_on", "9999-12-31"),
        ("expires_on", "soon"),
    ],
)
def test_a_refusal_stands_beside_its_field(field: str, value: object) -> None:
    answer = client_of().post("/api-keys/new", {**NEW, field: value})
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert not ApiKey.objects.exists()


def test_nobody_grants_stores_beyond_their_own() -> None:
    mine, theirs = make_store(), make_store()
    client = client_of(make_staff(Role.ADMIN, all_stores=False, store_ids=[mine.id]))
    for grant in ({"all_stores": "on"}, {"store_ids": [str(theirs.id)]}, {"store_ids": ["x"]}, {}):
        given = {"name": "x", "scopes": ["members:read"], **grant}
        assert client.post("/api-keys/new", given).status_code == 422
    far, _secret = make_key(Scope.MEMBERS_READ, store_ids=[theirs.id])
    near, _secret = make_key(Scope.MEMBERS_READ, store_ids=[mine.id])
    assert [row["key"].id for row in client.get("/api-keys").context["rows"]] == [near.id]
    assert client.get(f"/api-keys/{far.id}").status_code == 404
    assert client.post(f"/api-keys/{far.id}/revoke").status_code == 404
    far.refresh_from_db()
    assert far.revoked_at is None


def test_a_key_is_revoked_after_asking() -> None:
    key, secret = make_key()
    client = client_of()
    assert 'data-confirm="revoke"' in text_of(client.get(f"/api-keys/{key.id}"))
    assert client.get(f"/api-keys/{key.id}/revoke").status_code == 405
    client.post(f"/api-keys/{key.id}/revoke", {"reason": "lost\x00" * 200})
    with pytest.raises(Unauthenticated):
        authenticate_key(secret=secret, now=timezone.now())
    page = text_of(client.get(f"/api-keys/{key.id}"))
    assert "Revoked" in page
    assert 'action="/api-keys' not in page


def test_states_are_shown() -> None:
    make_key()
    make_key(expires_at=timezone.now() + timedelta(days=1))
    ApiKey.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now() - timedelta(days=1))
    states = [row["state"] for row in client_of().get("/api-keys").context["rows"]]
    assert sorted(states) == ["expired", "live"]


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
def test_other_roles_stay_out(role: Role) -> None:
    key, _secret = make_key()
    client = client_of(make_staff(role))
    for path in ("/api-keys", "/api-keys/new", f"/api-keys/{key.id}"):
        assert client.get(path).status_code == 403
    assert client.post("/api-keys/new", NEW).status_code == 403
    assert client.post(f"/api-keys/{key.id}/revoke").status_code == 403
    assert ApiKey.objects.filter(revoked_at__isnull=True).count() == 1


def test_unknown_keys_are_not_found() -> None:
    assert client_of().get(f"/api-keys/{uuid.uuid4()}").status_code == 404


def test_the_list_costs_the_same_for_one_row_and_for_three() -> None:
    client = client_of()
    make_key()
    one = queries_of(client, "/api-keys")
    make_key(store_ids=[make_store().id])
    make_key()
    assert queries_of(client, "/api-keys") == one <= MOST_QUERIES
