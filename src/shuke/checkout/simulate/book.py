"""One member under one programme: tiers, lots of points, caps, and what each replayed event does to them. No database.

Everything that decides is what the till decides with: `checkout.logic.price`, `refunds.logic.plan_refund`, the functions of
`loyalty.tier_logic` and `loyalty.logic`, the order of lots of `ledger.logic`. Only where the rows would be written, figures
are moved in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from shuke.checkout.logic import Cart, MemberFacts, Priced, price
from shuke.checkout.posting import slides_of
from shuke.checkout.refunds.logic import (
    Paid,
    Past,
    Plan,
    Purse,
    RefundRefusal,
    Returned,
    Rules,
    Sold,
    SoldLine,
    plan_refund,
)
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.simulate.standing import Standing
from shuke.checkout.simulate.tally import Side
from shuke.checkout.simulate.values import Back, Did, Moved, RefundOf, Sale, Start, StartLot
from shuke.checkout.simulate.window import Figures, Windows
from shuke.checkout.tender_logic import Funds, Tender
from shuke.checkout.values import OUTSIDE_TENDERS, PricingRefusal
from shuke.kit.clock import local_date
from shuke.kit.money import allocate
from shuke.ledger.logic import OpenLot, available, consume, in_order
from shuke.loyalty.conditions import MemberTraits, SaleContext
from shuke.loyalty.earning import Earned, Room, Use, Used, accrue_rules
from shuke.loyalty.logic import lots_of
from shuke.loyalty.programme import Needs

_INSIDE = {"stored_value", "bonus", "gift_card"}
_TICK = timedelta(microseconds=1)
_NOTHING = Figures(0, 0, 0, 0)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Lot:
    id: UUID
    remaining: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime | None
    slides: bool

    def open(self) -> OpenLot:
        return OpenLot(self.id, self.remaining, self.earned_at, self.active_at, self.expires_at)


@dataclass(slots=True)
class _Order:
    """A replayed order that something of will come back."""

    sale: Sale
    sold: Sold
    backs: tuple[Returned, ...]
    real: list[list[int]]
    """Per line: value and goods (thousandths) that were really returned so far."""
    past: Past
    uses: tuple[Use, ...]
    given_back: list[int]
    issued: dict[str, int]
    clawed: dict[str, int]
    day: date
    discounts: list[int]


class Book:
    """A member's book as it moves through the period. Events come in time order."""

    __slots__ = (
        "_is_stale",
        "_lapses_at",
        "_last_spent",
        "_lots",
        "_open",
        "_orders",
        "_start",
        "_used",
        "_windows",
        "benefit_minor",
        "debt",
        "orders",
        "points_net",
        "sales_minor",
        "side",
        "standings",
    )

    def __init__(self, side: Side, start: Start) -> None:
        self.side = side
        self._start = start
        self.debt = start.debt
        self._lots: dict[UUID, _Lot] = {}
        self._open: list[_Lot] = []
        self._is_stale, self._lapses_at = False, _NEVER
        for lot in start.lots:
            self._add(_lot_of(lot))
        self._windows = Windows(side.metrics)
        for each in start.counted:
            counts = _NOTHING if each.ended else Figures(each.qualifying, each.growth, each.points)
            self._windows.add(each.order_id, each.at, counts)
        self.standings = tuple(Standing(side, tiers, start, self._windows) for tiers in side.tracks)
        """By track, the main one first."""
        self._used = {rule: dict(days) for rule, days in start.used.items()}
        self._orders: dict[UUID, _Order] = {}
        self._last_spent: list[tuple[UUID, int]] = []
        self.orders = self.sales_minor = self.benefit_minor = self.points_net = 0

    # Events ------------------------------------------------------------------------------------------

    def sell(self, sale: Sale, *, is_first: bool, settled: bool, will_return: bool) -> None:
        """Price the sale under this programme and keep what it leaves. `settled`: its prices were final."""
        side, at = self.side, sale.at
        self._turn_to(at)
        day = local_date(at, side.programme.zone)
        tenders, funds = _tenders(sale) if side.needs_tenders else ((), Funds())
        usable = available((lot.open() for lot in self._open), at) if sale.points_used else 0
        main, *further = self.standings
        facts = MemberFacts(
            main.state,
            self._start.birthday,
            usable,
            main.total(at),
            self._traits(at, is_first=is_first),
            self._room(side.programme.needs, day),
            self.debt,
            tuple(each.facts(at) for each in further),
        )
        cart = Cart(
            tuple(line.cart for line in sale.lines),
            sale.store,
            sale.channel,
            settled,
            sale.points_used if side.may_spend_own else min(sale.points_used, usable),
            tenders,
        )
        priced = self._priced(cart, facts, at, funds)
        if priced is None:
            side.unplayed("sales")
            return
        own = side.may_spend_own
        kept = self._keep(priced.earned, at) if own else ()
        if priced.points_used:
            self._spend(priced.points_used, at)
        spent = tuple(self._last_spent) if priced.points_used and will_return else ()
        if not own:
            kept = self._keep(priced.earned, at)
        if priced.points_used:
            self._slide(["points"], at)
        growth, points = priced.earned_of("growth"), priced.earned_of("points")
        self._windows.add(sale.id, at, Figures(priced.qualifying_minor, growth, points))
        main.move(priced.move)
        for each in further:
            each.move(priced.track_moves.get(each.tiers.code))
        self._take_uses(priced.uses, day)
        discounts = side.count_sale(sale, priced, day)
        self.orders += 1
        self.sales_minor += priced.sales_minor
        self.benefit_minor += sum(discounts)
        self.points_net += points
        if will_return:
            self._orders[sale.id] = _order(sale, priced, spent, kept, day, discounts)

    def give_back(self, refund: RefundOf) -> None:
        """Carry out a refund of an order that was replayed: the same goods, or the same share of a line's value."""
        order = self._orders.get(refund.order_id)
        if order is None:
            self.side.unplayed("refunds")
            return
        at, side = refund.at, self.side
        self._turn_to(at)
        request = _request(order, refund.lines)
        rules = _never_was(side.rules) if refund.never_was else side.rules
        purse = Purse(
            tuple(lot.open() for lot in self._touched(order)),
            sum(lot.remaining for lot in self._open) - self.debt,
            self.debt,
        )
        try:
            plan = plan_refund(
                order.sold, order.backs, request, rules, {(None, "points"): purse}, order.past, at
            )
        except RefundRefusal:
            side.unplayed("refunds")
            return
        points = plan.movement("points")
        if points is not None:
            for lot_id, units in points.returned.items():
                lapsed = points.lapsed.get(lot_id, 0)
                self._put(lot_id, units - lapsed)
                side.points_expired += lapsed
            for lot_id, units in (*points.taken, *points.settling):
                self._lots[lot_id].remaining -= units
            self._is_stale = True
            self.debt += points.debt_change
            order.past = Past(
                order.past.owed + points.owed,
                order.past.bought + points.bought,
                order.past.settled + points.settled,
            )
            self.points_net -= points.clawed
        self._give_back_uses(order, plan)
        back = plan.part.earned
        counted = Figures(plan.part.qualifying, back.get("growth", 0), back.get("points", 0), orders=0)
        self._windows.take(refund.order_id, None if plan.is_whole else counted)
        if refund.never_was or side.programme.policies.tier_on_refund_at_once:
            self._after_refund(at)
        self.benefit_minor -= side.count_refund(
            order.sale, order.sold.lines, order.discounts, order.backs, plan, order.day
        )
        order.backs = plan.after

    def did(self, act: Did) -> None:
        """Reward something that is no sale."""
        programme, at = self.side.programme, act.at
        rules = [rule for rule in programme.accruals if rule.kind == act.kind]
        if not rules:
            return
        self._turn_to(at)
        day = local_date(at, programme.zone)
        context = SaleContext(
            at=at.astimezone(programme.zone),
            store="",
            channel="",
            tier=self.standings[0].state.tier,
            birthday=self._start.birthday,
            traits=self._traits(at, is_first=False),
            track_tiers=frozenset(each.state.tier for each in self.standings[1:]),
        )
        earned = accrue_rules(rules, context, self._room(programme.accrual_needs, day))
        self._keep(earned, at)
        self._take_uses([use for each in earned for use in each.uses], day)
        self.side.count_earned(earned)
        self.points_net += sum(each.total for each in earned if each.asset == "points")

    def moved(self, act: Moved) -> None:
        """Move points as some other act did; what is not in the lot it came out of comes out of others, or is owed."""
        self._turn_to(act.at)
        for lot_id, units in act.legs:
            if lot_id is None:
                self.debt -= units
            elif units > 0:
                if lot_id not in self._lots:
                    lot = _lot_of(act.opened[lot_id])
                    lot.remaining = 0
                    self._lots[lot_id] = lot
                self._put(lot_id, units)
            else:
                self._take(lot_id, -units, act.at)
            self.side.points_moved += units
        if act.counted is not None:
            order_id, qualifying, growth, points, ended = act.counted
            taken = Figures(qualifying, growth, points, orders=0)
            self._windows.take(order_id, None if ended else taken)
            if self.side.programme.policies.tier_on_refund_at_once:
                self._after_refund(act.at)

    def close(self, until: datetime) -> None:
        """The end of the period: reviews and expiries that were due, then what is left."""
        self._turn_to(until - _TICK)
        self._sweep(until)
        held = sum(lot.remaining for lot in self._open)
        self.side.count_member(self.levels(), held, self.debt)

    def levels(self) -> dict[str, str]:
        """The level held on each track."""
        return {each.tiers.code: each.level for each in self.standings}

    # Tiers -------------------------------------------------------------------------------------------

    def _turn_to(self, at: datetime) -> None:
        """Reviews of tiers and expiries of points that are due."""
        for each in self.standings:
            each.turn_to(at)
        self._sweep(at)

    def _after_refund(self, at: datetime) -> None:
        for each in self.standings:
            each.after_refund(at)

    # Facts -------------------------------------------------------------------------------------------

    def _traits(self, at: datetime, *, is_first: bool) -> MemberTraits:
        start = self._start
        return MemberTraits(
            joined=local_date(start.joined_at, self.side.programme.zone),
            tags=start.tags,
            segments=start.codes("segment", at),
            plans=start.codes("plan", at),
            is_first_purchase=is_first,
        )

    def _room(self, needs: Needs, day: date) -> Room:
        used = {rule: _used(self._used.get(rule, {}), day) for rule in needs.counted}
        return Room(used=used, left={b.id: self.side.budgets.left(b, day) for b in needs.budgets})

    def _take_uses(self, uses: Iterable[Use], day: date) -> None:
        for use in uses:
            if use.budget is None:
                days = self._used.setdefault(use.rule, {})
                days[day] = days.get(day, 0) + use.amount
            else:
                self.side.budgets.draw(use.budget, day, use.amount)

    def _give_back_uses(self, order: _Order, plan: Plan) -> None:
        """Caps and budgets get back the share of what the order drew that was taken back in all, rounded down."""
        for (_holder, asset), movement in plan.movements.items():
            order.clawed[asset] = order.clawed.get(asset, 0) + movement.clawed
        for index, use in enumerate(order.uses):
            whole = order.issued.get(use.asset, 0)
            if not whole:
                continue
            back = use.amount * order.clawed.get(use.asset, 0) // whole - order.given_back[index]
            if back <= 0:
                continue
            order.given_back[index] += back
            if use.budget is None:
                self._used[use.rule][order.day] -= back
            else:
                self.side.budgets.draw(use.budget, order.day, -back)

    def _priced(self, cart: Cart, facts: MemberFacts, at: datetime, funds: Funds) -> Priced | None:
        """The sale as asked; else with the points that are there; else without what the draft does not take."""
        side = self.side
        programme = side.programme if cart.points_to_use else side.spending_others
        try:
            return price(programme, cart, facts, at, funds)
        except PricingRefusal as refusal:
            if refusal.code == "not_enough_points":
                cart = replace(cart, points_to_use=max(int(refusal.params.get("usable", 0)), 0))
            elif refusal.code == "points_not_accepted":
                cart = replace(cart, points_to_use=0)
            elif refusal.field.startswith("tenders"):
                cart = replace(cart, tenders=())
        for tried in (cart, replace(cart, points_to_use=0, tenders=())):
            try:
                return price(programme, tried, facts, at, funds)
            except PricingRefusal:
                continue
        return None

    # Points ------------------------------------------------------------------------------------------

    def _add(self, lot: _Lot) -> None:
        self._lots[lot.id] = lot
        if lot.remaining:
            self._list(lot)

    def _list(self, lot: _Lot) -> None:
        self._open.append(lot)
        if lot.expires_at is not None and lot.expires_at < self._lapses_at:
            self._lapses_at = lot.expires_at

    def _put(self, lot_id: UUID, units: int) -> None:
        lot = self._lots[lot_id]
        # One that was emptied since the last look is listed still.
        if units and not lot.remaining and all(each is not lot for each in self._open):
            self._list(lot)
        lot.remaining += units

    def _keep(self, earned: Sequence[Earned], at: datetime) -> tuple[UUID, ...]:
        """Points earned settle a debt first; the rest become lots, which are named."""
        programme, made = self.side.programme, []
        for each in earned:
            if each.asset != "points":
                continue
            settled = min(each.total, max(self.debt, 0))
            self.debt -= settled
            self._slide(["points"], at)
            for plan in lots_of(programme, each, settled, at):
                # A lot that waits for an event is taken to be usable: whether the event came is not on record.
                active = at if plan.waits_for else plan.active_at
                lot_id = self.side.next_lot()
                self._add(_Lot(lot_id, plan.amount, at, active, plan.expires_at, plan.slides))
                made.append(lot_id)
        return tuple(made)

    def _slide(self, assets: Iterable[str], at: datetime) -> None:
        for slide in slides_of(self.side.programme, assets, at):
            for lot in self._open:
                if lot.slides and lot.expires_at is not None and at < lot.expires_at < slide.until:
                    lot.expires_at = slide.until

    def _spend(self, units: int, at: datetime) -> None:
        taken = consume((lot.open() for lot in self._open), units, at)
        for lot_id, part in taken:
            self._lots[lot_id].remaining -= part
        self._is_stale = True
        self._last_spent = taken

    def _take(self, lot_id: UUID, units: int, at: datetime) -> None:
        own = self._lots.get(lot_id)
        rest = [self._lots[lot.id] for lot in in_order(lot.open() for lot in self._open)]
        for lot in ([own] if own else []) + rest:
            part = min(units, lot.remaining)
            lot.remaining -= part
            units -= part
        self._is_stale = True
        self.debt += units

    def _sweep(self, at: datetime) -> None:
        """Take out what has lapsed by `at`, and lots that are empty."""
        if at < self._lapses_at and not self._is_stale:
            return
        lots, self._open = self._open, []
        self._is_stale, self._lapses_at = False, _NEVER
        for lot in lots:
            if lot.expires_at is not None and lot.expires_at <= at:
                self.side.points_expired += lot.remaining
                lot.remaining = 0
            elif lot.remaining:
                self._list(lot)

    def _touched(self, order: _Order) -> list[_Lot]:
        spent = {lot_id for lot_id, _units in order.sold.spent}
        closed = [self._lots[each] for each in sorted(spent) if not self._lots[each].remaining]
        return [*(lot for lot in self._open if lot.remaining), *closed]


