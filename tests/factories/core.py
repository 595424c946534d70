"""Staff, keys and actors for tests."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from shuke.core.models import ApiKey, Staff
from shuke.core.operations import create_api_key
from shuke.core.values import SYSTEM, Role, Scope
from shuke.kit.ids import uuid7

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"
PASSWORD_HASH = "!"  # unusable: hashing takes 100 ms; tests that log in use create_staff

_numbers = count(1)


def make_staff(
    role: Role | str = Role.OWNER,
    *,
    all_stores: bool = True,
    store_ids: Collection[UUID] = (),
    username: str = "",
    is_active: bool = True,
) -> Staff:
    """An account written straight into the table."""
    name = username or f"staff{next(_numbers)}"
    return Staff.objects.create(
        id=uuid7(),
        username=name,
        display_name=name.title(),
        role=role,
        password=PASSWORD_HASH,
        all_stores=all_stores,
        store_ids=list(store_ids),
        is_active=is_active,
        created_at=NOW,
    )


def make_key(
    *scopes: Scope, store_ids: Collection[UUID] = (), expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A key with these scopes (all of them when none is named) and its secret; all stores unless some are named."""
    return create_api_key(
        actor=SYSTEM,
        now=NOW,
        name=f"key {next(_numbers)}",
        scopes=scopes or list(Scope),
        all_stores=not store_ids,
        store_ids=store_ids,
        expires_at=expires_at,
    )
