"""From a plan to the transfers it becomes: per holder a reversal of points, stored value put back, and what lapsed again."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from shuke.checkout.posting import NewEntry, NewTransfer
from shuke.checkout.refunds.facts import INSIDE
from shuke.checkout.refunds.logic import Movement, Plan
from shuke.kit.ids import uuid7


def transfers_of(plan: Plan) -> list[tuple[UUID | None, NewTransfer]]:
    """(holder, transfer) pairs in the order in which they are posted. Holder None is the buyer."""
    made: list[tuple[UUID | None, NewTransfer]] = []
    holders = {holder for holder, _asset in plan.movements}
    for holder in sorted(holders, key=lambda each: str(each or "")):
        entries: dict[str, list[NewEntry]] = {"reversal": [], "refund_pay": [], "expire": []}
        for (owner, asset), movement in plan.movements.items():
            if owner == holder:
                entries["refund_pay" if asset in INSIDE else "reversal"] += reversal_entries(asset, movement)
                entries["expire"] += _lapsed(asset, movement.lapsed)
        made += [
            (holder, NewTransfer(uuid7(), kind, tuple(legs), ())) for kind, legs in entries.items() if legs
        ]
    return made


def reversal_entries(asset: str, movement: Movement) -> list[NewEntry]:
    entries = [
        NewEntry("member", asset, units, lot, {"refund": "returned"})
        for lot, units in movement.returned.items()
    ]
    if entries:
        entries.append(NewEntry("redeemed", asset, -sum(movement.returned.values()), None, None))
    entries += [
        NewEntry("member", asset, -part, lot, {"refund": "clawed_back"}) for lot, part in movement.taken
    ]
    if movement.debt_change > 0:
        entries.append(NewEntry("member", asset, -movement.debt_change, None, {"refund": "debt"}))
    elif movement.debt_change < 0:
        entries.append(NewEntry("member", asset, -movement.debt_change, None, {"refund": "debt_settled"}))
    if movement.clawed:
        entries.append(NewEntry("issued", asset, movement.clawed, None, None))
    if movement.bought:
        entries.append(NewEntry("paid_out", asset, -movement.bought, None, {"refund": "bought"}))
    entries += [
        NewEntry("member", asset, -part, lot, {"refund": "debt_settled"}) for lot, part in movement.settling
    ]
    return entries


def _lapsed(asset: str, lapsed: Mapping[UUID, int]) -> list[NewEntry]:
    """Units that return to a lot which has lapsed meanwhile lapse again at once."""
    entries = [NewEntry("member", asset, -units, lot, None) for lot, units in sorted(lapsed.items())]
    if entries:
        entries.append(NewEntry("expired", asset, sum(lapsed.values()), None, None))
    return entries
