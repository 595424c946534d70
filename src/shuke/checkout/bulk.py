"""Many historic sales at once: the same pure function as the till, then COPY instead of calls.

One batch is one transaction. It takes the books of its members in id order, reads their state once, prices every sale in
time order with that state moving along, and writes all rows set-based. What it leaves behind — entries, lots, balances,
tiers — is exactly what the till would have left (tests/checkout/test_bulk.py proves it).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from shuke.checkout.bulk_facts import BatchFacts, read_batch_facts
from shuke.checkout.errors import NoProgramme
from shuke.checkout.logic import Cart, CartLine, MemberFacts, Priced, TrackFacts, price
from shuke.checkout.posting import NewTransfer, earn_transfer
from shuke.checkout.tender_logic import Tender
from shuke.checkout.track_facts import FIGURES
from shuke.checkout.values import PricingRefusal
from shuke.core.keyset import keyset
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at, programmes_between
from shuke.loyalty.tier_logic import (
    TierMove,
    TierState,
    earliest_start,
    held_document,
    lapse,
    review_window_start,
    window_start,
)
from shuke.loyalty.tier_rows import lowest, state_of
from shuke.loyalty.tiers import MAIN, Metric, Tiers
from shuke.members.profile import open_profile

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class HistoricOrder:
    """A sale of the past, with every name already resolved and its number known to be new.

    `tenders` are of outside money only: what would leave a balance of this house is not known of the past.
    """

    system: str
    number: str
    member_id: UUID | None
    store_id: UUID
    store: str
    channel: str
    occurred_at: datetime
    lines: Sequence[CartLine]
    settled: bool = True
    facts: dict[str, Any] | None = None
    tenders: Sequence[Tender] = ()


@dataclass(slots=True)
class BatchResult:
    """Figures of what was written. `refused`: place in the batch and why, of sales that the till would refuse, too."""

    orders: int = 0
    lines: int = 0
    sales_minor: int = 0
    points: int = 0
    tier_moves: int = 0
    refused: list[tuple[int, PricingRefusal]] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    """What counted by one metric: when, ascending, with the running sum of what had counted before it."""

    times: list[datetime] = field(default_factory=list)
    running: list[int] = field(default_factory=lambda: [0])

    def add(self, at: datetime, amount: int) -> None:
        """Count an order; one that arrives late is slotted in."""
        if not self.times or at >= self.times[-1]:
            self.times.append(at)
            self.running.append(self.running[-1] + amount)
            return
        index = bisect_right(self.times, at)
        insort(self.times, at)
        self.running.insert(index + 1, self.running[index] + amount)
        for later in range(index + 2, len(self.running)):
            self.running[later] += amount

    def between(self, start: datetime, end: datetime) -> int:
        """What counted from `start` to `end`, both inclusive."""
        return self.running[bisect_right(self.times, end)] - self.running[bisect_left(self.times, start)]


@dataclass(slots=True)
class _Member:
    """A member's state as it moves through the batch."""

    joined: datetime
    states: dict[str, TierState]
    """What is held, by track."""
    birthday: tuple[int, int] | None
    balances: dict[str, list[int]]
    """asset → [balance, debt]"""
    counted: dict[Metric, _Running]
    moves: list[tuple[str, TierMove, UUID, UUID | None]] = field(default_factory=list)

    def state(self, tiers: Tiers) -> TierState:
        return self.states.get(tiers.code) or lowest(tiers, self.joined)

    def total(self, tiers: Tiers, start: datetime, end: datetime) -> int:
        return 0 if tiers.by_hand else self.counted[tiers.metric].between(start, end)


class _Copies:
    """Rows for COPY in text format, gathered per table."""

    TABLES = {
        "checkout_order": "id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency,"
        " list_minor, discount_minor, sales_minor, points_minor, tax_minor, tax_added_minor, payable_minor,"
        " qualifying_minor,"
        " points_used, points_earned, growth_earned, tier, status, programme_version_id, actor, facts, settled",
        "checkout_orderline": "order_id, line_no, member_id, product_id, quantity, list_minor, discount_minor,"
        " points_minor, payable_minor, points_earned, growth_earned, detail",
        "checkout_linetax": "order_id, line_no, code, percent, taxable_minor, tax_minor",
        "checkout_tender": "order_id, seq, kind, amount_minor, reference",
        "ledger_transfer": "id, member_id, kind, occurred_at, recorded_at, order_id, store_id, programme_version_id,"
        " actor, reason, txid",
        "ledger_lot": "id, member_id, asset, amount, remaining, earned_at, active_at, expires_at, order_id, pending,"
        " waits_for, slides",
        "ledger_entry": "transfer_id, seq, member_id, account, asset, amount, lot_id, explain",
        "loyalty_tierchange": "id, member_id, occurred_at, from_tier, to_tier, cause, metric, review_at, order_id,"
        " programme_version_id, track, grant_id",
        "loyalty_use": "member_id, rule, asset, budget, period, day, amount, occurred_at, order_id",
    }

    def __init__(self) -> None:
        self.rows: dict[str, list[str]] = {table: [] for table in self.TABLES}

    def write(self) -> None:
        with connection.wrap_database_errors, connection.cursor() as cursor:
            for table, columns in self.TABLES.items():
                if self.rows[table]:
                    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        copy.write("".join(self.rows[table]))


