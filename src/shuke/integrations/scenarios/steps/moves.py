"""Steps of a member's book without a sale: adjustments by hand, gifts between members, holds, waiting units, notices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model

from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, figures_of, step
from shuke.integrations.scenarios.steps.ledger import in_unit
from shuke.integrations.scenarios.world import World
from shuke.ledger.moves import get_adjustment, get_hold
from shuke.ledger.operations import (
    activate_lots,
    announce_active,
    expire_holds,
    lapse_adjustments,
    reject_adjustment,
    release_hold,
)
from shuke.loyalty.books import (
    announce_expiring,
    approve_adjustment,
    capture_hold,
    place_hold,
    request_adjustment,
    transfer_points,
)
from shuke.loyalty.readers import Key

_NAME = Key(words.name, required=True)
_MEMBER = Key(words.thing("member"), required=True)
_ADJUSTMENT = Key(words.thing("adjustment"), required=True)
_HOLD = Key(words.thing("hold"), required=True)
_AMOUNT = {"asset": Key(words.name, default="points"), "amount": Key(words.units, required=True)}
_REASON = {"reason": Key(words.words, default="scenario")}
_NOTE = {"note": Key(words.words, default="scenario")}


def row(found: Model) -> dict[str, Any]:
    """Every figure of a row, amounts in the unit of its asset."""
    figures = {field.name: getattr(found, field.attname) for field in found._meta.fields}
    for name in ("amount", "captured", "fee"):
        if name in figures:
            figures[name] = in_unit(figures["asset"], figures[name])
    return figures


@step("adjust", {"member": _MEMBER, **_AMOUNT, **_REASON}, makes="adjustment")
def adjust(act: Act) -> Mapping[str, Any]:
    """Add to a member's book by hand, or (with a minus) take from it."""
    return row(
        request_adjustment(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            asset=act.given["asset"],
            amount=act.units("amount"),
            reason=act.given["reason"],
            now=act.now,
        )
    )


@step("approve", words.short_or("adjustment", {"adjustment": _ADJUSTMENT, **_NOTE}))
def approve(act: Act) -> Mapping[str, Any]:
    """Agree to an adjustment that somebody else asked for."""
    adjustment_id = act.ref("adjustment", "adjustment")
    return row(
        approve_adjustment(actor=act.actor, adjustment_id=adjustment_id, now=act.now, note=act.given["note"])
    )


@step("reject", words.short_or("adjustment", {"adjustment": _ADJUSTMENT, **_NOTE}))
def reject(act: Act) -> Mapping[str, Any]:
    """Refuse an adjustment that somebody asked for."""
    adjustment_id = act.ref("adjustment", "adjustment")
    return row(
        reject_adjustment(actor=act.actor, adjustment_id=adjustment_id, now=act.now, note=act.given["note"])
    )


@step("lapse_requests", {})
def lapse_requests(act: Act) -> Mapping[str, Any]:
    """Let lapse the adjustments that nobody decided in time."""
    return {"requests": lapse_adjustments(now=act.now)}


@step("transfer", {"from": _MEMBER, "to": _MEMBER, **_AMOUNT, **_REASON}, makes="gift")
def transfer(act: Act) -> Mapping[str, Any]:
    """Give units of one member to another."""
    return row(
        transfer_points(
            actor=act.actor,
            sender_id=act.ref("from", "member"),
            receiver_id=act.ref("to", "member"),
            asset=act.given["asset"],
            amount=act.units("amount"),
            reason=act.given["reason"],
            now=act.now,
        )
    )


@step("hold", {"member": _MEMBER, **_AMOUNT, **_REASON, "until": Key(words.moment)}, makes="hold")
def hold(act: Act) -> Mapping[str, Any]:
    """Set units aside until they are captured, released, or their time is over."""
    return row(
        place_hold(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            asset=act.given["asset"],
            amount=act.units("amount"),
            reason=act.given["reason"],
            now=act.now,
            until=act.given.get("until"),
        )
    )


@step("capture", words.short_or("hold", {"hold": _HOLD, "amount": Key(words.units)}))
def capture(act: Act) -> Mapping[str, Any]:
    """Spend what a hold set aside, or part of it."""
    hold_id = act.ref("hold", "hold")
    amount = act.units("amount", asset=get_hold(hold_id).asset) if "amount" in act.given else None
    return row(capture_hold(actor=act.actor, hold_id=hold_id, now=act.now, amount=amount))


@step("release", words.short_or("hold", {"hold": _HOLD}))
def release(act: Act) -> Mapping[str, Any]:
    """Let go of what a hold set aside."""
    return row(release_hold(actor=act.actor, hold_id=act.ref("hold", "hold"), now=act.now))


@step("expire_holds", {})
def end_holds(act: Act) -> Mapping[str, Any]:
    """Let go of holds whose time is over, as the job does."""
    return {"holds": expire_holds(now=act.now)}


@step("activate", {"event": _NAME, "member": Key(words.thing("member")), "order": Key(words.thing("order"))})
def activate(act: Act) -> Mapping[str, Any]:
    """Report the event that units of a member or an order wait for."""
    lots = activate_lots(
        actor=act.actor,
        event=act.given["event"],
        now=act.now,
        member_id=act.maybe_ref("member", "member"),
        order_id=act.maybe_ref("order", "order"),
    )
    return {"lots": lots}


@step("announce_active", {})
def tell_active(act: Act) -> Mapping[str, Any]:
    """Tell whose units have become usable, as the job does."""
    return {"lots": announce_active(now=act.now)}


@step("announce_expiring", {})
def tell_expiring(act: Act) -> Mapping[str, Any]:
    """Tell whose units will lapse soon, as the job does."""
    return {"members": announce_expiring(now=act.now)}


@figures_of("adjustment")
def adjustment_figures(world: World, adjustment_id: UUID, now: datetime) -> Figures:
    return Figures.of(row(get_adjustment(adjustment_id)))


@figures_of("hold")
def hold_figures(world: World, hold_id: UUID, now: datetime) -> Figures:
    return Figures.of(row(get_hold(hold_id)))
