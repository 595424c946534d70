"""Write one lane of a planned import: chunk by chunk, each with its journal row in one transaction."""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction

from shuke.checkout.bulk import HistoricOrder, commit_batch, take_books
from shuke.checkout.logic import CartLine
from shuke.checkout.tender_logic import Tender
from shuke.core.values import SYSTEM
from shuke.integrations.errors import ImportFailed
from shuke.integrations.journal import chunks_done, claim_chunk, close_chunk
from shuke.integrations.models import ImportRun
from shuke.integrations.orders_plan import EPOCH
from shuke.integrations.references import Db
from shuke.integrations.values import Counts, RowRefusal

PRODUCTS_KEPT = 200_000
BOOKS_AT_ONCE = 20_000
LINES_OF_ONE_MEMBER = 100_000
"""As many are read into memory at once by a dry run; some shops ring up everybody as one member."""
_FIELDS = {"tenders_short": "tender", "tenders_exceed": "tender", "product_reserved": "sku"}
"""The field that a refusal of pricing is about; the order as a whole where it is none of them."""

_Product = tuple[str, str, str]


class LaneReader:
    """Reads the chunks of a lane out of the plan as orders that can be committed."""

    def __init__(self, plan: Db, settled: bool, codes: list[str]) -> None:
        self._plan = plan
        self._settled = settled
        self._codes = codes
        self._stores = {i: (UUID(id_), code) for i, code, id_ in plan.execute("FROM stores").fetchall()}
        count = plan.execute("SELECT count(*) FROM products").fetchone()
        self._knows_all = count is not None and count[0] <= PRODUCTS_KEPT
        self._products: dict[int, _Product] = {}
        if self._knows_all:
            self._keep_products("SELECT idx, id, sku, category FROM products")

    def chunks(self, lane: int, *, of_whole_members: bool = False) -> list[tuple[int, int, int]]:
        """(number, first, last sequence number) of every chunk of a lane, in order.

        `of_whole_members`, in a plan that is not by time: a chunk ends only where the next member begins.
        """
        chunk = "chunk"
        if of_whole_members:
            # Members come one after the other, and orders without one after them all.
            chunk = "CASE WHEN midx IS NULL THEN chunk ELSE min(chunk) OVER (PARTITION BY midx) END"
        return self._plan.execute(
            f"SELECT number, min(seq), max(seq) FROM (SELECT seq, {chunk} AS number FROM orders WHERE lane = ?)"
            " GROUP BY number ORDER BY number",
            [lane],
        ).fetchall()

    def orders(self, first: int, last: int) -> list[tuple[int, HistoricOrder]]:
        """(row in the file, order) for a range of sequence numbers."""
        between = f"seq BETWEEN {first} AND {last}"
        heads = self._plan.execute(
            "SELECT o.seq, o.first_row, o.system, o.number, m.id, o.store, o.channel, o.moment, o.facts, o.tenders"
            " FROM orders o"
            f" LEFT JOIN members m ON m.idx = o.midx WHERE o.{between} ORDER BY o.seq"
        ).fetchall()
        self._load_products(between)
        lines = self._lines(between)
        stores, settled = self._stores, self._settled
        members: dict[str | None, UUID | None] = {None: None}
        found: list[tuple[int, HistoricOrder]] = []
        for seq, row, system, number, member, store, channel, at, facts, tenders in heads:
            if member not in members:
                members[member] = UUID(member)
            store_id, code = stores[store]
            found.append(
                (
                    row,
                    HistoricOrder(
                        system,
                        number,
                        members[member],
                        store_id,
                        code,
                        channel,
                        EPOCH + timedelta(microseconds=at),
                        lines[seq],
                        settled,
                        json.loads(facts) if facts else None,
                        [Tender(each["kind"], each["amount"]) for each in tenders or ()],
                    ),
                )
            )
        return found

    def _lines(self, between: str) -> dict[int, list[CartLine]]:
        lines: dict[int, list[CartLine]] = {}
        products, codes = self._products, self._codes
        for seq, product, quantity, price, *discounts in self._plan.execute(
            f"SELECT * FROM lines WHERE {between}"
        ).fetchall():
            id_, sku, category = products[product]
            given = (
                tuple([pair for pair in zip(codes, discounts, strict=True) if pair[1]])
                if any(discounts)
                else ()
            )
            line = CartLine(id_, sku, category, quantity, price, given)
            if seq in lines:
                lines[seq].append(line)
            else:
                lines[seq] = [line]
        return lines

    def _load_products(self, between: str) -> None:
        """Know the products of a range; a small catalogue is known from the start."""
        if self._knows_all:
            return
        if len(self._products) > PRODUCTS_KEPT:
            self._products.clear()
        rows = self._plan.execute(f"SELECT DISTINCT product FROM lines WHERE {between}").fetchall()
        missing = [idx for (idx,) in rows if idx not in self._products]
        if missing:
            # Numbers in the text: a list among the parameters is slower by far.
            wanted = ", ".join(map(str, missing))
            self._keep_products(f"SELECT idx, id, sku, category FROM products WHERE idx IN ({wanted})")

    def _keep_products(self, query: str) -> None:
        rows = self._plan.execute(query).fetchall()
        self._products.update((idx, (id_, sku, sys.intern(category))) for idx, id_, sku, category in rows)