def commit_batch(*, reference: str, orders: Sequence[HistoricOrder], now: datetime) -> BatchResult:
    """Write a batch of historic sales. `reference` is the actor as the ledger names it.

    Orders of one member must come in time order, and so must all orders that may draw on one budget. Raises NoProgramme when
    none was in force at a sale, and django.db.IntegrityError when an order number exists; then nothing is written.
    """
    result = BatchResult()
    if not orders:
        return result
    with transaction.atomic():
        programmes = _programmes(orders)
        members = _members(orders, programmes)
        of_members = [order for order in orders if order.member_id]
        rule_facts = read_batch_facts(
            {order.occurred_at: programmes[order.occurred_at].programme for order in of_members},
            list(members),
            {line.sku for order in of_members for line in order.lines},
        )
        copies, txid = _Copies(), _transaction_number()
        windows: dict[tuple[UUID, str, Any], datetime] = {}
        slides: list[tuple[UUID, str, datetime, datetime]] = []
        for place, order in enumerate(orders):
            in_force = programmes[order.occurred_at]
            member = members[order.member_id] if order.member_id else None
            if member:
                _review(in_force, member, order.occurred_at)
            try:
                priced = _price(in_force, order, member, windows, rule_facts)
            except PricingRefusal as refusal:
                result.refused.append((place, refusal))
                continue
            order_id = uuid7()
            _sale_rows(copies, in_force, order, order_id, priced, reference, now)
            if member and order.member_id:
                debts = {asset: pair[1] for asset, pair in member.balances.items() if pair[1]}
                transfer = earn_transfer(in_force.programme, priced, debts, order.occurred_at)
                if transfer:
                    _transfer_rows(copies, in_force, order, order_id, transfer, reference, now, txid)
                    _move_balances(member, transfer)
                    slides += [
                        (order.member_id, s.asset, order.occurred_at, s.until) for s in transfer.slides
                    ]
                for track, move in priced.moves.items():
                    member.states[track] = move.after
                    member.moves.append((track, move, in_force.version_id, order_id))
                for metric, running in member.counted.items():
                    running.add(order.occurred_at, _gained(metric, priced))
                day = local_date(order.occurred_at, in_force.programme.zone)
                rule_facts.sold(order.member_id, order.occurred_at, day, priced.uses)
                _use_rows(copies, order, order_id, day, priced)
            result.orders += 1
            result.lines += len(order.lines)
            result.sales_minor += priced.sales_minor
            result.points += priced.earned_of("points")
        for member_id, member in members.items():
            _tier_rows(copies, member_id, member)
            result.tier_moves += len(member.moves)
        copies.write()
        rule_facts.write_counters()
        _slide(slides)
        _write_states(members)
    return result


def _transaction_number() -> int:
    """What the column's default would say of every transfer of the batch, asked once instead of row by row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_txid()")
        number: int = cursor.fetchone()[0]
    return number


def take_books(member_ids: Sequence[UUID]) -> None:
    """Wait for the books of these members in the order of ids, and hold them until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_book AS b (member_id, revision) SELECT id, 1 FROM unnest(%s::uuid[]) AS id ORDER BY id"
            " ON CONFLICT (member_id) DO UPDATE SET revision = b.revision + 1",
            [list(member_ids)],
        )


