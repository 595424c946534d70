"""Refunds in the database. Quote and refund run one plan; the refund holds the books it moves while it reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from shuke.checkout.answers import quantity_text
from shuke.checkout.documents import transfer_document
from shuke.checkout.errors import (
    REFUND_REFUSALS,
    AlreadyRefunded,
    OrderNotFound,
    RefundedMeanwhile,
    StoreOutOfScope,
)
from shuke.checkout.models import (
    Order,
    OrderStatus,
    OrderTender,
    Refund,
    RefundBasis,
    RefundKind,
    RefundLine,
    RefundTender,
)
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds.coupons import give_coupons_back, planned_back
from shuke.checkout.refunds.facts import INSIDE, OrderState, read_purses, read_state, rules_for
from shuke.checkout.refunds.logic import Paid, Plan, RefundRefusal, Returned, Rules, plan_refund
from shuke.checkout.refunds.posting import transfers_of
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, RefundRequest
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.queries import programme_at
from shuke.loyalty.tier_logic import TierMove, after_refund
from shuke.loyalty.tier_rows import states_of, write_moves
from shuke.loyalty.tiers import MAIN
from shuke.members.queries import joined_days

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an order is given back. `checks` refuse what this manner is not for; `rules` may overrule the programme's."""

    kind: RefundKind
    status: OrderStatus
    event: str
    rules: Callable[[Order], Rules] = rules_for
    checks: Callable[[OrderState, datetime], None] = lambda _state, _now: None
    always_review: bool = False


REFUND = Manner(RefundKind.REFUND, OrderStatus.REFUNDED, "checkout.order_refunded.v1")


def quote_refund(
    *, actor: Actor, order_id: UUID, now: datetime, request: RefundRequest = ALL_THAT_IS_LEFT
) -> dict[str, Any]:
    """What this refund would give back and take back now. Writes nothing. Raises what `refund_order` would."""
    return quote(REFUND, actor=actor, order_id=order_id, now=now, request=request)


def refund_order(
    *,
    actor: Actor,
    order_id: UUID,
    reason: str,
    now: datetime,
    request: RefundRequest = ALL_THAT_IS_LEFT,
    seen: int | None = None,
) -> dict[str, Any]:
    """Refund some of an order or all that is left of it, in one transaction.

    A sale of a till whose clock runs ahead is refunded at the instant that the till stated, never before it. `seen`: how many
    refunds of it were looked at when this one was decided. Raises OrderNotFound, StoreOutOfScope, AlreadyRefunded,
    RefundedMeanwhile when there are others by now, and the refusals of `errors.REFUND_REFUSALS`.
    """
    return give_back(
        REFUND, actor=actor, order_id=order_id, reason=reason, now=now, request=request, seen=seen
    )


def quote(
    manner: Manner, *, actor: Actor, order_id: UUID, now: datetime, request: RefundRequest
) -> dict[str, Any]:
    """The figures of `give_back` in this manner, from the facts of this moment."""
    order = find_order(actor, order_id)
    now = max(now, order.occurred_at)
    state = read_state(order)
    plan, balance = _plan(manner, state, request, now)
    back = planned_back(order.id, manner.rules(order), now) if plan.is_whole else []
    return {**_figures(state, plan, balance), "coupons": back}


def give_back(
    manner: Manner,
    *,
    actor: Actor,
    order_id: UUID,
    reason: str,
    now: datetime,
    request: RefundRequest,
    exchange_order_id: UUID | None = None,
    seen: int | None = None,
) -> dict[str, Any]:
    """Plan and write one refund in this manner."""
    while True:
        order = find_order(actor, order_id)
        with transaction.atomic():
            _take_books(order)
            # Under the books (or, without a member, the row lock) nobody else refunds this order.
            locked = Order.objects.select_for_update().get(id=order_id)
            if locked.member_id == order.member_id:
                if seen is not None and Refund.objects.filter(order_id=order_id).count() != seen:
                    raise RefundedMeanwhile
                return _write(manner, actor, locked, reason, now, request, exchange_order_id)
        # A member was attached between our look and our lock: their book comes first.