def comes_apart(plan: Db, *, by_time: bool) -> bool:
    """True when each chunk of the plan can be tried without those before it: budgets tie none, and no member has so many
    lines that they could not be one chunk."""
    if by_time:
        return False
    row = plan.execute(
        "SELECT coalesce(max(lines), 0) FROM (SELECT count(*) AS lines FROM lines JOIN orders USING (seq)"
        " WHERE midx IS NOT NULL GROUP BY midx)"
    ).fetchone()
    return row is not None and int(row[0]) <= LINES_OF_ONE_MEMBER


def hold_books(plan: Db) -> None:
    """Take the books of all members of the plan, for a run in one transaction.

    Its first chunk takes budgets, and holds them: a till that has a book of a later chunk would wait for it, and it for the
    till.
    """
    members = plan.execute("SELECT id FROM members ORDER BY idx")
    while block := members.fetchmany(BOOKS_AT_ONCE):
        take_books([UUID(id_) for (id_,) in block])


def write_lane(
    *, run: ImportRun, reader: LaneReader, lane: int, clock: Callable[[], datetime], tries: bool = False
) -> Iterator[Counts]:
    """Write the chunks of a lane that are not written yet; yields the figures of each after it is committed.

    `tries`, within the transaction of a dry run of a plan that is not by time: the sales of each chunk are taken back as
    soon as they are counted, so that the tills of its members wait for one chunk and not for all. The figures are the
    same: no chunk needs what another has written.
    """
    done = chunks_done(run.id)
    for number, first, last in reader.chunks(lane, of_whole_members=tries):
        if (lane, number) in done:
            continue
        counts = _write_claimed(run, lane, number, reader.orders(first, last), clock(), tries)
        if counts is not None:
            yield counts


def _write_claimed(
    run: ImportRun,
    lane: int,
    number: int,
    orders: list[tuple[int, HistoricOrder]],
    now: datetime,
    tries: bool,
) -> Counts | None:
    """Write a chunk in a transaction of its own; None when it is written already.

    Whoever sells one of these orders at the same moment (a till, or another import of the file) may win: the next try
    finds that order, so there are at most as many tries as orders.
    """
    for _ in range(len(orders) + 1):
        try:
            with transaction.atomic():
                if not claim_chunk(run_id=run.id, lane=lane, number=number, now=now):
                    return None
                with _taken_back() if tries else nullcontext():
                    counts, refused, data = _write_chunk(run, orders, now)
                close_chunk(
                    run=run, lane=lane, number=number, now=now, counts=counts, refused=refused, data=data
                )
            return counts
        except (IntegrityError, OperationalError) as error:
            if not _is_lost_race(error):
                raise
    raise ImportFailed(reason=f"chunk {number} of lane {lane} lost every race")


@contextmanager
def _taken_back() -> Iterator[None]:
    """What is written within is undone at the end, and its locks are let go, although the transaction goes on."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _is_lost_race(error: Exception) -> bool:
    """A rival was first with an order of the chunk, or both waited for each other."""
    deadlock = getattr(error.__cause__, "sqlstate", None) == "40P01"
    return deadlock or "checkout_order_once" in str(error)


def _write_chunk(
    run: ImportRun, orders: list[tuple[int, HistoricOrder]], now: datetime
) -> tuple[Counts, list[RowRefusal], dict[str, Any]]:
    existing = _existing(orders)
    refused = [
        RowRefusal(row, "number", "order_exists")
        for row, order in orders
        if (order.system, order.number) in existing
    ]
    skipped = len(refused)
    fresh = [(row, order) for row, order in orders if (order.system, order.number) not in existing]
    result = commit_batch(reference=SYSTEM.reference, orders=[order for _row, order in fresh], now=now)
    refused += [
        RowRefusal(fresh[place][0], _FIELDS.get(refusal.code, "number"), refusal.code)
        for place, refusal in result.refused
    ]
    counts = Counts(
        imported=result.orders,
        skipped=skipped,
        refused=len(result.refused),
        lines=result.lines,
        sales_minor=result.sales_minor,
        points=result.points,
    )
    times = [order.occurred_at for _row, order in orders]
    data = {"tier_moves": result.tier_moves, "first": min(times), "last": max(times)}
    return counts, refused, data


def _existing(orders: list[tuple[int, HistoricOrder]]) -> set[tuple[str, str]]:
    """Which of these (system, number) are sold already."""
    found: set[tuple[str, str]] = set()
    with connection.cursor() as cursor:
        for system in Counter(order.system for _row, order in orders):
            numbers = [order.number for _row, order in orders if order.system == system]
            cursor.execute(
                "SELECT number FROM checkout_order WHERE system = %s AND number = ANY(%s)", [system, numbers]
            )
            found |= {(system, number) for (number,) in cursor.fetchall()}
    return found
