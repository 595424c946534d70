"""Earning and expiry under a programme as pure functions: no ORM, no clock, no I/O.

The same code serves a live sale and an import. What rules and multipliers give is in `loyalty.earning`, tiers are in
`loyalty.tier_logic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from shuke.loyalty import earning
from shuke.loyalty.assets import Expiry
from shuke.loyalty.benefits import Held, factor_of
from shuke.loyalty.conditions import Line, SaleContext
from shuke.loyalty.earning import NO_ROOM, Earned, Room
from shuke.loyalty.programme import Programme


def earn(
    programme: Programme,
    context: SaleContext,
    amounts: Sequence[int],
    lines: Sequence[Line],
    room: Room = NO_ROOM,
    held: Sequence[Held] | None = None,
) -> list[Earned]:
    """What an order earns under a programme, per asset. `amounts[i]` is line i's qualifying amount in minor units.

    `held`: the tier and plans whose multipliers count; without it, those of the context.
    """
    if held is None:
        held = programme.held(context.tier, context.traits.plans)
    return earning.earn(
        assets=tuple(programme.expiry),
        rules=programme.earning,
        multipliers=programme.multipliers,
        tier=factor_of(held, programme.policies.benefit_stacking),
        stacking=programme.policies.stacking,
        rounding=programme.policies.multiplier_rounding,
        context=context,
        amounts=amounts,
        lines=lines,
        room=room,
    )


def expires_at(expiry: Expiry, earned_at: datetime, programme: Programme) -> datetime | None:
    """The first instant at which units earned at `earned_at` are gone, in the programme's zone. None: never."""
    return expiry.lapses_at(earned_at, programme.zone)


class LotPlan(Struct, frozen=True, gc=False):
    """A lot that earned units become: when it is usable (`waits_for` an event, or from `active_at`) and lapses."""

    amount: int
    active_at: datetime
    expires_at: datetime | None
    waits_for: str | None
    slides: bool


def lots_of(programme: Programme, earned: Earned, settled: int, now: datetime) -> list[LotPlan]:
    """The lots of what was earned, less the first `settled` units, which pay a debt."""
    asset = programme.assets[earned.asset]
    lots = []
    for batch in earned.batches:
        amount = max(batch.amount - settled, 0)
        settled -= batch.amount - amount
        if not amount:
            continue
        expiry, pending = batch.expiry or asset.expiry, batch.pending or asset.pending
        lots.append(
            LotPlan(
                amount,
                pending.active_at(now, programme.zone),
                expires_at(expiry, now, programme),
                pending.waits_for,
                expiry.slides,
            )
        )
    return lots


def usable_at_once(
    programme: Programme, earned: Sequence[Earned], asset: str, debt: int, now: datetime
) -> int:
    """Units of an asset that could be spent in the very act that earns them, once the debt is settled."""
    return sum(
        lot.amount
        for each in earned
        if each.asset == asset
        for lot in lots_of(programme, each, min(each.total, debt), now)
        if lot.active_at <= now and lot.waits_for is None
    )
