"""Make and revoke API keys."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.authority import require_manager, require_stores_covered
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.models import ApiKey
from shuke.core.operations.audit import record_audit
from shuke.core.queries.keys import forget_keys
from shuke.core.values import Actor, Permission, Scope
from shuke.kit.ids import uuid7

KEY_START = "sk_live_"
_LETTERS = string.ascii_letters + string.digits
_PREFIX_CHARS = 8
_SECRET_CHARS = 43  # 62^43 > 2^256


def secret_hash(secret: str) -> bytes:
    """What is stored of a key. A fast hash is right here: the secret is 256 random bits, not a password."""
    return hashlib.sha256(secret.encode()).digest()


def create_api_key(
    *,
    actor: Actor,
    now: datetime,
    name: str,
    scopes: Collection[Scope | str],
    all_stores: bool = False,
    store_ids: Collection[UUID] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret (`sk_live_<prefix>_<secret>`), which is shown once and not stored.

    The actor needs `keys.manage` and must cover the stores of the key. Raises NotAllowed, OutOfStoreScope,
    InvalidInput.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise InvalidInput(field="name", reason=_("Give the key a name of at most 80 characters."))
    wanted = sorted({str(scope) for scope in scopes})
    if not wanted or not set(wanted) <= set(Scope.values):
        raise InvalidInput(field="scopes", reason=_("Choose at least one of the known scopes."))
    if not all_stores and not store_ids:
        raise InvalidInput(
            field="store_ids", reason=_("Choose the stores that this key covers, or all stores.")
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(field="expires_at", reason=_("The expiry must lie in the future."))
    require_manager(actor, Permission.KEYS_MANAGE)
    require_stores_covered(actor, all_stores=all_stores, store_ids=store_ids)

    prefix = _random_text(_PREFIX_CHARS)
    secret = f"{KEY_START}{prefix}_{_random_text(_SECRET_CHARS)}"
    with transaction.atomic():
        key = ApiKey.objects.create(
            id=uuid7(),
            name=name,
            prefix=prefix,
            secret_hash=secret_hash(secret),
            scopes=wanted,
            all_stores=all_stores,
            store_ids=[] if all_stores else sorted(set(store_ids)),
            created_at=now,
            created_by_id=actor.id if actor.kind == "staff" else None,
            expires_at=expires_at,
        )
        record_audit(
            actor=actor,
            action="core.api_key_created.v1",
            now=now,
            object_type="api_key",
            object_id=key.id,
            data={
                "name": name,
                "prefix": prefix,
                "scopes": wanted,
                "all_stores": all_stores,
                "store_ids": key.store_ids,
                "expires_at": expires_at,
            },
        )
    return key, secret


def revoke_api_key(*, actor: Actor, now: datetime, key_id: UUID, reason: str = "") -> ApiKey:
    """End a key at once and for good. Revoking twice changes nothing. Raises NotFound, NotAllowed,
    OutOfStoreScope.
    """
    require_manager(actor, Permission.KEYS_MANAGE)
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(id=key_id).first()
        if key is None:
            raise NotFound
        require_stores_covered(actor, all_stores=key.all_stores, store_ids=key.store_ids)
        if key.revoked_at is None:
            key.revoked_at = now
            key.save(update_fields=["revoked_at"])
            record_audit(
                actor=actor,
                action="core.api_key_revoked.v1",
                now=now,
                object_type="api_key",
                object_id=key.id,
                reason=reason,
                data={"prefix": key.prefix},
            )
    forget_keys()
    return key


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
