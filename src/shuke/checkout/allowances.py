"""Spending while a till is cut off: how much a member may use on one device, signed so that the device can trust it.

Nothing is reserved. What the member spends elsewhere meanwhile is the house's risk: the upload takes what is there and
writes the rest down as the member's debt, up to the allowance. The exposure report says how much that could be.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.checkout.books import active_member, one_line, open_lots_of, open_store, take_books
from shuke.checkout.errors import OfflineNotAllowed
from shuke.checkout.models import Allowance
from shuke.checkout.operations import programme_in_force
from shuke.checkout.trust import VERSION, Claim, sign
from shuke.core.operations import publish_event, record_audit
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.kit.sql import load
from shuke.ledger.logic import available

MAX_DEVICE = 80


def issue_allowance(
    *, actor: Actor, member_id: UUID, device: str, store: str, now: datetime
) -> dict[str, Any]:
    """Sign what this member may spend on this device until it is back: at most what the programme allows, and never
    more than is there and not yet promised to other devices. An older allowance of the same device ends.

    Raises OfflineNotAllowed, UnknownMember, MemberNotActive and the refusals of the store.
    """
    in_force = programme_in_force(now)
    rules = in_force.programme.offline
    if not rules.allowance_points and not rules.allowance_minor:
        raise OfflineNotAllowed
    device = one_line("device", device, MAX_DEVICE, _("Name the device."))
    place = open_store(actor, store)
    active_member(member_id)
    until = now + timedelta(hours=rules.allowance_hours)
    with transaction.atomic():
        take_books([member_id])
        Allowance.objects.filter(member_id=member_id, device=device, closed_at=None).update(closed_at=now)
        points, money = _promised(member_id, now)
        usable_points = available(open_lots_of(member_id, "points"), now)
        usable_money = sum(
            available(open_lots_of(member_id, asset), now) for asset in ("stored_value", "bonus")
        )
        row = Allowance.objects.create(
            id=uuid7(),
            member_id=member_id,
            device=device,
            store=place,
            points=min(rules.allowance_points, max(usable_points - points, 0)),
            money_minor=min(rules.allowance_minor, max(usable_money - money, 0)),
            issued_at=now,
            expires_at=until,
            actor=actor.reference,
        )
        facts = {
            "allowance_id": str(row.id),
            "device": device,
            "points": row.points,
            "money_minor": row.money_minor,
        }
        record_audit(
            actor=actor,
            action="checkout.allowance_issued.v1",
            now=now,
            object_type="member",
            object_id=member_id,
            store_id=place.id,
            data=facts,
        )
        publish_event(
            name="checkout.allowance_issued.v1",
            member_id=member_id,
            occurred_at=now,
            payload={**facts, "store": place.code},
        )
    claim = Claim(
        VERSION,
        row.id,
        member_id,
        device,
        place.code,
        row.points,
        row.money_minor,
        in_force.programme.currency,
        int(now.timestamp()),
        int(until.timestamp()),
    )
    return {
        "id": row.id,
        "points": row.points,
        "money_minor": row.money_minor,
        "currency": in_force.programme.currency,
        "expires_at": until,
        "token": sign(claim),
    }


def _promised(member_id: UUID, now: datetime) -> tuple[int, int]:
    """(points, money) that other devices may still spend of this member's."""
    rows = Allowance.objects.filter(member_id=member_id, closed_at=None, expires_at__gt=now)
    left = rows.values_list("points", "points_used", "money_minor", "money_used_minor")
    return sum(p - u for p, u, _m, _n in left), sum(m - n for _p, _u, m, n in left)


def exposure(
    *, now: datetime, store_ids: frozenset[UUID] | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """What could be spent offline without being there: a page of the open allowances, the most exposed first, and the
    sums over all of them. Raises InvalidInput (bad cursor).

    `uncovered` is what is left of an allowance beyond the member's usable balance, allowances of one member taken
    together, oldest first; `owed` is what earlier offline sales have left the member owing.
    """
    skip = max(0, decode_cursor(cursor, int)[0]) if cursor else 0
    with connection.cursor() as reader:
        reader.execute(
            load("checkout", "exposure"),
            {
                "now": now,
                "stores": sorted(store_ids) if store_ids is not None else None,
                "most": limit + 1,
                "skip": skip,
            },
        )
        names = [column[0] for column in reader.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in reader.fetchall()]
    totals = {
        name: int(rows[0][f"total_{name}"]) if rows else 0
        for name in ("count", "points_left", "money_left_minor", "points_uncovered", "money_uncovered_minor")
    }
    shown = [
        {name: value for name, value in row.items() if not name.startswith("total_")} for row in rows[:limit]
    ]
    more = encode_cursor([skip + limit]) if len(rows) > limit else None
    return {"allowances": shown, "next_cursor": more, **totals}
