"""What a refund is planned from: the order as it was priced and paid, what is back already, and the purses it touches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection

from shuke.checkout.models import (
    LineTax,
    Order,
    OrderLine,
    OrderTender,
    Refund,
    RefundBasis,
    RefundLine,
)
from shuke.checkout.refunds.logic import Paid, Past, Purse, Returned, Rules, Sold, SoldLine
from shuke.kit.money import allocate
from shuke.ledger.logic import OpenLot
from shuke.loyalty.queries import version_by_id

INSIDE = frozenset({"stored_value", "bonus", "gift_card"})
"""Tenders that the ledger keeps, each under the asset of its name."""
MONEY = "money"
"""The tender of an order that names none: whatever the till took."""

_KEEP_ALL = Rules(return_spent=False, claw_back=False)


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order and how much of it is back. `next_seq` numbers its next refund."""

    order: Order
    sold: Sold
    backs: tuple[Returned, ...]
    past: Past
    next_seq: int


def read_state(order: Order) -> OrderState:
    """Everything about the order that a plan needs; stays true as long as the order's row is locked."""
    lines = list(OrderLine.objects.filter(order_id=order.id).order_by("line_no"))
    refunds = list(Refund.objects.filter(order_id=order.id).order_by("seq"))
    return OrderState(
        order,
        _sold(order, lines),
        backs_after([line.line_no for line in lines], refunds),
        Past(
            owed=sum(r.points_owed - r.debt_written_off for r in refunds),
            bought=sum(r.points_bought for r in refunds),
            settled=sum(r.points_settled for r in refunds),
        ),
        len(refunds) + 1,
    )


def rules_for(order: Order) -> Rules:
    """The refund policies of the version that priced the order; those on points do not apply to a sale without a member."""
    if order.programme_version_id is None:
        return _KEEP_ALL
    programme = version_by_id(order.programme_version_id).programme
    restores = programme.policies.restore_coupons
    if order.member_id is None:
        return replace(_KEEP_ALL, restore_coupons=restores)
    worth = programme.redemption
    return Rules(
        return_spent=programme.policies.return_spent_points,
        claw_back=programme.policies.claw_back_earned,
        shortfall=programme.policies.refund_shortfall,
        points=worth.points if worth else 0,
        worth=worth.worth if worth else 0,
        restore_coupons=restores,
    )


def read_purses(state: OrderState) -> dict[tuple[UUID | None, str], Purse]:
    """The purses that a refund of this order may move, by holder (None: the buyer) and asset."""
    wanted: dict[UUID, dict[str, set[UUID]]] = {}
    for paid in state.sold.paid:
        holder = paid.holder or state.order.member_id
        if paid.asset is not None and holder is not None:
            wanted.setdefault(holder, {}).setdefault(paid.asset, set()).update(lot for lot, _ in paid.lots)
    buyer = state.order.member_id
    if buyer is not None:
        own = wanted.setdefault(buyer, {})
        own.setdefault("points", set()).update(lot for lot, _units in state.sold.spent)
        for line in state.sold.lines:
            for asset in line.earned:
                own.setdefault(asset, set())
    purses: dict[tuple[UUID | None, str], Purse] = {}
    for holder, assets in wanted.items():
        for asset, lots in assets.items():
            purses[(None if holder == buyer else holder, asset)] = purse_of(holder, asset, lots)
    return purses


def _sold(order: Order, lines: Sequence[OrderLine]) -> Sold:
    entries = _entries(order)
    spent = tuple((lot, -amount) for kind, asset, amount, lot, _ in entries if kind == "redeem" and lot)
    by_points = [line.points_minor for line in lines]
    by_value = [line.list_minor - line.discount_minor for line in lines]
    taxes: dict[int, int] = {}
    if order.tax_minor:
        taxes = dict(LineTax.objects.filter(order_id=order.id).values_list("line_no", "tax_minor"))
    # What counts is either the whole value or what points did not pay: both are exact by line.
    counted = (
        by_value if order.qualifying_minor > order.payable_minor else [line.payable_minor for line in lines]
    )
    qualifying = allocate(order.qualifying_minor, counted)
    shares = allocate(order.points_used, by_points)
    earned = _earned_by_line(entries, lines, by_value)
    return Sold(
        lines=tuple(
            SoldLine(
                line_no=line.line_no,
                quantity=int(line.quantity * 1000),
                sales=by_value[index],
                points_minor=line.points_minor,
                tax=taxes.get(line.line_no, 0),
                tax_added=line.payable_minor + line.points_minor - by_value[index],
                qualifying=qualifying[index],
                spent=shares[index],
                earned={asset: units[index] for asset, units in earned.items()},
            )
            for index, line in enumerate(lines)
        ),
        paid=_paid(order),
        spent=spent,
        own_lots={
            asset: tuple(lot for kind, a, amount, lot, _ in entries if kind == "earn" and a == asset and lot)
            for asset in earned
        },
    )