def _write(
    manner: Manner,
    actor: Actor,
    order: Order,
    reason: str,
    recorded_at: datetime,
    request: RefundRequest,
    exchange_order_id: UUID | None,
) -> dict[str, Any]:
    now = max(recorded_at, order.occurred_at)
    state = read_state(order)
    plan, balance = _plan(manner, state, request, now)
    refund_id = uuid7()
    points, growth = plan.movement("points"), plan.movement("growth")
    Refund.objects.create(
        id=refund_id,
        order=order,
        seq=state.next_seq,
        kind=manner.kind,
        member_id=order.member_id,
        occurred_at=now,
        recorded_at=recorded_at,
        sales_minor=plan.part.sales,
        points_minor=plan.part.points_minor,
        tax_minor=plan.part.tax,
        payable_minor=plan.part.payable,
        deducted_minor=plan.deducted,
        qualifying_minor=plan.part.qualifying,
        points_returned=sum(points.returned.values()) if points else 0,
        points_expired=sum(points.lapsed.values()) if points else 0,
        points_clawed_back=points.clawed if points else 0,
        growth_clawed_back=growth.clawed if growth else 0,
        points_bought=points.bought if points else 0,
        points_owed=points.owed if points else 0,
        points_settled=points.settled if points else 0,
        debt_created=max(points.debt_change, 0) if points else 0,
        exchange_order_id=exchange_order_id,
        reason=reason,
        actor=actor.reference,
    )
    RefundLine.objects.bulk_create(_line_rows(manner, state, plan, refund_id))
    RefundTender.objects.bulk_create(
        RefundTender(
            refund_id=refund_id,
            tender_seq=tender.paid.seq,
            kind=tender.paid.kind,
            amount_minor=tender.amount,
            holder_id=_holder(order, tender.paid),
        )
        for tender in plan.tenders
    )
    Order.objects.filter(id=order.id).update(
        status=manner.status if plan.is_whole else OrderStatus.COMMITTED,
        refunded_sales_minor=order.refunded_sales_minor + plan.part.sales,
        refunded_qualifying_minor=order.refunded_qualifying_minor + plan.part.qualifying,
        refunded_growth=order.refunded_growth + plan.part.earned.get("growth", 0),
        refunded_points=order.refunded_points + plan.part.earned.get("points", 0),
    )
    header = {
        "occurred_at": now,
        "recorded_at": recorded_at,
        "order_id": order.id,
        "refund_id": refund_id,
        "store_id": order.store_id,
        "programme_version_id": order.programme_version_id,
        "actor": actor.reference,
        "reason": reason,
    }
    for holder, transfer in transfers_of(plan):
        post(transfer_document(transfer, {**header, "member_id": holder or order.member_id}))
    tier = review_tier(order, now, always=manner.always_review)
    figures = _figures(state, plan, balance)
    record_audit(
        actor=actor,
        action=manner.event,
        now=recorded_at,
        object_type="order",
        object_id=order.id,
        store_id=order.store_id,
        reason=reason,
        data={"refund_id": str(refund_id), "payable_minor": plan.part.payable},
    )
    publish_event(
        name=manner.event,
        member_id=order.member_id,
        occurred_at=now,
        payload={
            "order_id": str(order.id),
            "refund_id": str(refund_id),
            "kind": manner.kind.value,
            "is_whole": plan.is_whole,
            **{
                name: figures[name]
                for name in ("sales_minor", "payable_minor", "points_returned", "points_clawed_back")
            },
        },
    )
    coupons = []
    if plan.is_whole:
        coupons = give_coupons_back(order.id, refund_id, manner.rules(order), actor, now)
    with connection.cursor() as cursor:
        # Last of all: a budget is a row that many sales share.
        cursor.execute("SELECT loyalty_give_back(%s, %s, %s)", [order.id, refund_id, now])
    return {
        "id": refund_id,
        "kind": manner.kind.value,
        "occurred_at": now,
        "tier": tier,
        "exchange_order_id": exchange_order_id,
        **figures,
        "coupons": coupons,
    }


def find_order(actor: Actor, order_id: UUID) -> Order:
    """The order, if this actor may see it. Raises OrderNotFound, StoreOutOfScope."""
    order = Order.objects.select_related("store").filter(id=order_id).first()
    if order is None:
        raise OrderNotFound
    if not actor.may_touch_store(order.store_id):
        raise StoreOutOfScope(code=order.store.code)
    return order


def post(document: dict[str, Any]) -> None:
    """Post one transfer. The caller holds the holder's book."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_post(%s::jsonb)", [_json.encode(document).decode()])


def _holder(order: Order, paid: Paid) -> UUID | None:
    """Whose purse a tender came from; None for money that the house does not keep."""
    return None if paid.asset is None else paid.holder or order.member_id


def _take_books(order: Order) -> None:
    """Take every book that the refund may move, in the order of ids as all do who take several."""
    holders = set(
        OrderTender.objects.filter(order_id=order.id, kind__in=INSIDE).values_list("holder_id", flat=True)
    )
    with connection.cursor() as cursor:
        for holder in sorted(each for each in {*holders, order.member_id} if each is not None):
            cursor.execute("SELECT ledger_take_book(%s, NULL)", [holder])


def _plan(manner: Manner, state: OrderState, request: RefundRequest, now: datetime) -> tuple[Plan, int]:
    """The plan, and the buyer's balance of points before it."""
    if state.order.status != OrderStatus.COMMITTED:
        raise AlreadyRefunded
    manner.checks(state, now)
    purses, rules = read_purses(state), manner.rules(state.order)
    try:
        plan = plan_refund(state.sold, state.backs, request, rules, purses, state.past, now)
    except RefundRefusal as refusal:
        raise REFUND_REFUSALS[refusal.code](field=refusal.field, **refusal.params) from refusal
    points = purses.get((None, "points"))
    return plan, points.balance if points else 0


