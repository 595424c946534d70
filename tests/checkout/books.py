"""What a member's sales left behind, to compare one way of writing it with another."""

from __future__ import annotations

from typing import Any

from shuke.checkout.models import Order, OrderLine, OrderTender
from shuke.ledger.models import Account, Entry, Lot
from shuke.loyalty.models import Standing, TierChange, TrackStanding, Use


def booked(member: Any) -> dict[str, Any]:
    """All that a member's sales left behind, without the ids that differ by nature."""
    lots = {lot.id: lot for lot in Lot.objects.filter(member=member)}
    entries = [
        (e.transfer.occurred_at, e.transfer.kind, e.seq, e.account, e.asset, e.amount, e.explain,
         e.lot_id and (lots[e.lot_id].earned_at, lots[e.lot_id].expires_at))
        for e in Entry.objects.filter(member_id=member.id).select_related("transfer")
    ]  # fmt: skip
    return {
        "entries": sorted(entries, key=str),
        "lots": sorted(Lot.objects.filter(member=member).values_list(
            "asset", "amount", "remaining", "earned_at", "active_at", "expires_at"), key=str),
        "accounts": sorted(Account.objects.filter(member=member).values_list("asset", "balance", "debt")),
        "standing": list(Standing.objects.filter(member=member).values_list("tier", "since", "review_at")),
        "further": sorted(TrackStanding.objects.filter(member=member).values_list(
            "track", "tier", "since", "review_at"), key=str),
        "changes": sorted(TierChange.objects.filter(member=member).values_list(
            "occurred_at", "track", "from_tier", "to_tier", "cause", "metric", "review_at"), key=str),
        "orders": sorted(Order.objects.filter(member=member).values_list(
            "occurred_at", "list_minor", "discount_minor", "sales_minor", "payable_minor", "qualifying_minor",
            "points_earned", "growth_earned", "tier"), key=str),
        "lines": sorted(OrderLine.objects.filter(member_id=member.id).values_list(
            "order__occurred_at", "line_no", "quantity", "list_minor", "discount_minor", "payable_minor",
            "points_earned", "growth_earned", "detail"), key=str),
        "tenders": sorted(OrderTender.objects.filter(order__member=member).values_list(
            "order__occurred_at", "seq", "kind", "amount_minor", "holder_id", "reference"), key=str),
        "uses": sorted(Use.objects.filter(member_id=member.id).values_list(
            "occurred_at", "rule", "asset", "budget", "period", "day", "amount"), key=str),
    }  # fmt: skip