def _paid(order: Order) -> tuple[Paid, ...]:
    """The tenders in the order of payment; what none of them names was paid last, outside the house."""
    lots: dict[tuple[UUID, str], list[tuple[UUID, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.member_id, e.asset, e.lot_id, -e.amount FROM ledger_transfer t"
            " JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'"
            " WHERE t.order_id = %s AND t.kind = 'pay' AND e.amount < 0 ORDER BY t.id, e.seq",
            [order.id],
        )
        for holder, asset, lot, amount in cursor.fetchall():
            lots.setdefault((holder, asset), []).append((lot, amount))
    paid = []
    for tender in OrderTender.objects.filter(order_id=order.id).order_by("seq"):
        inside = tender.kind in INSIDE
        taken = lots.get((tender.holder_id, tender.kind), []) if inside and tender.holder_id else []
        paid.append(
            Paid(
                tender.seq,
                tender.kind,
                tender.amount_minor,
                tender.kind if inside else None,
                # The buyer's own purse is one, whatever pays from it.
                None if tender.holder_id == order.member_id else tender.holder_id,
                tuple(taken),
            )
        )
    left = order.payable_minor - sum(each.amount for each in paid)
    return (*paid, Paid(0, MONEY, left)) if left else tuple(paid)


_Entry = tuple[str, str, int, UUID | None, Any]


def _entries(order: Order) -> list[_Entry]:
    """What the sale itself moved on the buyer's account: (kind, asset, amount, lot, explain), as it was written.

    A hold that was captured for the order stands beside it: it is not what the sale was paid with.
    """
    if order.member_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.kind, e.asset, e.amount, e.lot_id, e.explain FROM ledger_transfer t"
            " JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'"
            " WHERE t.order_id = %s AND t.kind IN ('earn', 'redeem') AND t.member_id = %s"
            " AND (e.explain->'hold') IS NULL ORDER BY t.id, e.seq",
            [order.id, order.member_id],
        )
        rows = cursor.fetchall()
    return [(*row[:4], json.loads(row[4]) if isinstance(row[4], str) else row[4]) for row in rows]


def _earned_by_line(
    entries: Iterable[_Entry], lines: Sequence[OrderLine], values: Sequence[int]
) -> dict[str, list[int]]:
    """Units per asset and line. Points and growth stand on the lines; other assets are told by their entries."""
    totals: dict[str, int] = {}
    told: dict[str, list[int]] = {}
    for kind, asset, amount, _lot, explain in entries:
        if kind != "earn":
            continue
        totals[asset] = totals.get(asset, 0) + amount
        by_line = explain.get("lines") if isinstance(explain, Mapping) else None
        if by_line and len(by_line) == len(lines):
            sums = told.setdefault(asset, [0] * len(lines))
            told[asset] = [a + b for a, b in zip(sums, by_line, strict=True)]
    earned: dict[str, list[int]] = {}
    columns = {
        "points": [line.points_earned for line in lines],
        "growth": [line.growth_earned for line in lines],
    }
    for asset, total in totals.items():
        by_line = columns.get(asset) or told.get(asset) or []
        earned[asset] = list(by_line) if sum(by_line) == total else allocate(total, values)
    return earned


def backs_after(line_nos: Sequence[int], refunds: Sequence[Refund]) -> tuple[Returned, ...]:
    """The state of every line after the refunds so far, replayed in their order."""
    states = dict.fromkeys(line_nos, Returned())
    seqs = {refund.id: refund.seq for refund in refunds}
    if seqs:
        rows = RefundLine.objects.filter(refund_id__in=seqs)
        for row in sorted(rows, key=lambda each: seqs[each.refund_id]):
            was = states[row.line_no]
            quantity, sales = was.quantity + int(row.quantity * 1000), was.sales + row.sales_minor
            base = (
                (was.base_quantity, was.base_sales) if row.basis == RefundBasis.GOODS else (quantity, sales)
            )
            states[row.line_no] = Returned(quantity, sales, *base)
    return tuple(states[line_no] for line_no in line_nos)


def purse_of(holder: UUID, asset: str, lots: set[UUID]) -> Purse:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, remaining, earned_at, active_at, expires_at, held FROM ledger_lot"
            " WHERE member_id = %s AND asset = %s AND (remaining > 0 OR id = ANY(%s))",
            [holder, asset, list(lots)],
        )
        rows = tuple(OpenLot(*row) for row in cursor.fetchall())
        cursor.execute(
            "SELECT balance, debt FROM ledger_account WHERE member_id = %s AND asset = %s", [holder, asset]
        )
        balance, debt = cursor.fetchone() or (0, 0)
    return Purse(rows, balance, debt)
