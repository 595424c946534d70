"""Coupons for tests: templates, pieces, and the documents that a sale and a refund hand to the database."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.rewards.operations import Issued, issue_coupons
from shuke.rewards.values import CouponTemplate, Limits, Validity
from tests.factories.core import NOW

ZONE = ZoneInfo("Asia/Shanghai")
VERSION = UUID(int=11)


def template(code: str = "ten", **changes: Any) -> CouponTemplate:
    """Ten off, without terms or limits unless given."""
    limits = {name: changes.pop(name) for name in Limits.__dataclass_fields__ if name in changes}
    term = {name: changes.pop(name) for name in Validity.__dataclass_fields__ if name in changes}
    made: dict[str, Any] = {"name": {"zh-Hans": code}, "type": "amount_off", "amount": 1000, **changes}
    return CouponTemplate(code=code, limits=Limits(**limits), validity=Validity(**term), **made)


def issue(
    kind: CouponTemplate,
    *members: UUID,
    source: str = "manual",
    reference: str = "r",
    now: datetime = NOW,
    actor: Actor = SYSTEM,
    **more: Any,
) -> Issued:
    return issue_coupons(
        actor=actor,
        template=kind,
        version_id=VERSION,
        zone=ZONE,
        member_ids=members,
        source=source,
        reference=reference,
        now=now,
        **more,
    )


def use(
    *uses: dict[str, Any],
    member_id: UUID | None = None,
    order_id: UUID | None = None,
    now: datetime = NOW,
    day: date | None = None,
) -> UUID:
    """What a sale writes; returns the order's id. Raises OperationalError 40001 when the database will not have it."""
    order_id = order_id or uuid7()
    document = {
        "order_id": order_id,
        "member_id": member_id,
        "at": now,
        "day": day or now.astimezone(ZONE).date(),
        "actor": "key:till",
        "uses": [{"w": VERSION, "v": 0, **each} for each in uses],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rewards_use(%s::jsonb)", [json.dumps(document, default=str)])
    return order_id


def restore(order_id: UUID, *, policy: str = "restore", now: datetime = NOW) -> list[dict[str, Any]]:
    """What a whole refund writes; returns what came back."""
    document = {
        "order_id": order_id,
        "refund_id": uuid7(),
        "at": now,
        "actor": "key:till",
        "policy": policy,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rewards_restore(%s::jsonb)::text", [json.dumps(document, default=str)])
        return list(json.loads(cursor.fetchone()[0]))