def _lot_of(start: StartLot) -> _Lot:
    lot = start.lot
    return _Lot(lot.id, lot.remaining, lot.earned_at, lot.active_at, lot.expires_at, start.slides)


def _used(given: dict[date, int], day: date) -> Used:
    month = sum(n for each, n in given.items() if (each.year, each.month) == (day.year, day.month))
    return Used(given.get(day, 0), month, sum(given.values()))


def _tenders(sale: Sale) -> tuple[tuple[Tender, ...], Funds]:
    """The tenders as they were, each at most what it paid; the largest outside one takes the rest, whatever it is."""
    principal = sum(amount for kind, amount, _h in sale.tenders if kind == "stored_value")
    bonus = sum(amount for kind, amount, _h in sale.tenders if kind == "bonus")
    cards = {holder: amount for kind, amount, holder in sale.tenders if kind == "gift_card" and holder}
    asked = [Tender("stored_value", principal + bonus, at_most=True)] if principal or bonus else []
    asked += [Tender("gift_card", amount, holder, at_most=True) for holder, amount in cards.items()]
    outside = [(kind, amount) for kind, amount, _h in sale.tenders if kind in OUTSIDE_TENDERS]
    if outside:
        largest = max(range(len(outside)), key=lambda index: (outside[index][1], -index))
        asked += [
            Tender(kind, None if index == largest else amount, at_most=index != largest)
            for index, (kind, amount) in enumerate(outside)
        ]
    return tuple(asked), Funds(principal, bonus, cards)


