"""Sales that a till made while it was cut off, uploaded together: in any order, again, and late.

Each row is one ordinary commit with a key of its own, so nothing is ever half done: a row is committed, known already,
or refused with its reason, and the others do not care. Rows are taken in the order in which they were sold, whatever
the order of the upload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal
from uuid import UUID

import msgspec
from django.db import transaction

from shuke.checkout.books import take_books
from shuke.checkout.errors import BadInstant, BatchSize, NumberMissing, OrderExists
from shuke.checkout.models import Order
from shuke.checkout.operations import CLOCK_SKEW, commit_order, programme_in_force
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.values import Answer, SaleRequest
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError
from shuke.loyalty.tier_logic import qualify
from shuke.loyalty.tier_rows import lowest, states_of, write_moves
from shuke.loyalty.tiers import MAIN
from shuke.members.queries import joined_days

MAX_BATCH = 200

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class OfflineSale:
    """One row: the sale with its number (and the allowance it was made under, if any), and when it was made."""

    sale: SaleRequest
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class RowResult:
    """`committed` now, `known` from an earlier upload, or `refused` for `error`; `order` is the answer of the commit."""

    status: Literal["committed", "known", "refused"]
    order_id: UUID | None = None
    answer: Answer | None = None
    error: ShukeError | None = None


def commit_offline_sales(*, actor: Actor, rows: Sequence[OfflineSale], now: datetime) -> list[RowResult]:
    """Commit the rows one by one, oldest first, and answer in the order of the upload. Raises BatchSize.

    Sales that arrive late can lift a tier that no single one of them could: each member's tier is looked at again
    once all are in.
    """
    if not 1 <= len(rows) <= MAX_BATCH:
        raise BatchSize(field="orders", most=MAX_BATCH)
    results: dict[int, RowResult] = {}
    for index in sorted(range(len(rows)), key=lambda i: (rows[i].occurred_at, i)):
        results[index] = _row(actor, rows[index], now)
    fresh = [
        result.order_id for result in results.values() if result.order_id and result.status == "committed"
    ]
    members = Order.objects.filter(id__in=fresh, member_id__isnull=False).values_list("member_id", flat=True)
    for member_id in sorted(set(members)):
        _look_again(member_id, now)
    return [results[index] for index in range(len(rows))]


def _row(actor: Actor, row: OfflineSale, now: datetime) -> RowResult:
    sale = row.sale
    try:
        if not sale.number:
            raise NumberMissing(field="number")
        days = programme_in_force(now).programme.offline.accept_days
        if not now - timedelta(days=days) <= row.occurred_at <= now + CLOCK_SKEW:
            known = _known(actor, row)
            if known:
                return known
            raise BadInstant(field="occurred_at", days=days)
        answer = commit_order(
            actor=actor,
            sale=sale,
            now=now,
            key="offline:" + sha256(f"{sale.system}\n{sale.number}".encode()).hexdigest(),
            input_hash=sha256(_json.encode((sale, row.occurred_at))).digest(),
            occurred_at=row.occurred_at,
            oldest=timedelta(days=days),
        )
    except OrderExists as error:
        # The key of an upload long ago is forgotten, its order is not.
        return _known(actor, row) or RowResult("refused", error=error)
    except ShukeError as error:
        return RowResult("refused", error=error)
    order_id = UUID(msgspec.json.decode(answer.body)["id"])
    return RowResult("known" if answer.replayed else "committed", order_id, answer)


def _known(actor: Actor, row: OfflineSale) -> RowResult | None:
    """The order that an earlier upload of this row made; another sale under the same number is not it."""
    found = Order.objects.filter(
        system=row.sale.system,
        number=row.sale.number,
        occurred_at=row.occurred_at,
        store__code=row.sale.store,
    ).first()
    if found is None or not actor.may_touch_store(found.store_id):
        return None
    return RowResult("known", found.id)


def _look_again(member_id: UUID, now: datetime) -> None:
    """Lift the tiers that all sales together have reached by now, if they have."""
    in_force = programme_in_force(now)
    programme = in_force.programme
    with transaction.atomic():
        take_books([member_id])
        joined = joined_days([member_id])
        moves = []
        for track, tiers in {MAIN: programme.tiers, **programme.tracks}.items():
            state = states_of([member_id], track, joined).get(member_id) or lowest(tiers, joined[member_id])
            total = qualifying_totals([member_id], {member_id: now}, track=track)[member_id]
            move = qualify(tiers, state, total, now)
            if move is not None and move.cause == "qualified":
                moves.append((member_id, track, move))
        write_moves(in_force.version_id, moves)