def _line_rows(manner: Manner, state: OrderState, plan: Plan, refund_id: UUID) -> list[RefundLine]:
    rules = manner.rules(state.order)
    rows = []
    for line, was, now, part in zip(state.sold.lines, state.backs, plan.after, plan.lines, strict=True):
        if now == was:
            continue
        rows.append(
            RefundLine(
                refund_id=refund_id,
                line_no=line.line_no,
                order_id=state.order.id,
                member_id=state.order.member_id,
                basis=RefundBasis.GOODS if _same_base(was, now) else RefundBasis.AMOUNT,
                quantity=Decimal(now.quantity - was.quantity) / 1000,
                sales_minor=part.sales,
                points_minor=part.points_minor,
                tax_minor=part.tax,
                payable_minor=part.payable,
                qualifying_minor=part.qualifying,
                points_returned=part.spent if rules.return_spent else 0,
                points_clawed_back=part.earned.get("points", 0) if rules.claw_back else 0,
                growth_clawed_back=part.earned.get("growth", 0) if rules.claw_back else 0,
            )
        )
    return rows


def _same_base(was: Returned, now: Returned) -> bool:
    return (was.base_quantity, was.base_sales) == (now.base_quantity, now.base_sales)


def _figures(state: OrderState, plan: Plan, balance: int) -> dict[str, Any]:
    """The plan as the till shows it. Points in units, money in minor units."""
    points, growth = plan.movement("points"), plan.movement("growth")
    moved = zip(state.sold.lines, state.backs, plan.after, plan.lines, strict=True)
    return {
        "order_id": state.order.id,
        "currency": state.order.currency,
        "sales_minor": plan.part.sales,
        "points_minor": plan.part.points_minor,
        "tax_minor": plan.part.tax,
        "payable_minor": plan.part.payable,
        "deducted_minor": plan.deducted,
        "money_back_minor": plan.money_back,
        "tenders": [{"kind": t.paid.kind, "amount_minor": t.amount, "seq": t.paid.seq} for t in plan.tenders],
        "points_returned": sum(points.returned.values()) if points else 0,
        "points_expired": sum(points.lapsed.values()) if points else 0,
        "points_clawed_back": points.clawed if points else 0,
        "growth_clawed_back": growth.clawed if growth else 0,
        "points_bought": points.bought if points else 0,
        "debt_created": max(points.debt_change, 0) if points else 0,
        "points_balance_after": balance + (points.change if points else 0),
        "is_whole": plan.is_whole,
        "lines": [
            {
                "line_no": line.line_no,
                "quantity": quantity_text(now.quantity - was.quantity),
                "sales_minor": part.sales,
                "points_minor": part.points_minor,
                "payable_minor": part.payable,
            }
            for line, was, now, part in moved
            if now != was
        ],
    }


def review_tier(order: Order, now: datetime, *, always: bool = False) -> dict[str, str] | None:
    """Look at the tier again without what went back, if the programme says at once; returns the change, or None."""
    in_force = programme_at(now)
    if order.member_id is None or in_force is None:
        return None
    if not always and not in_force.programme.policies.tier_on_refund_at_once:
        return None
    programme, member_id = in_force.programme, order.member_id
    joined = joined_days([member_id])
    moves: dict[str, TierMove] = {}
    for track, tiers in {MAIN: programme.tiers, **programme.tracks}.items():
        state = states_of([member_id], track, joined).get(member_id)
        if state is None or tiers.by_hand:
            continue
        since = state.earned.since
        move = after_refund(
            tiers,
            state,
            total=qualifying_totals([member_id], {member_id: now}, track=track)[member_id],
            total_then=qualifying_totals([member_id], {member_id: since}, track=track)[member_id],
            now=now,
        )
        if move is not None:
            moves[track] = move
    write_moves(in_force.version_id, [(member_id, track, move) for track, move in moves.items()], order.id)
    main = moves.get(MAIN)
    return {"from": main.before, "to": main.after.tier} if main else None
