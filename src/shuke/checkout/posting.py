"""From a priced sale to the rows it becomes. The till's path and the import write exactly these rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from shuke.checkout.funds import Purse
from shuke.checkout.logic import Cart, Priced
from shuke.kit.ids import uuid7
from shuke.ledger.logic import OpenLot, consume
from shuke.loyalty.logic import expires_at, lots_of
from shuke.loyalty.programme import Programme


class NewLot(Struct, frozen=True, gc=False):
    id: UUID
    asset: str
    amount: int
    remaining: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime | None
    waits_for: str | None = None
    """The event that makes it usable; then `active_at` is the end of time."""
    slides: bool = False


@dataclass(frozen=True, slots=True)
class Slide:
    """The open lots of an asset that lapse by inactivity now end no sooner than `until`."""

    asset: str
    until: datetime


class NewEntry(Struct, frozen=True, gc=False):
    account: str
    asset: str
    amount: int
    lot_id: UUID | None
    explain: dict[str, Any] | None


class NewTransfer(Struct, frozen=True, gc=False):
    """One transfer with its entries in order (their position is `seq`) and the lots it opens."""

    id: UUID
    kind: str
    entries: tuple[NewEntry, ...]
    lots: tuple[NewLot, ...]
    slides: tuple[Slide, ...] = ()
    holder: UUID | None = None
    """Whose book it is on, where it is not the member's: a gift card."""


def earn_transfer(
    programme: Programme, priced: Priced, debts: dict[str, int], now: datetime
) -> NewTransfer | None:
    """The transfer that issues what the sale earned; a debt is settled first, the rest becomes a lot per asset and term."""
    entries: list[NewEntry] = []
    lots: list[NewLot] = []
    for earned in priced.earned:
        settled = min(earned.total, debts.get(earned.asset, 0))
        explain: dict[str, Any] | None = {"rules": earned.parts, "lines": earned.by_line}
        if settled:
            entries.append(NewEntry("member", earned.asset, settled, None, explain))
            explain = None
        for plan in lots_of(programme, earned, settled, now):
            lot = NewLot(
                id=uuid7(),
                asset=earned.asset,
                amount=plan.amount,
                remaining=plan.amount,
                earned_at=now,
                active_at=plan.active_at,
                expires_at=plan.expires_at,
                waits_for=plan.waits_for,
                slides=plan.slides,
            )
            lots.append(lot)
            entries.append(NewEntry("member", earned.asset, plan.amount, lot.id, explain))
            explain = None  # told once: it is about all that the sale earned of the asset
        entries.append(NewEntry("issued", earned.asset, -earned.total, None, None))
    if not entries:
        return None
    moved = [earned.asset for earned in priced.earned]
    return NewTransfer(uuid7(), "earn", tuple(entries), tuple(lots), slides_of(programme, moved, now))


def own_lots(earned: NewTransfer | None) -> list[OpenLot]:
    """The points that a sale gives, where the programme lets the same sale spend them."""
    return [
        OpenLot(lot.id, lot.amount, lot.earned_at, lot.active_at, lot.expires_at)
        for lot in (earned.lots if earned else ())
        if lot.asset == "points"
    ]


def slides_of(programme: Programme, assets: Iterable[str], now: datetime) -> tuple[Slide, ...]:
    """What earning or spending these assets puts off; empty unless one of them lapses by inactivity."""
    slides = []
    for asset in assets:
        expiry = programme.expiry.get(asset)
        until = expires_at(expiry, now, programme) if expiry and expiry.slides else None
        if until is not None:
            slides.append(Slide(asset, until))
    return tuple(slides)


def redeem_transfer(
    programme: Programme, priced: Priced, lots: Sequence[OpenLot], now: datetime
) -> NewTransfer | None:
    """The transfer that spends points as cash, one entry per lot, soonest expiry first."""
    if not priced.points_used:
        return None
    entries = _spent("points", lots, priced.points_used, now, {"points_minor": priced.points_minor})
    return NewTransfer(uuid7(), "redeem", tuple(entries), (), slides_of(programme, ["points"], now))


