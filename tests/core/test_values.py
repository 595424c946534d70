"""Roles, permissions and actors."""

from __future__ import annotations

import pytest

from shuke.core.models import Staff
from shuke.core.values import ROLE_PERMISSIONS, SYSTEM, Actor, Permission, Role
from shuke.kit.ids import uuid7

MANAGES = {Permission.STAFF_MANAGE, Permission.KEYS_MANAGE}


def test_every_role_has_permissions_and_only_owners_and_administrators_manage() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role.values)
    for role in Role:
        expected = MANAGES if role in (Role.OWNER, Role.ADMIN) else set()
        assert ROLE_PERMISSIONS[role] & MANAGES == expected


@pytest.mark.parametrize(
    ("role", "permission", "granted"),
    [
        (Role.CASHIER, Permission.CHECKOUT_USE, True),
        (Role.CASHIER, Permission.CHECKOUT_REFUND, True),
        (Role.CASHIER, Permission.CHECKOUT_APPROVE, False),
        (Role.CASHIER, Permission.MEMBERS_UNMASK, False),
        (Role.SERVICE_AGENT, Permission.CHECKOUT_REFUND, True),
        (Role.SERVICE_AGENT, Permission.CHECKOUT_USE, False),
        (Role.ANALYST, Permission.MEMBERS_VIEW, False),
        (Role.AUDITOR, Permission.AUDIT_VIEW, True),
        (Role.AUDITOR, Permission.MEMBERS_WRITE, False),
        (Role.STORE_MANAGER, Permission.AUDIT_VIEW, False),
    ],
)
def test_role_grants(role: Role, permission: Permission, granted: bool) -> None:
    assert Staff(role=role, is_active=True).may(permission) is granted
    assert not Staff(role=role, is_active=False).may(permission)


@pytest.mark.parametrize("role", [Role.OWNER, Role.MARKETER])
def test_the_programme_of_the_chain_is_published_by_who_covers_all_stores(role: Role) -> None:
    for all_stores in (True, False):
        staff = Staff(role=role, is_active=True, all_stores=all_stores)
        assert staff.may(Permission.PROGRAMME_PUBLISH) is all_stores
        assert not Staff(role=role, is_active=False, all_stores=all_stores).may(Permission.PROGRAMME_PUBLISH)


def test_actor_reference_and_store_scope() -> None:
    store, staff_id = uuid7(), uuid7()
    actor = Actor("staff", staff_id, "anna", False, frozenset({store}))
    assert actor.reference == f"staff:{staff_id}" and SYSTEM.reference == "system:shuke"
    assert actor.may_touch_store(store) and actor.may_touch_store(None)
    assert not actor.may_touch_store(uuid7())
    assert SYSTEM.may_touch_store(uuid7())