def _members(orders: Sequence[HistoricOrder], in_force: Mapping[datetime, InForce]) -> dict[UUID, _Member]:
    """Take the books of everyone in the batch in id order and read their states."""
    ordered = sorted({order.member_id for order in orders if order.member_id})
    if not ordered:
        return {}
    programmes = [each.programme for each in in_force.values()]
    first, last = (end(order.occurred_at for order in orders) for end in (min, max))
    members: dict[UUID, _Member] = {}
    take_books(ordered)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.joined_at, m.profile, k.wrapped, s.tier, s.since, s.review_at, s.held FROM members_member m"
            " LEFT JOIN members_datakey k ON k.member_id = m.id LEFT JOIN loyalty_standing s ON s.member_id = m.id"
            " WHERE m.id = ANY(%s)",
            [ordered],
        )
        for member_id, joined, profile, wrapped, tier, since, review_at, held in cursor.fetchall():
            states = {MAIN: state_of(tier, since, review_at, held, joined)} if tier else {}
            members[member_id] = _Member(joined, states, _birthday(member_id, wrapped, profile), {}, {})
        if any(programme.tracks for programme in programmes):
            cursor.execute(
                "SELECT member_id, track, tier, since, review_at, held FROM loyalty_trackstanding"
                " WHERE member_id = ANY(%s)",
                [ordered],
            )
            for member_id, track, tier, since, review_at, held in cursor.fetchall():
                member = members[member_id]
                member.states[track] = state_of(tier, since, review_at, held, member.joined)
        # An overdue review looks at the time before it, as the programme of its own day says.
        due = [s.review_at for m in members.values() for s in m.states.values() if s.review_at is not None]
        first = min([first, *due])
        tracks = [tiers for each in programmes_between(first, last) for tiers in _tracks(each)]
        metrics = sorted({tiers.metric for tiers in tracks if not tiers.by_hand})
        for member in members.values():
            member.counted = {metric: _Running() for metric in metrics}
        cursor.execute(
            "SELECT member_id, asset, balance, debt FROM ledger_account WHERE member_id = ANY(%s)", [ordered]
        )
        for member_id, asset, balance, debt in cursor.fetchall():
            members[member_id].balances[asset] = [balance, debt]
        figures = ", ".join(FIGURES[metric] for metric in metrics)
        earliest = min((earliest_start(t, first) for t in tracks if not t.by_hand), default=first)
        cursor.execute(
            f"SELECT o.member_id, o.occurred_at{', ' if figures else ''}{figures}"  # noqa: S608  fixed expressions
            " FROM checkout_order o"
            " WHERE o.member_id = ANY(%s) AND o.status = 'committed' AND o.occurred_at >= %s ORDER BY o.occurred_at",
            [ordered, earliest],
        )
        for member_id, at, *amounts in cursor.fetchall():
            for metric, amount in zip(metrics, amounts, strict=True):
                members[member_id].counted[metric].add(at, amount)
    return members


def _tracks(programme: Programme) -> list[Tiers]:
    return [programme.tiers, *programme.tracks.values()]


def _programmes(orders: Sequence[HistoricOrder]) -> dict[datetime, InForce]:
    """The programme that prices the sales of each instant of the batch. Raises NoProgramme."""
    found: dict[datetime, InForce] = {}
    for at in {order.occurred_at for order in orders}:
        in_force = programme_at(at)
        if in_force is None:
            raise NoProgramme(field="occurred_at")
        found[at] = in_force
    return found


def _birthday(member_id: UUID, wrapped: bytes | None, profile: bytes) -> tuple[int, int] | None:
    """(month, day) out of the encrypted profile; None when unknown or erased."""
    if wrapped is None:
        return None
    born = open_profile(member_id, keyset().unwrap(wrapped, member_id.bytes), profile).birthday
    return (born.month, born.day) if born else None


def _review(in_force: InForce, member: _Member, at: datetime) -> None:
    """Reviews that fell due before this sale."""
    for tiers in _tracks(in_force.programme):
        state = member.states.get(tiers.code)
        if state is None or state.review_at is None or state.review_at > at:
            continue
        metric = partial(_at_review, tiers.code, member)
        member.states[tiers.code], moves = lapse(tiers, state, metric, at)
        member.moves += [(tiers.code, move, in_force.version_id, None) for move in moves]


def _at_review(track: str, member: _Member, end: datetime) -> int:
    """What a review at `end` finds, by the metric and the window of the programme that was in force then."""
    in_force = programme_at(end)
    tiers = in_force.programme.track(track) if in_force else None
    return member.total(tiers, review_window_start(tiers, end, member.joined), end) if tiers else 0


def _price(
    in_force: InForce,
    order: HistoricOrder,
    member: _Member | None,
    windows: dict[tuple[UUID, str, Any], datetime],
    rule_facts: BatchFacts,
) -> Priced:
    at, programme = order.occurred_at, in_force.programme
    facts = None
    if member and order.member_id:
        earning = rule_facts.of(programme, order.member_id, at)
        facts = MemberFacts(
            member.state(programme.tiers),
            member.birthday,
            0,
            _qualifying(in_force, programme.tiers, member, windows, at),
            earning.traits,
            earning.room,
            tracks=tuple(
                TrackFacts(code, member.state(tiers), _qualifying(in_force, tiers, member, windows, at))
                for code, tiers in programme.tracks.items()
            ),
        )
    lines = rule_facts.with_brands(order.lines)
    cart = Cart(lines, order.store, order.channel, order.settled, tenders=order.tenders)
    return price(programme, cart, facts, at)


