"""What a till reads back: quotes, committed orders and refunds as plain dictionaries, the same for API and console."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from uuid import UUID

from shuke.checkout.facts import MemberAccount, ProductFact
from shuke.checkout.logic import Cart, Priced
from shuke.checkout.tax_logic import LineTax
from shuke.core.keyset import keyset
from shuke.loyalty.programme import Programme

RECEIPT_CODE_CHARS = 8


def quantity_text(thousandths: int) -> str:
    """1500 → "1.5", 2000 → "2"."""
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03d}".rstrip("0") if part else str(whole)


def priced_body(
    programme: Programme,
    version_number: int,
    cart: Cart,
    priced: Priced,
    products: dict[str, ProductFact],
    member: MemberAccount | None,
) -> dict[str, Any]:
    """The figures that a quote and a committed order share. Amounts in minor units."""
    lines = [
        {
            "line_no": number,
            "sku": line.sku,
            "name": products[line.sku].name,
            "quantity": quantity_text(line.quantity),
            "list_minor": out.list_minor,
            "discount_minor": out.discount_minor,
            "points_minor": out.points_minor,
            "payable_minor": out.payable_minor,
            "points_earned": out.points,
            "growth_earned": out.growth,
            "discounts": out.detail or [],
            **({"tax": _line_tax(out.tax)} if out.tax else {}),
        }
        for number, (line, out) in enumerate(zip(cart.lines, priced.lines, strict=True), 1)
    ]
    return {
        "store": cart.store,
        "channel": cart.channel,
        "currency": programme.currency,
        "list_minor": priced.list_minor,
        "discount_minor": priced.discount_minor,
        "sales_minor": priced.sales_minor,
        "points_minor": priced.points_minor,
        "tax_minor": priced.tax_minor,
        "tax_added_minor": priced.tax_added_minor,
        "payable_minor": priced.payable_minor,
        "due_minor": priced.due_minor,
        "points_used": priced.points_used,
        "points_earned": priced.earned_of("points"),
        "growth_earned": priced.earned_of("growth"),
        "earned": [{"asset": e.asset, "amount": e.total, "rules": e.parts} for e in priced.earned],
        "taxes": [
            {
                "code": tax.code,
                "percent": tax.percent,
                "taxable_minor": tax.taxable_minor,
                "tax_minor": tax.tax_minor,
                "discount_minor": tax.discount_minor,
            }
            for tax in priced.taxes
        ],
        "tenders": [
            {
                "kind": paid.kind,
                "amount_minor": paid.amount_minor,
                "gift_card_id": paid.holder,
                "reference": paid.reference,
            }
            for paid in priced.paid
        ],
        "coupons": [],
        "programme_version": version_number,
        "benefits": _benefits(priced),
        "member": _member_after(member, priced) if member else None,
        "lines": lines,
    }


def _benefits(priced: Priced) -> dict[str, Any]:
    """What the till has to know of the member's tier and plans, beside the prices."""
    return {
        "plans": [each.code for each in priced.held if each.kind == "plan"],
        "free_shipping": priced.free_shipping,
        "priority_service": any(each.benefit.priority_service for each in priced.held),
    }


def _line_tax(tax: LineTax) -> dict[str, Any]:
    return {"code": tax.code, "percent": tax.percent, "tax_minor": tax.tax_minor}


def _member_after(member: MemberAccount, priced: Priced) -> dict[str, Any]:
    """The member once the sale stands: tier, balances, and the change of tier if there is one."""
    state = priced.move.after if priced.move else member.tier
    balances = {asset: pair[0] for asset, pair in member.balances.items()}
    for earned in priced.earned:
        balances[earned.asset] = balances.get(earned.asset, 0) + earned.total
    balances["points"] = balances.get("points", 0) - priced.points_used
    for paid in priced.paid:
        if paid.kind in ("stored_value", "bonus"):
            balances[paid.kind] = balances.get(paid.kind, 0) - paid.amount_minor
    return {
        "id": member.id,
        "tier": state.tier,
        "tier_before": member.tier.tier,
        "tier_review_at": state.review_at,
        "balances": balances,
    }


def order_body(
    order_id: UUID, system: str, number: str, occurred_at: datetime, body: dict[str, Any]
) -> dict[str, Any]:
    """A committed order as it is answered and stored for replays."""
    return {
        "id": order_id,
        "system": system,
        "number": number,
        "status": "committed",
        "occurred_at": occurred_at,
        "receipt_code": None if body["member"] else receipt_code(order_id, number),
        **body,
    }


def receipt_code(order_id: UUID, number: str) -> str:
    """What the receipt of a sale without a member shows: "T1024-8XK2P9QD". It claims the sale for a member later."""
    return f"{number}-{receipt_mac(order_id)}"


def receipt_mac(order_id: UUID) -> str:
    """The part that cannot be guessed from the number."""
    mac = keyset().blind_index("checkout.receipt", order_id.hex)
    return base64.b32encode(mac).decode()[:RECEIPT_CODE_CHARS]