def _never_was(rules: Rules) -> Rules:
    return dataclasses.replace(rules, return_spent=True, claw_back=True, shortfall="debt")


def _order(
    sale: Sale,
    priced: Priced,
    spent: tuple[tuple[UUID, int], ...],
    kept: tuple[UUID, ...],
    day: date,
    discounts: list[int],
) -> _Order:
    """A sale as a refund of it sees it."""
    nets = [line.list_minor - line.discount_minor for line in priced.lines]
    payable = [line.payable_minor for line in priced.lines]
    counted = nets if priced.qualifying_minor > priced.payable_minor else payable
    qualifying = allocate(priced.qualifying_minor, counted)
    shares = allocate(priced.points_used, [line.points_minor for line in priced.lines])
    lines = tuple(
        SoldLine(
            line_no=index + 1,
            quantity=sale.lines[index].cart.quantity,
            sales=nets[index],
            points_minor=line.points_minor,
            qualifying=qualifying[index],
            spent=shares[index],
            earned={each.asset: each.by_line[index] for each in priced.earned},
            tax=line.tax.tax_minor if line.tax else 0,
            tax_added=line.payable_minor + line.points_minor - nets[index],
        )
        for index, line in enumerate(priced.lines)
    )
    inside = tuple(
        Paid(seq, each.kind, each.amount_minor, each.kind if each.kind in _INSIDE else None, each.holder)
        for seq, each in enumerate(priced.paid, 1)
    )
    left = priced.payable_minor - sum(each.amount for each in inside)
    return _Order(
        sale=sale,
        sold=Sold(lines, (*inside, Paid(0, "money", left)) if left else inside, spent, {"points": kept}),
        backs=tuple(Returned() for _ in lines),
        real=[[0, 0] for _ in lines],
        past=Past(),
        uses=tuple(priced.uses),
        given_back=[0] * len(priced.uses),
        issued={each.asset: each.total for each in priced.earned},
        clawed={},
        day=day,
        discounts=discounts,
    )


def _request(order: _Order, lines: Iterable[Back]) -> RefundRequest:
    """What was refunded, of the order as it is here: goods as goods, a value as the same share of the line."""
    asked = []
    for back in lines:
        index = back.line_no - 1
        line, state, real = order.sold.lines[index], order.backs[index], order.real[index]
        real[0] += back.sales_minor
        real[1] += back.quantity
        whole = order.sale.lines[index].sales_minor
        if back.by_goods and back.quantity:
            asked.append(LineBack(back.line_no, quantity=back.quantity))
            continue
        # The value returned so far, as a share of what the line cost then.
        target = line.sales * real[0] // whole if whole else line.sales
        value = max(target - state.sales, 0)
        if value or back.quantity:
            asked.append(LineBack(back.line_no, back.quantity or None, value))
    return RefundRequest(tuple(asked))
