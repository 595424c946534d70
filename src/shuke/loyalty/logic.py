"""Tiers and expiry as pure functions, and earning under a programme: no ORM, no clock, no I/O.

The same code serves a live sale and an import. What rules and multipliers give is in `loyalty.earning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shuke.kit.clock import add_months, end_of_day, end_of_month, local_date, start_of_day
from shuke.loyalty import earning
from shuke.loyalty.assets import Expiry
from shuke.loyalty.benefits import Held, factor_of
from shuke.loyalty.conditions import Line, SaleContext
from shuke.loyalty.earning import NO_ROOM, Earned, Room
from shuke.loyalty.programme import Level, Programme, Tiers


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


@dataclass(frozen=True, slots=True)
class LotPlan:
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


@dataclass(frozen=True, slots=True)
class TierState:
    """The tier a member holds: since when, and when it lapses unless requalified (None: never)."""

    tier: str
    since: datetime
    review_at: datetime | None


@dataclass(frozen=True, slots=True)
class TierMove:
    """One change of tier or renewal of its term, with the figure that decided."""

    at: datetime
    before: str
    after: TierState
    cause: str
    metric: int


def window_start(tiers: Tiers, now: datetime, programme: Programme) -> datetime:
    """The first instant that counts towards the tier at `now`: local midnight `window_months` ago."""
    return start_of_day(add_months(local_date(now, programme.zone), -tiers.window_months), programme.zone)


def review_instant(tiers: Tiers, since: datetime, programme: Programme) -> datetime:
    """When a tier reached at `since` is reviewed: the end of the month after its term, plus grace days."""
    last = end_of_month(add_months(local_date(since, programme.zone), tiers.valid_months))
    return end_of_day(last + timedelta(days=tiers.grace_days), programme.zone)


def lapse(
    programme: Programme, state: TierState, metric: Callable[[datetime], int], now: datetime
) -> tuple[TierState, list[TierMove]]:
    """Apply every review due by `now`. `metric(t)` is the qualifying total in the window that ends at t."""
    tiers, moves = programme.tiers, list[TierMove]()
    while state.review_at is not None and state.review_at <= now:
        at = state.review_at
        total = metric(at)
        held = tiers.level(state.tier)
        if total >= held.threshold:
            after = TierState(state.tier, state.since, review_instant(tiers, at, programme))
            moves.append(TierMove(at, state.tier, after, "renewed", total))
        else:
            target = _after_lapse(tiers, held, total)
            after = _entered(programme, target, at)
            moves.append(TierMove(at, state.tier, after, "lapsed", total))
        state = after
    return state, moves


def _after_lapse(tiers: Tiers, held: Level, total: int) -> Level:
    if tiers.downgrade == "never":
        return held
    reached = tiers.reached(total)
    if tiers.downgrade == "one_level":
        return tiers.levels[max(held.rank - 1, reached.rank)]
    return reached


def _entered(programme: Programme, level: Level, at: datetime) -> TierState:
    review = review_instant(programme.tiers, at, programme) if level.rank > 0 else None
    return TierState(level.code, at, review)


def qualify(programme: Programme, state: TierState, total: int, now: datetime) -> TierMove | None:
    """The upgrade that a qualifying total brings at once, or None. With downgrade at_once, the drop as well."""
    tiers = programme.tiers
    held, reached = tiers.level(state.tier), tiers.reached(total)
    if reached.rank > held.rank:
        return TierMove(now, state.tier, _entered(programme, reached, now), "qualified", total)
    # A sale that arrives late cannot take away a tier that was reached after it.
    if reached.rank < held.rank and tiers.downgrade == "at_once" and state.since <= now:
        return TierMove(now, state.tier, _entered(programme, reached, now), "lapsed", total)
    return None


def after_refund(
    programme: Programme, state: TierState, *, total: int, total_then: int, now: datetime
) -> TierMove | None:
    """The lower tier that a refund leaves, or None.

    `total` is what qualifies now and `total_then` what qualified when the tier was reached, both without the refunded
    order. The tier stays when either still carries it: a refund takes back what its own order brought, not more.
    """
    tiers = programme.tiers
    kept = max(tiers.reached(total), tiers.reached(total_then), key=lambda level: level.rank)
    if kept.rank >= tiers.level(state.tier).rank:
        return None
    return TierMove(now, state.tier, _entered(programme, kept, now), "refund", total)