def _qualifying(
    in_force: InForce,
    tiers: Tiers,
    member: _Member,
    windows: dict[tuple[UUID, str, Any], datetime],
    at: datetime,
) -> int:
    """The metric in the window that ends at a sale.

    Its start depends on the local day only (and on the day of joining): one calendar calculation per day, not per order.
    """
    if tiers.window == "anniversary":
        return member.total(tiers, window_start(tiers, at, member.joined), at)
    day = (in_force.version_id, tiers.code, at.astimezone(tiers.zone).date())
    start = windows.get(day)
    if start is None:
        start = windows[day] = window_start(tiers, at)
    return member.total(tiers, start, at)


def _gained(metric: Metric, priced: Priced) -> int:
    match metric:
        case "spend":
            return priced.qualifying_minor
        case "orders":
            return 1
        case asset:
            return priced.earned_of(asset)


def _move_balances(member: _Member, transfer: NewTransfer) -> None:
    for entry in transfer.entries:
        if entry.account == "member":
            pair = member.balances.setdefault(entry.asset, [0, 0])
            pair[0] += entry.amount
            if entry.lot_id is None:
                pair[1] -= entry.amount


def _sale_rows(
    copies: _Copies,
    in_force: InForce,
    order: HistoricOrder,
    order_id: UUID,
    priced: Priced,
    reference: str,
    now: datetime,
) -> None:
    # Ids become text once per order, not once per line: that alone is a tenth of an import's time.
    order_text, member = str(order_id), _kept(order.member_id) if order.member_id else _NULL
    copies.rows["checkout_order"].append(
        f"{order_text}\t{member}\t{_kept(order.store_id)}\t{_text(order.channel)}\t{_text(order.system)}\t{_text(order.number)}\t"
        f"{_kept(order.occurred_at)}\t{_kept(now)}\t{in_force.programme.currency}\t{priced.list_minor}\t{priced.discount_minor}\t"
        f"{priced.sales_minor}\t{priced.points_minor}\t{priced.tax_minor}\t{priced.tax_added_minor}\t"
        f"{priced.payable_minor}\t{priced.qualifying_minor}\t0\t"
        f"{priced.earned_of('points')}\t{priced.earned_of('growth')}\t{priced.tier}\tcommitted\t{_kept(in_force.version_id)}\t"
        f"{_text(reference)}\t{_document(order.facts)}\t{order.settled}\n"
    )
    copies.rows["checkout_tender"] += [
        f"{order_text}\t{n}\t{paid.kind}\t{paid.amount_minor}\t{_text(paid.reference)}\n"
        for n, paid in enumerate(priced.paid, 1)
    ]
    append = copies.rows["checkout_orderline"].append
    for n, (line, out) in enumerate(zip(order.lines, priced.lines, strict=True), 1):
        append(
            f"{order_text}\t{n}\t{member}\t{line.product_id}\t{_quantity(line.quantity)}\t"
            f"{out.list_minor}\t{out.discount_minor}\t{out.points_minor}\t{out.payable_minor}\t{out.points}\t"
            f"{out.growth}\t{_NULL if out.detail is None else _document(out.detail)}\n"
        )
        if out.tax:
            copies.rows["checkout_linetax"].append(
                f"{order_text}\t{n}\t{out.tax.code}\t{out.tax.percent}\t{out.tax.taxable_minor}\t{out.tax.tax_minor}\n"
            )


def _transfer_rows(
    copies: _Copies,
    in_force: InForce,
    order: HistoricOrder,
    order_id: UUID,
    transfer: NewTransfer,
    reference: str,
    now: datetime,
    txid: int,
) -> None:
    at, order_text, member, transfer_id = (
        _kept(order.occurred_at),
        str(order_id),
        _kept(order.member_id) if order.member_id else _NULL,
        str(transfer.id),
    )
    copies.rows["ledger_transfer"].append(
        f"{transfer_id}\t{member}\t{transfer.kind}\t{at}\t{_kept(now)}\t{order_text}\t{_kept(order.store_id)}\t"
        f"{_kept(in_force.version_id)}\t{reference}\t\t{txid}\n"
    )
    lots: dict[UUID | None, str] = {None: _NULL}
    for lot in transfer.lots:
        lot_text = lots[lot.id] = str(lot.id)
        expires_at = _kept(lot.expires_at) if lot.expires_at else _NULL
        copies.rows["ledger_lot"].append(
            f"{lot_text}\t{member}\t{lot.asset}\t{lot.amount}\t{lot.remaining}\t{at}\t{_kept(lot.active_at)}\t"
            f"{expires_at}\t{order_text}\t{lot.active_at > lot.earned_at}\t{lot.waits_for or _NULL}\t"
            f"{lot.slides}\n"
        )
    for seq, entry in enumerate(transfer.entries, 1):
        copies.rows["ledger_entry"].append(
            f"{transfer_id}\t{seq}\t{member}\t{entry.account}\t{entry.asset}\t{entry.amount}\t"
            f"{lots[entry.lot_id]}\t{_NULL if entry.explain is None else _document(entry.explain)}\n"
        )


