"""What can be expected of a member: every asset by its code, lots, entries, the tier and how it came about."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shuke.checkout.queries import OrderFilters, list_orders, qualifying_totals
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import figures_of
from shuke.integrations.scenarios.steps.coupons import member_coupons
from shuke.integrations.scenarios.steps.ledger import (
    asset_figures,
    debt_figures,
    entry_figures,
    lot_figures,
)
from shuke.integrations.scenarios.steps.loyalty import tier_changes, tier_figures
from shuke.integrations.scenarios.steps.plans import entitlement_figures, plan_figures_of
from shuke.integrations.scenarios.values import Money
from shuke.integrations.scenarios.world import World
from shuke.loyalty.queries import programme_at


@figures_of("member")
def member_figures(world: World, member_id: UUID, now: datetime) -> Figures:
    return Figures(
        {
            **asset_figures(world, member_id, now),
            "lots": lambda: lot_figures(world, member_id, now),
            "entries": lambda: entry_figures(member_id),
            "debts": lambda: debt_figures(member_id, now),
            "tier": lambda: tier_figures(member_id, now),
            "tier_changes": lambda: tier_changes(member_id),
            "coupons": lambda: member_coupons(world, member_id),
            "qualifying": lambda: _qualifying(member_id, now),
            "plans": lambda: plan_figures_of(member_id, now),
            "entitlements": lambda: entitlement_figures(member_id, now),
            "orders": lambda: list_orders(OrderFilters(member_id=member_id)).orders,
        }
    )


def _qualifying(member_id: UUID, now: datetime) -> Money | int:
    """What counts towards the tier now: money where the tiers go by what was spent."""
    total = qualifying_totals([member_id], {member_id: now})[member_id]
    in_force = programme_at(now)
    by_spend = in_force is not None and in_force.programme.tiers.metric == "spend"
    return Money(total) if by_spend else total
