"""Who may manage whom: nobody hands out more than they have."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from shuke.core.errors import NotAllowed, NotChainWide, OutOfStoreScope
from shuke.core.models import Staff
from shuke.core.values import Actor, Permission, Role


def require_manager(actor: Actor, permission: Permission) -> Role:
    """The actor's role, read now, when it grants `permission`; the system counts as owner. Raises NotAllowed.

    API keys manage nothing.
    """
    if actor.kind == "system":
        return Role.OWNER
    staff = Staff.objects.filter(id=actor.id).first() if actor.kind == "staff" and actor.id else None
    if staff is None or not staff.may(permission):
        raise NotAllowed
    return Role(staff.role)


def require_rank(manager: Role, *roles: str) -> None:
    """Owners are made, changed and ended by owners only. Raises NotAllowed."""
    if Role.OWNER in roles and manager != Role.OWNER:
        raise NotAllowed


def require_stores_covered(actor: Actor, *, all_stores: bool, store_ids: Collection[UUID]) -> None:
    """What is granted lies within the actor's own stores. Raises OutOfStoreScope."""
    if actor.all_stores:
        return
    if all_stores or not set(store_ids) <= actor.store_ids:
        raise OutOfStoreScope


def require_chain(actor: Actor) -> None:
    """What counts for every store is done by somebody who covers all of them. Raises NotChainWide."""
    if not actor.all_stores:
        raise NotChainWide
