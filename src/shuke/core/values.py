"""Roles, permissions, scopes and actors: who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Administrator")
    STORE_MANAGER = "store_manager", _("Store manager")
    CASHIER = "cashier", _("Cashier")
    MARKETER = "marketer", _("Marketer")
    ANALYST = "analyst", _("Analyst")
    SERVICE_AGENT = "service_agent", _("Service agent")
    AUDITOR = "auditor", _("Auditor")


class Permission(models.TextChoices):
    OVERVIEW_VIEW = "overview.view", _("See the overview")
    MEMBERS_VIEW = "members.view", _("See members, masked")
    MEMBERS_UNMASK = "members.unmask", _("Unmask personal data with a reason")
    MEMBERS_WRITE = "members.write", _("Create and change members")
    CATALOG_VIEW = "catalog.view", _("See stores and products")
    CATALOG_WRITE = "catalog.write", _("Change stores and products")
    CHECKOUT_USE = "checkout.use", _("Sell at the cashier's desk")
    CHECKOUT_REFUND = "checkout.refund", _("Refund orders within the cashier's limit")
    CHECKOUT_APPROVE = "checkout.approve", _("Refund beyond the limit, and approve it for others")
    CARDS_MANAGE = "cards.manage", _("Make gift cards, see and block them")
    LEDGER_ADJUST = "ledger.adjust", _("Adjust points within one's limit")
    LEDGER_APPROVE = "ledger.approve", _("Approve adjustments of others")
    LEDGER_MOVE = "ledger.move", _("Hold points, and transfer them between members")
    PROGRAMME_VIEW = "programme.view", _("See the programme")
    PROGRAMME_PUBLISH = "programme.publish", _("Publish the programme")
    FINANCE_VIEW = "finance.view", _("See liability and settlement")
    STAFF_MANAGE = "staff.manage", _("Manage staff")
    KEYS_MANAGE = "keys.manage", _("Manage API keys")
    AUDIT_VIEW = "audit.view", _("Read the audit log")
    COUPONS_GIVE = "coupons.give", _("Hand out and call back coupons of a member")
    COUPONS_CODES = "coupons.codes", _("Order and download unique codes")


_P = Permission
_MANAGER = {
    _P.OVERVIEW_VIEW,
    _P.MEMBERS_VIEW,
    _P.MEMBERS_UNMASK,
    _P.MEMBERS_WRITE,
    _P.CATALOG_VIEW,
    _P.CHECKOUT_USE,
    _P.CHECKOUT_REFUND,
    _P.CHECKOUT_APPROVE,
    _P.CARDS_MANAGE,
    _P.LEDGER_ADJUST,
    _P.LEDGER_APPROVE,
    _P.LEDGER_MOVE,
    _P.PROGRAMME_VIEW,
    _P.FINANCE_VIEW,
    _P.COUPONS_GIVE,
}
_MARKETER = {
    _P.OVERVIEW_VIEW,
    _P.MEMBERS_VIEW,
    _P.CATALOG_VIEW,
    _P.PROGRAMME_VIEW,
    _P.PROGRAMME_PUBLISH,
    _P.COUPONS_GIVE,
    _P.COUPONS_CODES,
}
CHAIN_WIDE = frozenset({_P.PROGRAMME_PUBLISH, _P.COUPONS_CODES})
"""What counts for every store at once: only accounts that cover all stores may, whatever their role."""

ROLE_PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.OWNER: frozenset(_P),
    Role.ADMIN: frozenset(_P),
    Role.STORE_MANAGER: frozenset(_MANAGER),
    Role.CASHIER: frozenset(
        {_P.MEMBERS_VIEW, _P.MEMBERS_WRITE, _P.CATALOG_VIEW, _P.CHECKOUT_USE, _P.CHECKOUT_REFUND}
    ),
    Role.MARKETER: frozenset(_MARKETER),
    Role.ANALYST: frozenset({_P.OVERVIEW_VIEW, _P.CATALOG_VIEW, _P.PROGRAMME_VIEW, _P.FINANCE_VIEW}),
    Role.SERVICE_AGENT: frozenset(
        _MANAGER - {_P.OVERVIEW_VIEW, _P.CHECKOUT_USE, _P.CARDS_MANAGE, _P.LEDGER_APPROVE, _P.FINANCE_VIEW}
    ),
    Role.AUDITOR: frozenset(
        {
            _P.OVERVIEW_VIEW,
            _P.MEMBERS_VIEW,
            _P.CATALOG_VIEW,
            _P.PROGRAMME_VIEW,
            _P.FINANCE_VIEW,
            _P.AUDIT_VIEW,
        }
    ),
}


class Scope(models.TextChoices):
    """What an API key may do."""

    MEMBERS_READ = "members:read", _("Read members")
    MEMBERS_WRITE = "members:write", _("Create and change members")
    MEMBERS_PERSONAL = "members:personal", _("Read personal data in clear; each reading is audited")
    CATALOG_READ = "catalog:read", _("Read stores and products")
    CATALOG_WRITE = "catalog:write", _("Change stores and products")
    CHECKOUT_READ = "checkout:read", _("Quote and read orders")
    CHECKOUT_WRITE = "checkout:write", _("Commit and refund orders")
    LEDGER_READ = "ledger:read", _("Read balances and entries")
    LEDGER_WRITE = "ledger:write", _("Adjust, hold, transfer and activate points")
    PROGRAMME_READ = "programme:read", _("Read the programme")
    REPORTS_READ = "reports:read", _("Read liability and settlement")
    COUPONS_READ = "coupons:read", _("Read coupons and their figures")
    COUPONS_WRITE = "coupons:write", _("Hand out, claim, pass on and call back coupons")
    COUPONS_CODES = "coupons:codes", _("Order and download unique codes")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a staff account, an API key, or the system itself (jobs, commands)."""

    kind: Literal["staff", "key", "system"]
    id: UUID | None
    name: str
    all_stores: bool = True
    store_ids: frozenset[UUID] = frozenset()

    @property
    def reference(self) -> str:
        """`staff:<id>`, `key:<id>` or `system:<name>`, as audit rows and ledger entries keep it."""
        return f"{self.kind}:{self.id or self.name}"

    def may_touch_store(self, store_id: UUID | None) -> bool:
        """Store scope: True when the actor covers this store (or the thing belongs to none)."""
        return self.all_stores or store_id is None or store_id in self.store_ids


SYSTEM = Actor("system", None, "shuke")
