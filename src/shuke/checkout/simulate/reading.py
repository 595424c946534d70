"""Where members stood when the period began, and what they then did, read in batches of members or of days.

Nothing is read order by order: a batch costs the same few statements whether its members bought once or daily.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection
from msgspec.json import decode

from shuke.checkout.logic import CartLine
from shuke.checkout.simulate.standing import standing_of
from shuke.checkout.simulate.tally import Budgets, needs_tenders
from shuke.checkout.simulate.values import (
    Back,
    Changed,
    Come,
    Counted,
    Did,
    Event,
    Moved,
    RefundOf,
    Sale,
    SoldLine,
    Start,
    StartLot,
)
from shuke.core.keyset import keyset
from shuke.kit.sql import load
from shuke.ledger.logic import WAITING, OpenLot
from shuke.loyalty.plans.queries import plan_spans
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import version_by_id
from shuke.loyalty.tier_logic import Grant, earliest_start
from shuke.loyalty.tiers import Tiers
from shuke.members.profile import open_profile

_NEVER_WAS = {"void", "cancellation"}
_KEPT = {"given", "coupon"}
"""Discounts that stay what they were: the till's own, and coupons, of which a draft cannot know who would hold them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The period, and what the two programmes look at."""

    since: datetime
    until: datetime
    programmes: tuple[Programme, ...]

    @property
    def birthdays(self) -> bool:
        return any(p.uses_birthday or any(rule.when.birthday for rule in p.accruals) for p in self.programmes)

    @property
    def counted(self) -> list[str]:
        return sorted({r for p in self.programmes for r in (*p.needs.counted, *p.accrual_needs.counted)})

    @property
    def tenders(self) -> bool:
        return any(needs_tenders(p) for p in self.programmes)

    @property
    def ladders(self) -> list[Tiers]:
        """Every track of either programme."""
        return [tiers for p in self.programmes for tiers in (p.tiers, *p.tracks.values())]

    @property
    def tracks(self) -> set[str]:
        """Their codes."""
        return {tiers.code for tiers in self.ladders}

    @property
    def plans(self) -> bool:
        return any(p.plans for p in self.programmes)

    @property
    def shared_budgets(self) -> bool:
        """True when members draw on one pot, so that their order matters."""
        return any(p.needs.budgets or p.accrual_needs.budgets for p in self.programmes)


@dataclass(frozen=True, slots=True)
class _Product:
    sku: str
    category: str
    brand: str
    cost: int | None