def _use_rows(copies: _Copies, order: HistoricOrder, order_id: UUID, day: date, priced: Priced) -> None:
    copies.rows["loyalty_use"] += [
        f"{order.member_id}\t{use.rule}\t{use.asset}\t{use.budget.id if use.budget else _NULL}\t"
        f"{use.budget.period_of(day) if use.budget else _NULL}\t{day}\t{use.amount}\t{order.occurred_at}\t{order_id}\n"
        for use in priced.uses
    ]


def _tier_rows(copies: _Copies, member_id: UUID, member: _Member) -> None:
    for track, move, version_id, order_id in member.moves:
        copies.rows["loyalty_tierchange"].append(
            f"{uuid7()}\t{member_id}\t{move.at}\t{move.before}\t{move.after.tier}\t{move.cause}\t{move.metric}\t"
            f"{move.after.ends_at or _NULL}\t{order_id or _NULL}\t{version_id}\t{track}\t{move.grant_id or _NULL}\n"
        )


def _slide(slides: list[tuple[UUID, str, datetime, datetime]]) -> None:
    """Put off the end of lots that lapse by inactivity, sale by sale in time order, as the till would have done."""
    if not slides:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_slide(member_id, asset, at, until) FROM (SELECT * FROM"
            " unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
            " WITH ORDINALITY AS s(member_id, asset, at, until, n) ORDER BY n) AS s",
            [list(column) for column in zip(*slides, strict=True)],
        )


def _write_states(members: dict[UUID, _Member]) -> None:
    """Balances and standings as absolute values: the books are ours, nobody else moved them."""
    accounts = [(m, asset, *pair) for m, state in members.items() for asset, pair in state.balances.items()]
    moved = {(m, track) for m, state in members.items() for track, *_move in state.moves}
    main = [(m, *_stored(members[m].states[MAIN])) for m, track in sorted(moved) if not track]
    further = [(m, track, *_stored(members[m].states[track])) for m, track in sorted(moved) if track]
    with connection.cursor() as cursor:
        if accounts:
            cursor.execute(
                "INSERT INTO ledger_account (member_id, asset, balance, debt)"
                " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::bigint[])"
                " ON CONFLICT (member_id, asset) DO UPDATE SET balance = excluded.balance, debt = excluded.debt",
                [list(column) for column in zip(*accounts, strict=True)],
            )
        if main:
            cursor.execute(
                "INSERT INTO loyalty_standing (member_id, tier, since, review_at, held)"
                " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[])"
                " ON CONFLICT (member_id) DO UPDATE SET"
                " tier = excluded.tier, since = excluded.since, review_at = excluded.review_at, held = excluded.held",
                [list(column) for column in zip(*main, strict=True)],
            )
        if further:
            cursor.execute(
                "INSERT INTO loyalty_trackstanding (member_id, track, tier, since, review_at, held)"
                " SELECT * FROM"
                " unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[])"
                " ON CONFLICT (member_id, track) DO UPDATE SET"
                " tier = excluded.tier, since = excluded.since, review_at = excluded.review_at, held = excluded.held",
                [list(column) for column in zip(*further, strict=True)],
            )


def _stored(state: TierState) -> tuple[str, datetime, datetime | None, str | None]:
    held = held_document(state)
    return state.tier, state.since, state.review_at, _json.encode(held).decode() if held else None


_NULL = r"\N"


@lru_cache(maxsize=10_000)
def _kept(value: UUID | datetime) -> str:
    """The text of an id or an instant that many rows share."""
    return str(value)


@lru_cache(maxsize=10_000)
def _quantity(thousandths: int) -> str:
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _document(value: Any) -> str:
    """A JSON column of a COPY row."""
    return _json.encode(value).decode().replace("\\", "\\\\") if value is not None else _NULL


def _text(value: str) -> str:
    """A text column of a COPY row."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
