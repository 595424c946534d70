"""What others read of orders, and the qualifying totals that tiers are reviewed by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from shuke.checkout.answers import quantity_text, receipt_code
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.models import LineTax, Order, OrderLine, OrderTender, Refund, RefundLine, RefundTender
from shuke.checkout.track_facts import totals, totals_in
from shuke.checkout.values import OUTSIDE_TENDERS
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.text import storable
from shuke.kit.sql import load
from shuke.loyalty.queries import programme_at
from shuke.loyalty.tier_logic import review_window_start, window_start
from shuke.loyalty.tiers import MAIN, Metric
from shuke.members.queries import joined_days
from shuke.rewards.queries import uses_of_order

MAX_PAGE = 200
SUMMARY_FIELDS = (
    "id",
    "member_id",
    "store_id",
    "channel_id",
    "system",
    "number",
    "occurred_at",
    "recorded_at",
    "currency",
    "list_minor",
    "discount_minor",
    "sales_minor",
    "points_minor",
    "tax_minor",
    "tax_added_minor",
    "payable_minor",
    "points_used",
    "points_earned",
    "growth_earned",
    "refunded_sales_minor",
    "tier",
    "status",
    "programme_version_id",
)
REFUND_FIELDS = (
    "id",
    "seq",
    "kind",
    "occurred_at",
    "sales_minor",
    "points_minor",
    "payable_minor",
    "deducted_minor",
    "points_returned",
    "points_expired",
    "points_clawed_back",
    "growth_clawed_back",
    "points_bought",
    "debt_created",
    "debt_written_off",
    "exchange_order_id",
    "reason",
)


def qualifying_totals(
    member_ids: list[UUID], ends: Mapping[UUID, datetime], *, track: str = MAIN, review: bool = False
) -> dict[UUID, int]:
    """The metric of a track of each member in the window that ends at `ends[member]`, without what was refunded.

    Metric and window are those of the programme of that instant. With `review`, the window is the one that a review at
    that instant looks at.
    """
    found: dict[UUID, int] = dict.fromkeys(member_ids, 0)
    start = review_window_start if review else window_start
    together = {ends[member_id] for member_id in member_ids}
    if len(member_ids) > 1 and len(together) == 1:
        # The end of a calendar year: all look at one window.
        (end,) = together
        in_force = programme_at(end)
        tiers = in_force.programme.track(track) if in_force else None
        if tiers is None or tiers.by_hand:
            return found
        if tiers.window != "anniversary":
            return found | totals_in(member_ids, tiers.metric, start(tiers, end), end)
    windows: list[tuple[UUID, Metric, datetime, datetime]] = []
    joined: dict[UUID, datetime] | None = None
    for member_id in member_ids:
        end = ends[member_id]
        in_force = programme_at(end)
        tiers = in_force.programme.track(track) if in_force else None
        if tiers is None or tiers.by_hand:
            continue
        if joined is None and tiers.window == "anniversary":
            joined = joined_days(member_ids)
        windows.append(
            (member_id, tiers.metric, start(tiers, end, joined.get(member_id) if joined else None), end)
        )
    found.update(zip((window[0] for window in windows), totals(windows), strict=True))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilters:
    """Which orders a list shows; None does not filter. `until` is exclusive."""

    member_id: UUID | None = None
    store_ids: frozenset[UUID] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page, newest first. `next_cursor` is None on the last."""

    orders: list[dict[str, Any]]
    next_cursor: str | None


def list_orders(filters: OrderFilters, cursor: str | None = None, *, limit: int = 50) -> OrderPage:
    """One page of orders without their lines, newest first; one query on the index of member, store or time.

    Raises InvalidInput for a damaged cursor.
    """
    limit = max(1, min(limit, MAX_PAGE))
    rows = Order.objects.select_related("store", "programme_version").only(
        *SUMMARY_FIELDS, "store__code", "programme_version__number"
    )
    if filters.member_id is not None:
        rows = rows.filter(member_id=filters.member_id)
    if filters.store_ids is not None:
        rows = rows.filter(store_id__in=filters.store_ids)
    if filters.since is not None:
        rows = rows.filter(occurred_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(occurred_at__lt=filters.until)
    if cursor:
        occurred_at, order_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(occurred_at__lte=occurred_at) & (Q(occurred_at__lt=occurred_at) | Q(id__lt=order_id))
        )
    page = list(rows.order_by("-occurred_at", "-id")[: limit + 1])
    last = page[limit - 1] if len(page) > limit else None
    return OrderPage(
        [_summary(order) for order in page[:limit]],
        encode_cursor([last.occurred_at, last.id]) if last else None,
    )


def find_orders(
    text: str, *, store_ids: frozenset[UUID] | None = None, limit: int = 10
) -> list[dict[str, Any]]:
    """Orders with this number, of whichever system sold, or with this id; newest first, without lines.

    Walks the index (system, number) once per system: a number alone would read the whole table.
    """
    text = storable(text).strip()
    if not text:
        return []
    with connection.cursor() as cursor:
        cursor.execute(load("checkout", "orders_by_number"), {"number": text, "limit": limit})
        ids = {row[0] for row in cursor.fetchall()}
    with suppress(ValueError):
        ids.add(UUID(text))
    rows = Order.objects.select_related("store", "programme_version").filter(id__in=ids)
    if store_ids is not None:
        rows = rows.filter(store_id__in=store_ids)
    return [_summary(order) for order in rows.order_by("-occurred_at", "-id")[:limit]]


