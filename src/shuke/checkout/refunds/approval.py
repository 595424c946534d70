"""Giving back at the till: what a cashier does alone, and what a second person signs.

Alone: what the programme's `cashier_refund_most` allows, of a sale within its return window. Whoever signs stands in the
audit log beside the one who asked; both halves are one transaction. Keys of tills are not limited: their own system asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from shuke.catalog.models import Store
from shuke.checkout.errors import SecondPersonNeeded, StoreOutOfScope
from shuke.core.operations import record_audit
from shuke.core.values import Actor
from shuke.loyalty.queries import programme_at

Beyond = Literal["", "amount", "age"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is given back: an order, the card of a member, or a gift card."""

    kind: Literal["order", "member", "gift_card"]
    id: UUID
    store: Store


def beyond_cashier(*, given_back_minor: int, sold_at: datetime | None, now: datetime) -> Beyond:
    """Why a cashier may not give this back alone; "" when they may.

    `given_back_minor` counts what the same order gave back before, so that parts are no way round the limit. `sold_at`
    None: what is given back was no sale. Without a programme in force nothing goes without a second person.
    """
    in_force = programme_at(now)
    if in_force is None:
        return "amount"
    policies = in_force.programme.policies
    if given_back_minor > policies.cashier_refund_most:
        return "amount"
    if sold_at is not None and now > sold_at + timedelta(days=policies.return_window_days):
        return "age"
    return ""


def carry_out(
    act: Callable[[], dict[str, Any]],
    *,
    actor: Actor,
    approver: Actor | None,
    subject: Subject,
    now: datetime,
) -> dict[str, Any]:
    """Give back (`act`), signed by a second person where there is one: both happen, or neither.

    Raises SecondPersonNeeded when that person is the first one, StoreOutOfScope for one who does not cover the store, and
    whatever `act` raises.
    """
    if approver is None:
        return act()
    if approver.reference == actor.reference:
        raise SecondPersonNeeded(field="approver")
    if not approver.may_touch_store(subject.store.id):
        raise StoreOutOfScope(field="approver", code=subject.store.code)
    with transaction.atomic():
        done = act()
        record_audit(
            actor=approver,
            action="checkout.refund_approved.v1",
            now=now,
            object_type=subject.kind,
            object_id=subject.id,
            store_id=subject.store.id,
            data={"asked_by": actor.reference},
        )
    return done
