"""What a receipt says: the sale as it was priced, what it earned, and where the member stands now."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from shuke.checkout.gift_card_queries import last_digits, left_after
from shuke.checkout.models import Order, OrderStatus, Refund
from shuke.checkout.queries import find_exchange
from shuke.console.views.cashier.reading import TOP_LEVEL
from shuke.core.models import Staff
from shuke.ledger.queries import balances_of
from shuke.loyalty.models import TierChange
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.words import localized, tier_name
from shuke.members.queries import get_candidate

TENDER_NAMES = {
    "stored_value": pgettext_lazy("tender", "Stored value"),
    "bonus": pgettext_lazy("tender", "Bonus money"),
    "gift_card": pgettext_lazy("tender", "Gift card"),
    "cash": pgettext_lazy("tender", "Cash"),
    "card": pgettext_lazy("tender", "Bank card"),
    "wechat": pgettext_lazy("tender", "WeChat Pay"),
    "alipay": pgettext_lazy("tender", "Alipay"),
    "transfer": pgettext_lazy("tender", "Bank transfer"),
    "other": pgettext_lazy("tender", "Other"),
}


def receipt_context(order: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The template's context for one order of `checkout.queries.get_order`."""
    row = (
        Order.objects.select_related("store")
        .only("actor", "store")
        .annotate(is_exchange=Exists(Refund.objects.filter(exchange_order_id=OuterRef("id"))))
        .get(id=order["id"])
    )
    came_back = _came_back(order) if row.is_exchange else None
    named = sum(each["amount_minor"] for each in order["tenders"])
    cards = [each["gift_card_id"] for each in order["tenders"] if each["gift_card_id"]]
    fours, left = (last_digits(cards), left_after(order["id"], cards)) if cards else ({}, {})
    context = {
        "order": order,
        # What no purse and no named tender paid went over the counter; in an exchange what came back pays first.
        "rest_minor": 0 if came_back else order["payable_minor"] - named,
        "taken_minor": came_back["balance_minor"] if came_back else order["due_minor"],
        "store": row.store,
        "seller": _seller(row.actor),
        "who": None,
        "tenders": [
            {"name": _tender_name(each, fours), "amount_minor": each["amount_minor"]}
            for each in order["tenders"]
        ],
        "cards_left": [(fours[card_id], minor) for card_id, minor in left.items()],
        "refunded": order["status"] != OrderStatus.COMMITTED,
        "came_back": came_back,
        "exchanged_for": _exchanged_for(order),
    }
    in_force = programme_at(now)
    if order["member_id"] is None or in_force is None:
        return context
    document = version_by_id(in_force.version_id).document
    tiers = in_force.programme.tiers
    balances = {each.asset: each for each in balances_of(order["member_id"], now)}
    changes = list(
        TierChange.objects.filter(member_id=order["member_id"], order_id=order["id"]).order_by(
            "occurred_at", "id"
        )
    )
    change = next((each for each in changes if each.cause != "refund"), None)
    undone = next((each for each in reversed(changes) if each.cause == "refund"), None)
    points = balances.get("points")
    return {
        **context,
        "who": get_candidate(order["member_id"]),
        "tier": tier_name(document, order["tier"]),
        "level": min(tiers.level(order["tier"]).rank, TOP_LEVEL),
        "balance": points.balance if points else 0,
        "usable": points.usable if points else 0,
        "growth_name": localized(in_force.programme.asset_names.get("growth", {})),
        "tier_after": tier_name(document, change.to_tier) if change else "",
        "level_after": min(tiers.level(change.to_tier).rank, TOP_LEVEL) if change else 0,
        "refund_tier": tier_name(document, undone.to_tier) if undone else "",
        "refund_level": min(tiers.level(undone.to_tier).rank, TOP_LEVEL) if undone else 0,
    }


def _came_back(order: dict[str, Any]) -> dict[str, Any] | None:
    """What this sale was exchanged for, with what was left to pay or to pay out."""
    found = find_exchange(order["id"])
    if found is None:
        return None
    balance = order["due_minor"] - found["money_back_minor"]
    return {**found, "balance_minor": balance, "pay_out_minor": -balance}


def _tender_name(tender: dict[str, Any], fours: dict[UUID, str]) -> str:
    """How it was paid; of gift cards each is told by its last digits."""
    card_id = tender["gift_card_id"]
    if card_id in fours:
        return _("Gift card %(four)s") % {"four": fours[card_id]}
    return str(TENDER_NAMES.get(tender["kind"], tender["kind"]))


def _exchanged_for(order: dict[str, Any]) -> list[str]:
    """The numbers of the sales that goods of this order were exchanged for."""
    ids = [each["exchange_order_id"] for each in order["refunds"] if each["exchange_order_id"]]
    return (
        list(Order.objects.filter(id__in=ids).order_by("id").values_list("number", flat=True)) if ids else []
    )


def _seller(actor: str) -> str:
    """The name of the person who sold, "" for a sale of another system."""
    kind, _colon, raw = actor.partition(":")
    if kind != "staff":
        return ""
    return Staff.objects.filter(id=raw).values_list("display_name", flat=True).first() or ""
