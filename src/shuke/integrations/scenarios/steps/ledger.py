"""Steps of the ledger: expiry, and what can be expected of a member's balances, lots and entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, step
from shuke.integrations.scenarios.values import Money
from shuke.integrations.scenarios.world import World
from shuke.ledger.logic import WAITING
from shuke.ledger.moves import debts_of
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import AssetBalance, balances_of, list_entries, open_lots
from shuke.loyalty.assets import MONEY_KINDS, RESERVED
from shuke.loyalty.queries import programme_at

FIGURES = ("balance", "usable", "pending", "lapsed", "held", "debt")


def in_unit(asset: str, amount: int) -> Any:
    """An amount of an asset as expectations write it: money in major units, everything else in whole units."""
    return Money(amount) if RESERVED.get(asset) in MONEY_KINDS else amount


@step("expire", {})
def expire(act: Act) -> Mapping[str, Any]:
    """Let lapse what has lapsed, as the job does every quarter of an hour."""
    lots = 0
    while batch := expire_lots(now=act.now):
        lots += batch
    return {"lots": lots}


def asset_figures(world: World, holder: UUID, now: datetime) -> dict[str, Any]:
    """Readers of every asset of the programme, by its code."""
    in_force = programme_at(now)
    assets = in_force.programme.assets if in_force else {}
    return {asset: lambda asset=asset: _asset(world, holder, asset, now) for asset in assets}


def _asset(world: World, holder: UUID, asset: str, now: datetime) -> dict[str, Any]:
    empty = AssetBalance(asset, 0, 0, 0, 0, 0, ())
    found = next((each for each in balances_of(holder, now) if each.asset == asset), empty)
    figures = {name: in_unit(asset, getattr(found, name)) for name in FIGURES}
    expiring = [
        {"amount": in_unit(asset, each.amount), "at": each.at, "last_day": _last_day(world, each.at)}
        for each in found.expiring
    ]
    return {**figures, "expiring": expiring}


def lot_figures(world: World, holder: UUID, now: datetime) -> Figures:
    """The open lots of each asset, in the order in which they are consumed."""
    in_force = programme_at(now)
    assets = in_force.programme.assets if in_force else {}
    return Figures({asset: lambda asset=asset: _lots(world, holder, asset) for asset in assets})  # type: ignore[misc]


def _lots(world: World, holder: UUID, asset: str) -> list[dict[str, Any]]:
    return [
        {
            "remaining": in_unit(asset, lot.remaining),
            "held": in_unit(asset, lot.held),
            "earned_at": lot.earned_at,
            "active_at": "waiting" if lot.active_at == WAITING else lot.active_at,
            "expires_at": lot.expires_at,
            "last_day": _last_day(world, lot.expires_at),
        }
        for lot in open_lots(holder, asset)
    ]


def _last_day(world: World, expires_at: datetime | None) -> str | None:
    """The last local day on which a lot can be used."""
    if expires_at is None:
        return None
    return (expires_at - timedelta(microseconds=1)).astimezone(world.zone).date().isoformat()


def entry_figures(holder: UUID) -> list[dict[str, Any]]:
    """What moved the balance, newest first."""
    return [
        {
            "kind": entry.kind,
            "asset": entry.asset,
            "amount": in_unit(entry.asset, entry.amount),
            "occurred_at": entry.occurred_at,
            "order": entry.order_id,
            "reason": entry.reason,
            "explain": entry.explain or {},
        }
        for entry in list_entries(holder, limit=200).entries
    ]


def debt_figures(member_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """What is owed and why, oldest first, also what has been paid since."""
    return [
        {
            "asset": debt.asset,
            "amount": in_unit(debt.asset, debt.amount),
            "outstanding": in_unit(debt.asset, debt.outstanding),
            "kind": debt.kind,
            "order": debt.order_id,
            "refund": debt.refund_id,
            "reason": debt.reason,
            "at": debt.at,
            "age_days": debt.age.days,
            "recoveries": len(debt.recoveries),
        }
        for debt in debts_of(member_id, now, settled=True)
    ]
