"""Refunds of before a sale was claimed by its receipt: they take back of its earnings what they would have taken then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import connection

from shuke.checkout.documents import transfer_document
from shuke.checkout.models import Order, Refund, RefundKind, RefundLine
from shuke.checkout.posting import NewTransfer
from shuke.checkout.refunds.facts import backs_after, purse_of, read_state, rules_for
from shuke.checkout.refunds.logic import Movement, Past, Portion, portion, settle, total
from shuke.checkout.refunds.operations import post, review_tier
from shuke.checkout.refunds.posting import reversal_entries
from shuke.core.values import Actor
from shuke.kit.ids import uuid7

_TAKES_ALWAYS = (RefundKind.VOID, RefundKind.CANCELLATION)
"""These leave nothing behind, whatever the policies say of a refund."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What earlier refunds took back of what the claim has just given, by asset."""

    points: int = 0
    growth: int = 0
    tier: str | None = None
    """The lower tier that they leave; None when they leave it as the claim made it."""


def take_back_earlier(order: Order, *, actor: Actor, now: datetime) -> TakenBack:
    """Carry out on the buyer's book what the refunds made so far did not find: there was no buyer then.

    Claim and refunds then come to the same in either order. What is missing is owed, whatever the policy: the money has been
    handed out. The caller holds the book and the order's row, has posted what the order earned, and stored its buyer.
    """
    refunds = list(Refund.objects.filter(order_id=order.id).order_by("seq"))
    if not refunds:
        return TakenBack()
    assert order.member_id is not None
    state, claws_back = read_state(order), rules_for(order).claw_back
    line_nos = [line.line_no for line in state.sold.lines]
    past, done = Past(), TakenBack()
    # Each step is reviewed as it would have been: without the refunds after it.
    order.refunded_qualifying_minor = 0
    for n, refund in enumerate(refunds):
        was, will = (
            [
                portion(line, back)
                for line, back in zip(state.sold.lines, backs_after(line_nos, refunds[:count]), strict=True)
            ]
            for count in (n, n + 1)
        )
        part = total(will) - total(was)
        takes = claws_back or refund.kind in _TAKES_ALWAYS
        movements: dict[str, Movement] = {}
        for asset, due in sorted(part.earned.items()) if takes else ():
            if due:
                movements[asset] = settle(
                    purse_of(order.member_id, asset, set()),
                    returned={},
                    due=due,
                    own=state.sold.own_lots.get(asset, ()),
                    past=past if asset == "points" else Past(),
                    most_bought=0,
                    now=now,
                )
        _post(order, refund, movements, actor, now)
        points = movements.get("points")
        if points:
            past = replace(past, owed=past.owed + points.owed, settled=past.settled + points.settled)
        clawed = {asset: each.clawed for asset, each in movements.items()}
        _write(order, refund, points, clawed, part)
        _write_lines(refund, line_nos, was, will, order.member_id, takes=takes)
        tier = review_tier(order, now, always=refund.kind in _TAKES_ALWAYS)
        done = TakenBack(
            done.points + clawed.get("points", 0),
            done.growth + clawed.get("growth", 0),
            tier["to"] if tier else done.tier,
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT loyalty_give_back(%s, %s, %s)", [order.id, refund.id, now])
    return done


def _post(
    order: Order, refund: Refund, movements: Mapping[str, Movement], actor: Actor, now: datetime
) -> None:
    entries = [entry for asset, each in movements.items() for entry in reversal_entries(asset, each)]
    if not entries:
        return
    header = {
        "member_id": order.member_id,
        "occurred_at": now,
        "recorded_at": now,
        "order_id": order.id,
        "refund_id": refund.id,
        "store_id": order.store_id,
        "programme_version_id": order.programme_version_id,
        "actor": actor.reference,
        "reason": refund.reason,
    }
    post(transfer_document(NewTransfer(uuid7(), "reversal", tuple(entries), ()), header))


def _write(
    order: Order, refund: Refund, points: Movement | None, clawed: Mapping[str, int], part: Portion
) -> None:
    """The refund and the order as they would stand had the buyer been known."""
    Refund.objects.filter(id=refund.id).update(
        member_id=order.member_id,
        points_clawed_back=clawed.get("points", 0),
        growth_clawed_back=clawed.get("growth", 0),
        points_owed=points.owed if points else 0,
        points_settled=points.settled if points else 0,
        debt_created=max(points.debt_change, 0) if points else 0,
    )
    order.refunded_growth += part.earned.get("growth", 0)
    order.refunded_points += part.earned.get("points", 0)
    order.refunded_qualifying_minor += refund.qualifying_minor
    order.save(update_fields=["refunded_growth", "refunded_points", "refunded_qualifying_minor"])


def _write_lines(
    refund: Refund,
    line_nos: list[int],
    was: list[Portion],
    will: list[Portion],
    member_id: UUID,
    *,
    takes: bool,
) -> None:
    rows = {row.line_no: row for row in RefundLine.objects.filter(refund_id=refund.id)}
    for line_no, before, after in zip(line_nos, was, will, strict=True):
        row, part = rows.get(line_no), after - before
        if row is not None:
            RefundLine.objects.filter(refund_id=refund.id, line_no=line_no).update(
                member_id=member_id,
                points_clawed_back=part.earned.get("points", 0) if takes else 0,
                growth_clawed_back=part.earned.get("growth", 0) if takes else 0,
            )