@dataclass(slots=True)
class Reader:
    """Reads for one run; remembers products and stores."""

    wanted: Wanted
    _products: dict[int, _Product] = field(default_factory=dict)
    """By the number that the id is: a line looks it up, and numbers are found faster."""
    _stores: dict[UUID, str] = field(default_factory=dict)

    def members_after(self, last: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """The next members by id who had joined before the period ended, each with the number of sales in it."""
        asked = {"last": last, "limit": limit, "since": self.wanted.since, "until": self.wanted.until}
        return [(member_id, sales) for member_id, sales in _rows(load("checkout", "simulate_members"), asked)]

    def has_sales(self, most: int) -> int:
        """How many sales to members the period has; counting stops at `most`."""
        rows = _rows(
            "SELECT count(*) FROM (SELECT FROM checkout_order WHERE member_id IS NOT NULL AND occurred_at >= %s"
            " AND occurred_at < %s LIMIT %s) x",
            [self.wanted.since, self.wanted.until, most],
        )
        return int(rows[0][0])

    def count_members(self) -> int:
        """How many `members_after` will find."""
        rows = _rows("SELECT count(*) FROM members_member WHERE joined_at < %s", [self.wanted.until])
        return int(rows[0][0])

    def budgets(self, programme: Programme) -> Budgets:
        """What had been drawn on a programme's budgets when the period began."""
        ids = list(programme.budgets)
        rows = _rows(
            "SELECT budget, period, sum(amount)::bigint FROM loyalty_use WHERE budget = ANY(%s) AND occurred_at < %s"
            " GROUP BY budget, period",
            [ids, self.wanted.since],
        )
        return Budgets({(budget, period): amount for budget, period, amount in (rows if ids else ())})

    def starts(self, members: Sequence[UUID]) -> dict[UUID, Start]:
        """Where these members stood."""
        ids, since = list(members), self.wanted.since
        profile = "m.profile, k.wrapped" if self.wanted.birthdays else "NULL, NULL"
        starts: dict[UUID, Start] = {}
        for member_id, joined, tags, sealed, wrapped in _rows(
            f"SELECT m.id, m.joined_at, m.tags, {profile} FROM members_member m"  # noqa: S608  one of two fixed texts
            " LEFT JOIN members_datakey k ON k.member_id = m.id WHERE m.id = ANY(%s)",
            [ids],
        ):
            born = _birthday(member_id, wrapped, sealed)
            starts[member_id] = Start(member_id, joined, frozenset(tags), born)
        self._read_tiers(starts, ids)
        for member_id, *row in _rows(load("checkout", "simulate_lots"), {"members": ids, "since": since}):
            if row[0] is None:
                starts[member_id].debt = -row[1]
            else:
                starts[member_id].lots.append(_start_lot(*row))
        self._read_window(starts, ids)
        for member_id, *group in _rows(
            "SELECT member_id, kind, code, since, until FROM loyalty_membergroup WHERE member_id = ANY(%s)"
            " AND kind = 'segment' ORDER BY code",
            [ids],
        ):
            starts[member_id].groups.append(tuple(group))
        if any(p.tracks for p in self.wanted.programmes):
            for member_id, *change in _rows(
                "SELECT member_id, occurred_at, track, to_tier FROM loyalty_tierchange WHERE member_id = ANY(%s)"
                " AND track <> '' AND occurred_at < %s ORDER BY occurred_at, id",
                [ids, self.wanted.until],
            ):
                starts[member_id].changes.append(tuple(change))
        if self.wanted.plans:
            for member_id, plan, begin, end in plan_spans(ids):
                starts[member_id].groups.append(("plan", plan, begin, end))
        for member_id, first in _rows(
            "SELECT member_id, min(occurred_at) FROM checkout_order WHERE member_id = ANY(%s) GROUP BY member_id",
            [ids],
        ):
            starts[member_id].first_order_at = first
        if self.wanted.counted:
            for member_id, rule, day, amount in _rows(
                "SELECT member_id, rule, day, sum(amount)::bigint FROM loyalty_use WHERE member_id = ANY(%s)"
                " AND rule = ANY(%s) AND budget IS NULL AND occurred_at < %s GROUP BY member_id, rule, day",
                [ids, self.wanted.counted, since],
            ):
                starts[member_id].used.setdefault(rule, {})[day] = amount
        return starts

    def events(
        self, members: Sequence[UUID] | None, since: datetime, until: datetime
    ) -> tuple[list[Event], set[UUID]]:
        """What happened in [since, until), in the order of time, and the orders of it that were refunded in the period.

        `members` None: to anyone.
        """
        asked = {
            "members": list(members) if members is not None else None,
            "since": since,
            "until": until,
            "begin": self.wanted.since,
            "end": self.wanted.until,
        }
        sales, returned = self._sales(asked)
        events: list[tuple[datetime, UUID, Event]] = [(sale.at, sale.id, sale) for sale in sales]
        events += [(each.at, each.id, each) for each in self._refunds(asked)]
        for row in _rows(load("checkout", "simulate_accruals"), asked):
            events.append((row[2], row[0], Did(*row)))
        events += [(each.at, each.id, each) for each in self._moves(asked)]
        events.sort(key=lambda each: each[:2])
        return [event for _at, _id, event in events], returned

    # The parts ---------------------------------------------------------------------------------------

    def _read_tiers(self, starts: Mapping[UUID, Start], ids: list[UUID]) -> None:
        """What was held on each track, and which levels were given and ended in the period."""
        since, until = self.wanted.since, self.wanted.until
        grants = dict[tuple[UUID, str], dict[UUID, Grant]]()
        for member_id, track, at, ended_at, *grant in _rows(
            "SELECT member_id, track, granted_at, ended_at, id, tier, until, cause FROM loyalty_tiergrant"
            " WHERE member_id = ANY(%s) AND granted_at < %s AND track = ANY(%s) ORDER BY granted_at, id",
            [ids, until, list(self.wanted.tracks)],
        ):
            start, given = starts[member_id], Grant(*grant)
            grants.setdefault((member_id, track), {})[given.id] = given
            come: list[Come] = [(at, given)] if at >= since else []
            if ended_at is not None and since <= ended_at < until:
                come.append((ended_at, given.id))
            if come:
                start.to_come.setdefault(track, []).extend(come)
            ends = min(each for each in (given.until, ended_at, until) if each)
            start.had_given = start.had_given or ends > since
        for start in starts.values():
            for acts in start.to_come.values():
                # Of one instant what was given comes first, as it did live: with an upgrade nobody falls in between.
                acts.sort(key=lambda come: (come[0], not isinstance(come[1], Grant)))
                acts.reverse()
        changes = _rows(
            "SELECT member_id, track, occurred_at, from_tier, to_tier, review_at, cause, metric, grant_id,"
            " programme_version_id FROM loyalty_tierchange WHERE member_id = ANY(%s) AND occurred_at < %s"
            " AND track = ANY(%s) ORDER BY member_id, track, occurred_at, id",
            [ids, since, list(self.wanted.tracks)],
        )
        for (member_id, track), rows in groupby(changes, itemgetter(0, 1)):
            start = starts[member_id]
            own = grants.get((member_id, track), {})
            found = [Changed(_tiers_of(row[-1], track) if own else None, *row[2:-1]) for row in rows]
            state = standing_of(found, own, start.joined_at)
            if state is not None:
                start.standings[track] = state

    def _read_window(self, starts: Mapping[UUID, Start], ids: list[UUID]) -> None:
        """Orders before the period that may still count: back to the window of the oldest tier that is held."""
        since = self.wanted.since
        held = min(
            [since, *(state.earned.since for start in starts.values() for state in start.standings.values())]
        )
        ladders = [tiers for tiers in self.wanted.ladders if not tiers.by_hand]
        first = min((earliest_start(tiers, held) for tiers in ladders), default=since)
        for member_id, *counted in _rows(
            load("checkout", "simulate_window"), {"members": ids, "first": first, "since": since}
        ):
            starts[member_id].counted.append(Counted(*counted))

    def _sales(self, asked: Mapping[str, Any]) -> tuple[list[Sale], set[UUID]]:
        heads = _rows(load("checkout", "simulate_sales"), asked)
        if not heads:
            return [], set()
        ids = [head[0] for head in heads]
        lines = self._lines(ids)
        tenders: dict[UUID, list[tuple[str, int, UUID | None]]] = defaultdict(list)
        if self.wanted.tenders:
            for order_id, *tender in _rows(
                "SELECT order_id, kind, amount_minor, holder_id FROM checkout_tender WHERE order_id = ANY(%s)"
                " ORDER BY order_id, seq",
                [ids],
            ):
                tenders[order_id].append(tuple(tender))
        self._know_stores({head[3] for head in heads})
        returned = {head[0] for head in heads if head[8]}
        sales = []
        for order_id, member_id, at, store_id, channel, used, tier, version_id, _back, settled in heads:
            own, discounted, coupons = lines[order_id]
            sales.append(
                Sale(
                    order_id,
                    member_id,
                    at,
                    self._stores[store_id],
                    channel,
                    own,
                    used,
                    tuple(tenders[order_id]),
                    tier=tier,
                    version_id=version_id,
                    is_discounted=discounted,
                    settled=settled,
                    coupons_minor=coupons,
                )
            )
        return sales, returned

    def _lines(self, ids: list[UUID]) -> dict[UUID, tuple[tuple[SoldLine, ...], bool, int]]:
        """The lines of each order, whether its programme gave a discount on one of them, and what coupons took off."""
        rows = _rows(
            "SELECT order_id, product_id, (quantity * 1000)::int, list_minor, discount_minor, detail"
            " FROM checkout_orderline WHERE order_id = ANY(%s) ORDER BY order_id, line_no",
            [ids],
        )
        self._know_products({row[1].int: row[1] for row in rows})
        products, found = self._products, dict[UUID, tuple[tuple[SoldLine, ...], bool, int]]()
        for order_id, own_rows in groupby(rows, itemgetter(0)):
            own, discounted, coupons = [], False, 0
            for _order, product_id, quantity, full, off, detail in own_rows:
                product = products[product_id.int]
                given: tuple[tuple[str, int], ...] = ()
                if detail is not None:
                    parts = decode(detail) if isinstance(detail, str) else detail
                    given = tuple((part["code"], part["minor"]) for part in parts if part["kind"] in _KEPT)
                    discounted = discounted or len(given) < len(parts)
                    coupons += sum(part["minor"] for part in parts if part["kind"] == "coupon")
                cart = CartLine(
                    product_id, product.sku, product.category, quantity, full, given, None, product.brand
                )
                own.append(SoldLine(cart, full - off, product.cost))
            found[order_id] = (tuple(own), discounted, coupons)
        return found

    def _refunds(self, asked: Mapping[str, Any]) -> Iterator[RefundOf]:
        rows = _rows(load("checkout", "simulate_refunds"), asked)
        grouped: dict[UUID, tuple[Any, list[Back]]] = {}
        for refund_id, order_id, member_id, at, kind, line_no, quantity, sales_minor, basis in rows:
            head = (order_id, member_id, at, kind)
            _head, lines = grouped.setdefault(refund_id, (head, []))
            lines.append(Back(line_no, quantity, sales_minor, basis == "goods"))
        for refund_id, ((order_id, member_id, at, kind), lines) in grouped.items():
            yield RefundOf(refund_id, order_id, member_id, at, tuple(lines), kind in _NEVER_WAS)

    def _moves(self, asked: Mapping[str, Any]) -> Iterator[Moved]:
        rows = _rows(load("checkout", "simulate_moves"), asked)
        grouped: dict[UUID, tuple[UUID, datetime, list[tuple[UUID | None, int]], dict[UUID, StartLot]]] = {}
        for transfer_id, member_id, at, units, *lot in rows:
            _m, _at, legs, opened = grouped.setdefault(transfer_id, (member_id, at, [], {}))
            legs.append((lot[0], units))
            if lot[0] is not None:
                opened[lot[0]] = _start_lot(*lot)
        for transfer_id, (member_id, at, legs, opened) in grouped.items():
            yield Moved(transfer_id, member_id, at, tuple(legs), opened)
        for refund_id, member_id, at, *counted in _rows(load("checkout", "simulate_older_refunds"), asked):
            yield Moved(refund_id, member_id, at, (), {}, tuple(counted))

    def _know_products(self, ids: Mapping[int, UUID]) -> None:
        new = [ids[number] for number in ids.keys() - self._products.keys()]
        if new:
            for product_id, *facts in _rows(
                "SELECT id, sku, coalesce(category_path, ''), brand, cost_minor FROM catalog_product WHERE id = ANY(%s)",
                [new],
            ):
                self._products[product_id.int] = _Product(*facts)

    def _know_stores(self, ids: Iterable[UUID]) -> None:
        new = [each for each in ids if each not in self._stores]
        if new:
            self._stores.update(_rows("SELECT id, code FROM catalog_store WHERE id = ANY(%s)", [new]))


def _rows(statement: str, parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows


def _birthday(member_id: UUID, wrapped: bytes | None, sealed: bytes | None) -> tuple[int, int] | None:
    if wrapped is None or sealed is None:
        return None
    born: date | None = open_profile(member_id, keyset().unwrap(wrapped, member_id.bytes), sealed).birthday
    return (born.month, born.day) if born else None


def _tiers_of(version_id: UUID, track: str) -> Tiers | None:
    return version_by_id(version_id).programme.track(track)


def _start_lot(
    lot_id: UUID,
    remaining: int,
    earned_at: datetime,
    active_at: datetime,
    expires_at: datetime | None,
    slides: bool,
) -> StartLot:
    # What waits for an event is taken to be usable: whether it came is not on record.
    active = earned_at if active_at == WAITING else active_at
    return StartLot(OpenLot(lot_id, remaining, earned_at, active, expires_at), slides)


def had_discount(
    version_id: UUID | None, tier: str, plans: Collection[str], levels: Mapping[str, str]
) -> bool:
    """True when tier, plans or levels of further tracks had a discount under the version that priced a sale, so that none
    given means that prices were final. For sales that do not say so themselves."""
    if version_id is None:
        return False
    programme = version_by_id(version_id).programme
    held = programme.held(programme.tiers.level(tier).code, plans, levels)
    return any(each.benefit.discount for each in held)
