"""API keys: made once, shown once, checked on every call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shuke.core.errors import (
    InvalidInput,
    KeyExpired,
    MissingScope,
    NotAllowed,
    NotFound,
    OutOfStoreScope,
    Unauthenticated,
)
from shuke.core.models import ApiKey, AuditEvent
from shuke.core.operations import create_api_key, revoke_api_key
from shuke.core.queries import authenticate_key, keys, list_api_keys
from shuke.core.values import SYSTEM, Role, Scope
from shuke.kit.ids import uuid7
from tests.factories.core import NOW, make_key, make_staff

STORE = uuid7()
pytestmark = pytest.mark.django_db


def test_key_opens_with_its_secret_and_nothing_of_it_is_stored() -> None:
    owner = make_staff()
    key, secret = create_api_key(
        actor=owner.as_actor(),
        now=NOW,
        name=" POS 7 ",
        scopes=[Scope.MEMBERS_READ, "checkout:write"],
        store_ids=[STORE],
    )
    assert secret.startswith(f"sk_live_{key.prefix}_") and len(secret) == 60
    caller = authenticate_key(secret=secret, now=NOW)
    assert (caller.id, caller.name) == (key.id, "POS 7")
    assert caller.scopes == {"members:read", "checkout:write"}
    assert (caller.all_stores, caller.store_ids) == (False, {STORE})
    actor = caller.as_actor()
    assert actor.reference == f"key:{key.id}" and actor.may_touch_store(STORE)
    assert not actor.may_touch_store(uuid7())
    tail = secret.rsplit("_", 1)[1]
    assert tail not in str(AuditEvent.objects.values_list("data")) and tail not in str(
        ApiKey.objects.values()
    )


def test_scope_and_store_are_required() -> None:
    _key, secret = make_key(Scope.MEMBERS_READ, store_ids=[STORE])
    caller = authenticate_key(secret=secret, now=NOW)
    caller.require(Scope.MEMBERS_READ)
    caller.require_store(STORE)
    caller.require_store(None)
    with pytest.raises(MissingScope, match="members:write"):
        caller.require(Scope.MEMBERS_WRITE)
    with pytest.raises(OutOfStoreScope):
        caller.require_store(uuid7())


def test_wrong_secrets_are_refused_alike() -> None:
    _key, secret = make_key()
    other = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    for bad in (
        other,
        secret + "x",
        secret[:-1],
        "",
        "sk_live_",
        "Bearer " + secret,
        "sk_live_" + "x" * 5000,
        "sk_live_é",
    ):
        with pytest.raises(Unauthenticated):
            authenticate_key(secret=bad, now=NOW)


def test_expired_and_revoked_keys_end() -> None:
    key, secret = make_key(expires_at=NOW + timedelta(days=1))
    authenticate_key(secret=secret, now=NOW)
    with pytest.raises(KeyExpired):
        authenticate_key(secret=secret, now=NOW + timedelta(days=1))
    revoked = revoke_api_key(actor=SYSTEM, now=NOW, key_id=key.id, reason="till stolen")
    assert revoked.revoked_at == NOW
    with pytest.raises(Unauthenticated):
        authenticate_key(secret=secret, now=NOW)
    revoke_api_key(actor=SYSTEM, now=NOW + timedelta(days=1), key_id=key.id)
    assert ApiKey.objects.get().revoked_at == NOW
    assert AuditEvent.objects.filter(action="core.api_key_revoked.v1").count() == 1


def test_a_busy_key_is_read_once_a_second_and_its_day_of_use_noted_once(
    django_assert_num_queries: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1000.0
    monkeypatch.setattr(keys.time, "monotonic", lambda: moment)
    key, secret = make_key()
    authenticate_key(secret=secret, now=NOW)
    assert ApiKey.objects.get(id=key.id).last_used_on == NOW.date()
    with django_assert_num_queries(0):
        authenticate_key(secret=secret, now=NOW + timedelta(hours=1))
    moment += keys.KEY_SECONDS + 0.01
    with django_assert_num_queries(1):
        authenticate_key(secret=secret, now=NOW + timedelta(hours=1))
    tomorrow = NOW + timedelta(days=1)
    authenticate_key(secret=secret, now=tomorrow)
    assert ApiKey.objects.get(id=key.id).last_used_on == tomorrow.date()


def test_a_revocation_elsewhere_counts_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1000.0
    monkeypatch.setattr(keys.time, "monotonic", lambda: moment)
    key, secret = make_key()
    authenticate_key(secret=secret, now=NOW)
    ApiKey.objects.filter(id=key.id).update(revoked_at=NOW)  # as another process would
    moment += keys.KEY_SECONDS + 0.01
    with pytest.raises(Unauthenticated):
        authenticate_key(secret=secret, now=NOW)


def test_an_expired_key_ends_though_it_was_just_read() -> None:
    _key, secret = make_key(expires_at=NOW + timedelta(hours=1))
    authenticate_key(secret=secret, now=NOW)
    with pytest.raises(KeyExpired):
        authenticate_key(secret=secret, now=NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["members:read", "everything"]}, "scopes"),
        ({"all_stores": False}, "store_ids"),
        ({"expires_at": NOW}, "expires_at"),
    ],
)
def test_create_refuses_bad_input(change: dict[str, object], field: str) -> None:
    values = {"name": "pos", "scopes": [Scope.MEMBERS_READ], "all_stores": True, **change}
    with pytest.raises(InvalidInput) as refusal:
        create_api_key(actor=SYSTEM, now=NOW, **values)  # type: ignore[arg-type]
    assert refusal.value.field == field and ApiKey.objects.count() == 0


def test_keys_are_made_and_revoked_by_managers_within_their_stores() -> None:
    manager = make_staff(Role.STORE_MANAGER).as_actor()
    with pytest.raises(NotAllowed):
        create_api_key(actor=manager, now=NOW, name="pos", scopes=[Scope.MEMBERS_READ], all_stores=True)
    near = make_staff(Role.ADMIN, all_stores=False, store_ids=[STORE]).as_actor()
    with pytest.raises(OutOfStoreScope):
        create_api_key(actor=near, now=NOW, name="pos", scopes=[Scope.MEMBERS_READ], all_stores=True)
    everywhere, _secret = make_key()
    for refused, error in ((manager, NotAllowed), (near, OutOfStoreScope)):
        with pytest.raises(error):
            revoke_api_key(actor=refused, now=NOW, key_id=everywhere.id)
    with pytest.raises(NotFound):
        revoke_api_key(actor=SYSTEM, now=NOW, key_id=uuid7())
    assert create_api_key(actor=near, now=NOW, name="pos", scopes=[Scope.MEMBERS_READ], store_ids=[STORE])


def test_list_has_live_keys_first_newest_first(django_assert_num_queries: Callable[..., object]) -> None:
    old, new, revoked = (make_key()[0] for _ in range(3))
    ApiKey.objects.filter(id=new.id).update(created_at=NOW + timedelta(days=1))
    revoke_api_key(actor=SYSTEM, now=NOW, key_id=revoked.id)
    with django_assert_num_queries(1):
        assert [key.id for key in list_api_keys()] == [new.id, old.id, revoked.id]