def pay_transfers(programme: Programme, priced: Priced, purse: Purse, now: datetime) -> list[NewTransfer]:
    """What stored value and gift cards pay: one transfer on the member's book, one on each card's."""
    found: list[NewTransfer] = []
    own: list[NewEntry] = []
    for seq, each in enumerate(priced.paid, 1):
        explain = {"tender": seq}
        if each.kind in ("stored_value", "bonus"):
            own += _spent(each.kind, purse.of(each.kind), each.amount_minor, now, explain)
        elif each.holder is not None:
            entries = _spent("gift_card", purse.card(each.holder).lots, each.amount_minor, now, explain)
            found.append(NewTransfer(uuid7(), "pay", tuple(entries), (), (), each.holder))
    if own:
        moved = dict.fromkeys(entry.asset for entry in own)
        found.insert(0, NewTransfer(uuid7(), "pay", tuple(own), (), slides_of(programme, moved, now)))
    return found


def _spent(
    asset: str, lots: Sequence[OpenLot], amount: int, now: datetime, explain: dict[str, Any]
) -> list[NewEntry]:
    """One entry per lot, soonest expiry first, and the counter-entry."""
    entries = [
        NewEntry("member", asset, -taken, lot_id, explain) for lot_id, taken in consume(lots, amount, now)
    ]
    return [*entries, NewEntry("redeemed", asset, amount, None, None)]


def advance(
    priced: Priced, purse: Purse, allowance_id: UUID | None, now: datetime
) -> tuple[NewTransfer | None, Purse, dict[str, int]]:
    """What a sale made offline under an allowance spends although it is no longer there: a lot against a debt.

    Returns (the transfer, the purse with those lots, what is owed per asset). The sale then spends them as any others, so
    that a refund puts them back and settles the debt.
    """
    wanted = {"points": priced.points_used}
    for paid in priced.paid:
        if paid.kind in ("stored_value", "bonus"):
            wanted[paid.kind] = paid.amount_minor
    owed = {asset: units - purse.usable(asset, now) for asset, units in wanted.items()}
    owed = {asset: units for asset, units in owed.items() if units > 0}
    if not owed:
        return None, purse, {}
    explain = {"cause": "offline", "allowance": str(allowance_id)}
    lots = {asset: NewLot(uuid7(), asset, units, units, now, now, None) for asset, units in owed.items()}
    entries = [NewEntry("member", asset, lot.amount, lot.id, explain) for asset, lot in lots.items()]
    entries += [NewEntry("member", asset, -units, None, explain) for asset, units in owed.items()]
    filled = {
        asset: [*purse.of(asset), OpenLot(lot.id, lot.amount, now, now, None)] for asset, lot in lots.items()
    }
    transfer = NewTransfer(uuid7(), "adjust", tuple(entries), tuple(lots.values()))
    return transfer, Purse({**purse.lots, **filled}, purse.cards), owed


def event_payload(order_id: UUID, cart: Cart, priced: Priced) -> dict[str, Any]:
    """What subscribers learn of a committed order: ids and figures only."""
    return {
        "order_id": str(order_id),
        "store": cart.store,
        "channel": cart.channel,
        "sales_minor": priced.sales_minor,
        "payable_minor": priced.payable_minor,
        "points_earned": priced.earned_of("points"),
        "points_used": priced.points_used,
        **({"tax_minor": priced.tax_minor} if priced.taxes else {}),
        **(
            {"tenders": [{"kind": p.kind, "amount_minor": p.amount_minor} for p in priced.paid]}
            if priced.paid
            else {}
        ),
        **(
            {
                "coupons": [
                    {"template": each.candidate.template.code, "minor": each.minor}
                    for each in priced.coupons.used
                ]
            }
            if priced.coupons and priced.coupons.used
            else {}
        ),
    }