def get_order(*, order_id: UUID, store_ids: frozenset[UUID] | None = None) -> dict[str, Any]:
    """An order with its lines and its refunds. Raises OrderNotFound, also for one of a store outside `store_ids`."""
    order = Order.objects.select_related("store", "programme_version").filter(id=order_id).first()
    if order is None or (store_ids is not None and order.store_id not in store_ids):
        raise OrderNotFound
    lines = OrderLine.objects.filter(order_id=order_id).select_related("product").order_by("line_no")
    refunds = [
        {field: getattr(refund, field) for field in REFUND_FIELDS}
        for refund in Refund.objects.filter(order_id=order_id).order_by("seq")
    ]
    taxes = {tax.line_no: tax for tax in LineTax.objects.filter(order_id=order_id)}
    tenders: list[dict[str, Any]] = [
        {
            "kind": tender.kind,
            "amount_minor": tender.amount_minor,
            "gift_card_id": tender.holder_id if tender.kind == "gift_card" else None,
            "reference": tender.reference,
        }
        for tender in OrderTender.objects.filter(order_id=order_id).order_by("seq")
    ]
    back: dict[int, list[int]] = {}
    for row in RefundLine.objects.filter(order_id=order_id) if refunds else ():
        sums = back.setdefault(row.line_no, [0, 0])
        sums[0] += int(row.quantity * 1000)
        sums[1] += row.sales_minor
    inside = sum(each["amount_minor"] for each in tenders if each["kind"] not in OUTSIDE_TENDERS)
    return {
        **_summary(order),
        "taxes": _tax_totals(lines, taxes),
        "coupons": [
            {
                "template": use.template,
                "coupon_id": use.coupon_id,
                "minor": use.minor,
                "is_undone": use.is_undone,
            }
            for use in uses_of_order(order_id)
        ],
        "tenders": tenders,
        "due_minor": order.payable_minor - inside,
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.product.sku,
                "name": line.product.name,
                "quantity": quantity_text(int(line.quantity * 1000)),
                "list_minor": line.list_minor,
                "discount_minor": line.discount_minor,
                "points_minor": line.points_minor,
                "payable_minor": line.payable_minor,
                "points_earned": line.points_earned,
                "growth_earned": line.growth_earned,
                "discounts": line.detail or [],
                "returned_quantity": quantity_text(back.get(line.line_no, [0])[0]),
                "refunded_sales_minor": back.get(line.line_no, [0, 0])[1],
                **({"tax": _tax(taxes[line.line_no])} if line.line_no in taxes else {}),
            }
            for line in lines
        ],
        "refunds": refunds,
        "receipt_code": None if order.member_id else receipt_code(order.id, order.number),
        "facts": order.facts,
    }


def tenders_back(order_id: UUID) -> dict[UUID, list[dict[str, Any]]]:
    """By refund, how the money of an order went back: kind and amount, as `quote_refund` tells it beforehand."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in RefundTender.objects.filter(refund__order_id=order_id).order_by("refund_id", "tender_seq"):
        found.setdefault(row.refund_id, []).append({"kind": row.kind, "amount_minor": row.amount_minor})
    return found


def find_exchange(order_id: UUID) -> dict[str, Any] | None:
    """What came back in the act that made this sale, or None: the order it was bought with, and the money it was worth."""
    found = Refund.objects.filter(exchange_order_id=order_id).select_related("order").first()
    if found is None or found.order is None:
        return None
    # What no purse holds went over the counter.
    rows = RefundTender.objects.filter(refund_id=found.id, holder_id=None)
    money = sum(rows.values_list("amount_minor", flat=True)) - found.deducted_minor
    return {
        "order_id": found.order_id,
        "number": found.order.number,
        "payable_minor": found.payable_minor,
        "money_back_minor": money,
        "reason": found.reason,
    }


def _tax(tax: LineTax) -> dict[str, Any]:
    return {"code": tax.code, "percent": tax.percent, "tax_minor": tax.tax_minor}


def _tax_totals(lines: Iterable[OrderLine], taxes: Mapping[int, LineTax]) -> list[dict[str, Any]]:
    """Per rate, as the sale was answered."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        tax = taxes.get(line.line_no)
        if tax is None:
            continue
        total = found.setdefault(
            tax.code,
            {
                "code": tax.code,
                "percent": tax.percent,
                "taxable_minor": 0,
                "tax_minor": 0,
                "discount_minor": 0,
            },
        )
        total["taxable_minor"] += tax.taxable_minor
        total["tax_minor"] += tax.tax_minor
        total["discount_minor"] += line.discount_minor
    return list(found.values())


def _summary(order: Order) -> dict[str, Any]:
    return {
        **{field: getattr(order, field) for field in SUMMARY_FIELDS if not field.endswith("_id")},
        "id": order.id,
        "member_id": order.member_id,
        "store": order.store.code,
        "channel": order.channel_id,
        "programme_version": order.programme_version.number if order.programme_version else None,
    }


def first_orders(pairs: Sequence[tuple[UUID, UUID]]) -> set[UUID]:
    """Of (member, order) pairs, the members who had bought nothing before that order, whatever became of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.member_id FROM unnest(%s::uuid[]) AS u(id) JOIN checkout_order o ON o.id = u.id"
            " WHERE NOT EXISTS (SELECT FROM checkout_order b WHERE b.member_id = o.member_id"
            " AND (b.occurred_at, b.id) < (o.occurred_at, o.id))",
            [[order_id for _member, order_id in pairs]],
        )
        return {member_id for (member_id,) in cursor.fetchall()}
