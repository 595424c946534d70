"""The coupons of an order that is given back as a whole: back to where they were while they are valid, or lost, by policy.

A part that goes back leaves them used: what they took off is in the prices of the lines, so every part bears its share.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from shuke.checkout.refunds.logic import Rules
from shuke.core.values import Actor
from shuke.rewards.queries import OrderUse, uses_of_order

_json = msgspec.json.Encoder()


def planned_back(order_id: UUID, rules: Rules, now: datetime) -> list[dict[str, Any]]:
    """What `give_coupons_back` would answer now."""
    return [
        {"coupon_id": use.coupon_id, "template": use.template, "state": _state(use, rules, now)}
        for use in uses_of_order(order_id)
        if not use.is_undone
    ]


def give_coupons_back(
    order_id: UUID, refund_id: UUID, rules: Rules, actor: Actor, now: datetime
) -> list[dict[str, Any]]:
    """Undo the order's uses, once. Each with the state it has from now on; a public code is `free` or `void`."""
    document = {
        "order_id": order_id,
        "refund_id": refund_id,
        "at": now,
        "actor": actor.reference,
        "policy": _policy(rules),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT rewards_restore(%s::jsonb)::text", [_json.encode(document).decode()])
        done: list[dict[str, Any]] = json.loads(cursor.fetchone()[0])
    return [{**each, "coupon_id": UUID(each["coupon_id"]) if each["coupon_id"] else None} for each in done]


def _policy(rules: Rules) -> str:
    return "restore" if rules.restore_coupons else "void"


def _state(use: OrderUse, rules: Rules, now: datetime) -> str:
    if not rules.restore_coupons:
        return "void"
    if use.coupon_id is None:
        return "free"
    if use.valid_until is not None and use.valid_until <= now:
        return "expired"
    return "held" if use.holder else "issued"
