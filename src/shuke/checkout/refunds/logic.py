"""The pure plan of a refund: what any part of an order gives back and takes back. No ORM, no clock, no I/O.

Everything hangs on one coordinate per line: how much of the line's value has been returned so far. Each other figure
(points as cash, money, points spent and earned, what counted for the tier) is a monotone function of it, rounded down,
that reaches the line's whole figure exactly when the whole line is returned. A refund is the difference of that function
between two states, so any sequence of partial refunds adds up to one full refund, to the point and the cent. The same
holds for tenders and lots: they are filled from the last paid to the first, by cumulative totals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.kit.money import allocate
from shuke.ledger.logic import OpenLot, in_order
from shuke.loyalty.programme import Shortfall


class RefundRefusal(Exception):
    """What was asked cannot be refunded; `code` says why and `params` with which figures."""

    def __init__(self, code: str, field: str | None = None, **params: int | str) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.params = params


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One line as it was priced. `sales` is its value before points and without `tax_added`, the tax on top of it; `tax` is
    the tax in what was paid. `spent` is its share of the points that paid, `earned` what it earned of each asset."""

    line_no: int
    quantity: int
    sales: int
    points_minor: int
    qualifying: int
    spent: int
    earned: Mapping[str, int]
    tax: int = 0
    tax_added: int = 0


@dataclass(frozen=True, slots=True)
class Paid:
    """One tender. Money that the house does not keep has no `asset`; stored value names its holder and its lots."""

    seq: int
    kind: str
    amount: int
    asset: str | None = None
    holder: UUID | None = None
    lots: tuple[tuple[UUID, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Sold:
    """An order as a refund sees it: `paid` in the order of payment, `spent` the lots of points in the order they were taken."""

    lines: tuple[SoldLine, ...]
    paid: tuple[Paid, ...]
    spent: tuple[tuple[UUID, int], ...] = ()
    own_lots: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Returned:
    """How much of a line is back. Goods are valued from the last state that an amount set (`base_*`), so that returning
    two units at once or one after the other comes to the same."""

    quantity: int = 0
    sales: int = 0
    base_quantity: int = 0
    base_sales: int = 0


@dataclass(frozen=True, slots=True)
class Portion:
    """Figures of a returned part, of one line or of an order."""

    sales: int = 0
    points_minor: int = 0
    payable: int = 0
    tax: int = 0
    qualifying: int = 0
    spent: int = 0
    earned: Mapping[str, int] = field(default_factory=dict)

    def __sub__(self, other: Portion) -> Portion:
        return Portion(
            self.sales - other.sales,
            self.points_minor - other.points_minor,
            self.payable - other.payable,
            self.tax - other.tax,
            self.qualifying - other.qualifying,
            self.spent - other.spent,
            {asset: units - other.earned.get(asset, 0) for asset, units in self.earned.items()},
        )


def portion(line: SoldLine, back: Returned) -> Portion:
    """The figures of what is back of a line. A line without value is measured by its goods, and one that has neither, such as
    imported histories hold, has nothing to give back."""
    done, whole = (back.sales, line.sales) if line.sales else (back.quantity, line.quantity or 1)
    points_minor = line.points_minor * done // whole
    return Portion(
        sales=back.sales,
        points_minor=points_minor,
        payable=back.sales - points_minor + line.tax_added * done // whole,
        tax=line.tax * done // whole,
        qualifying=line.qualifying * done // whole,
        spent=line.spent * done // whole,
        earned={asset: units * done // whole for asset, units in line.earned.items()},
    )


def total(portions: Sequence[Portion]) -> Portion:
    """The sum over lines."""
    assets = {asset for each in portions for asset in each.earned}
    return Portion(
        sum(p.sales for p in portions),
        sum(p.points_minor for p in portions),
        sum(p.payable for p in portions),
        sum(p.tax for p in portions),
        sum(p.qualifying for p in portions),
        sum(p.spent for p in portions),
        {asset: sum(p.earned.get(asset, 0) for p in portions) for asset in sorted(assets)},
    )


def is_whole(line: SoldLine, back: Returned) -> bool:
    """True when nothing of the line's figures is left."""
    return back.sales == line.sales if line.sales else back.quantity == line.quantity


def goods_worth(line: SoldLine, back: Returned, quantity: int) -> int:
    """The line's value that is back once `quantity` in all is back, by the share of goods since the last stated amount."""
    if quantity == back.base_quantity:
        return back.base_sales
    goods = line.quantity - back.base_quantity
    return back.base_sales + (line.sales - back.base_sales) * (quantity - back.base_quantity) // goods


def advance(
    lines: Sequence[SoldLine], backs: Sequence[Returned], request: RefundRequest
) -> tuple[Returned, ...]:
    """The state of every line once the request is carried out. Raises RefundRefusal for what is not there to refund."""
    if all(is_whole(line, back) for line, back in zip(lines, backs, strict=True)):
        raise RefundRefusal("already_refunded")
    if request.lines and request.sales_minor is not None:
        raise RefundRefusal("refund_ambiguous", "sales_minor")
    if request.sales_minor is not None:
        return _spread(lines, backs, request.sales_minor)
    if not request.lines:
        return tuple(_by_goods(line, back, line.quantity) for line, back in zip(lines, backs, strict=True))
    places = {line.line_no: index for index, line in enumerate(lines)}
    after = list(backs)
    seen: set[int] = set()
    for index, ask in enumerate(request.lines):
        if ask.line_no not in places:
            raise RefundRefusal("unknown_line", f"lines/{index}/line_no", line_no=ask.line_no)
        if ask.line_no in seen:
            raise RefundRefusal("line_twice", f"lines/{index}/line_no", line_no=ask.line_no)
        seen.add(ask.line_no)
        place = places[ask.line_no]
        after[place] = _of_line(lines[place], backs[place], ask, f"lines/{index}")
    return tuple(after)


def _spread(lines: Sequence[SoldLine], backs: Sequence[Returned], value: int) -> tuple[Returned, ...]:
    """A value of the whole order: each line gives in proportion to what is left of it."""
    left = [line.sales - back.sales for line, back in zip(lines, backs, strict=True)]
    if not 0 < value <= sum(left):
        raise RefundRefusal("refund_exceeds_order", "sales_minor", asked=value, left=sum(left))
    parts = allocate(value, left)
    return tuple(_by_amount(back, back.quantity, part) for back, part in zip(backs, parts, strict=True))


def _of_line(line: SoldLine, back: Returned, ask: LineBack, field: str) -> Returned:
    quantity, sales = ask.quantity, ask.sales_minor
    if quantity is None and sales is None:
        raise RefundRefusal("nothing_to_refund", field)
    if quantity is not None and not 0 < quantity <= line.quantity - back.quantity:
        raise RefundRefusal(
            "refund_exceeds_quantity", f"{field}/quantity", line_no=line.line_no,
            asked=_units(quantity), left=_units(line.quantity - back.quantity),
        )  # fmt: skip
    least = 0 if quantity is not None else 1
    if sales is not None and not least <= sales <= line.sales - back.sales:
        raise RefundRefusal(
            "refund_exceeds_line", f"{field}/sales_minor", line_no=line.line_no,
            asked=sales, left=line.sales - back.sales,
        )  # fmt: skip
    if sales is None:
        return _by_goods(line, back, back.quantity + (quantity or 0))
    return _by_amount(back, back.quantity + (quantity or 0), sales)


def _by_goods(line: SoldLine, back: Returned, quantity: int) -> Returned:
    if quantity == line.quantity:  # the last goods take what is left, whatever was refunded before
        return replace(back, quantity=quantity, sales=line.sales)
    return replace(back, quantity=quantity, sales=goods_worth(line, back, quantity))


def _by_amount(back: Returned, quantity: int, value: int) -> Returned:
    sales = back.sales + value
    if value == 0 and quantity == back.quantity:
        return back
    return Returned(quantity, sales, quantity, sales)


def _units(thousandths: int) -> str:
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03d}".rstrip("0") if part else str(whole)


def fill(parts: Sequence[int], done: int) -> list[int]:
    """How much of each part is back when `done` in all is back: the last part first, since it was paid or taken last."""
    filled = [0] * len(parts)
    for index in reversed(range(len(parts))):
        filled[index] = min(parts[index], done)
        done -= filled[index]
    return filled


def by_lot(lots: Sequence[tuple[UUID, int]], before: int, after: int) -> dict[UUID, int]:
    """What goes back to each lot between two cumulative totals."""
    amounts = [amount for _lot, amount in lots]
    steps = zip(lots, fill(amounts, before), fill(amounts, after), strict=True)
    back: dict[UUID, int] = {}
    for (lot, _amount), was, now in steps:
        if now > was:
            back[lot] = back.get(lot, 0) + now - was
    return back


@dataclass(frozen=True, slots=True)
class Purse:
    """One asset of one holder before the refund: the open lots and those that get something back, and the debt."""

    lots: tuple[OpenLot, ...] = ()
    balance: int = 0
    debt: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    """What a refund does to one purse. Leg lists are (lot, units); the three that may turn back are signed."""

    returned: Mapping[UUID, int]
    lapsed: Mapping[UUID, int]
    taken: tuple[tuple[UUID, int], ...]
    """Out of lots: earned units, and units that were owed or bought out before and have come back now."""
    clawed: int
    owed: int
    """Debt made by this order's refunds (+), or settled again (−)."""
    bought: int
    """Missing units that money pays for (+), or that came back and are paid out again (−)."""
    settled: int
    """Debt of other causes that units which came back settle (+), or that is owed again because they are due (−)."""
    settling: tuple[tuple[UUID, int], ...]
    """The lots that `settled` comes out of."""

    @property
    def debt_change(self) -> int:
        """What the holder's debt moves by."""
        return self.owed - self.settled

    @property
    def change(self) -> int:
        """What the holder's balance moves by."""
        return sum(self.returned.values()) - sum(self.lapsed.values()) - self.clawed + self.bought


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier refunds of this order left: units still owed because of them, units that money has paid for, and units
    of debts of other causes that its returned points have settled."""

    owed: int = 0
    bought: int = 0
    settled: int = 0


def settle(
    purse: Purse,
    *,
    returned: Mapping[UUID, int],
    due: int,
    own: Sequence[UUID],
    past: Past,
    most_bought: int,
    now: datetime,
) -> Movement:
    """Give `returned` back to its lots, take `due` earned units, and say what is missing.

    Units come from the order's own lots first, then from the others in the order of consumption. What is missing is
    bought with money up to `most_bought` in all, the rest is owed. Units that came back beyond what is due first cover
    what this order's earlier refunds left missing, then debts of other causes; those are owed again first when more is
    due later, as if all had come back at once.
    """
    lapses = {lot.id for lot in purse.lots if lot.expires_at is not None and lot.expires_at <= now}
    lapsed = {lot: units for lot, units in returned.items() if lot in lapses}
    left = {lot.id: lot.free + (0 if lot.id in lapsed else returned.get(lot.id, 0)) for lot in purse.lots}
    ordered = in_order(purse.lots)
    ordered = [lot for lot in ordered if lot.id in own] + [lot for lot in ordered if lot.id not in own]

    def take(units: int) -> list[tuple[UUID, int]]:
        taken: list[tuple[UUID, int]] = []
        for lot in ordered:
            part = min(units, left[lot.id])
            if part:
                left[lot.id] -= part
                units -= part
                taken.append((lot.id, part))
        return taken

    taken = take(due)
    short = due - sum(part for _lot, part in taken)
    raised = min(short, past.settled)
    short -= raised
    spare = max(0, sum(returned.values()) - sum(lapsed.values()) - due)
    owed_before = min(past.owed, purse.debt)
    missing_before = past.bought + owed_before
    covering = take(min(missing_before, spare))
    covered = sum(part for _lot, part in covering)
    missing = missing_before + short - covered
    bought = min(missing, most_bought)
    owed = (missing - bought) - owed_before
    older = purse.debt - owed_before
    settling = take(min(older, spare - covered)) if missing == 0 else []
    return Movement(
        returned=dict(returned),
        lapsed=lapsed,
        taken=tuple(_merged([*taken, *covering])),
        clawed=due,
        owed=owed,
        bought=bought - past.bought,
        settled=sum(part for _lot, part in settling) - raised,
        settling=tuple(settling),
    )


def _merged(legs: list[tuple[UUID, int]]) -> list[tuple[UUID, int]]:
    merged: dict[UUID, int] = {}
    for lot, units in legs:
        merged[lot] = merged.get(lot, 0) + units
    return list(merged.items())


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies that this refund follows. `worth`/`points`: what missing points cost in money; 0 points: nothing."""

    return_spent: bool = True
    claw_back: bool = True
    shortfall: Shortfall = "debt"
    points: int = 0
    worth: int = 0
    restore_coupons: bool = True
    """The refund that completes an order gives its coupons back; else they are lost."""


@dataclass(frozen=True, slots=True)
class TenderBack:
    """What goes back the way it was paid. Stored value goes back to its lots."""

    paid: Paid
    amount: int
    lots: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """One refund: the state after it, the part it returns (by line and in all), and what moves."""

    after: tuple[Returned, ...]
    lines: tuple[Portion, ...]
    part: Portion
    tenders: tuple[TenderBack, ...]
    movements: Mapping[tuple[UUID | None, str], Movement]
    """By holder (None: the member who bought) and asset."""
    deducted: int
    """Money kept for missing points (+), or given back for points that came back since (−)."""
    is_whole: bool
    """Nothing of the order is left after it."""

    def movement(self, asset: str) -> Movement | None:
        """What happens to the buyer's own purse of that asset."""
        return self.movements.get((None, asset))

    @property
    def money_back(self) -> int:
        """What the till hands over in money: the tenders that the house does not keep, less the deduction."""
        return sum(t.amount for t in self.tenders if t.paid.asset is None) - self.deducted


def plan_refund(
    sold: Sold,
    backs: Sequence[Returned],
    request: RefundRequest,
    rules: Rules,
    purses: Mapping[tuple[UUID | None, str], Purse],
    past: Past,
    now: datetime,
) -> Plan:
    """The plan of this request on top of what is back already. Raises RefundRefusal.

    `purses` are keyed by holder (None: the buyer; a missing key is an empty purse). Without a buyer, pass rules that
    neither return nor claw back.
    """
    after = advance(sold.lines, backs, request)
    was = [portion(line, back) for line, back in zip(sold.lines, backs, strict=True)]
    will = [portion(line, back) for line, back in zip(sold.lines, after, strict=True)]
    first, last = total(was), total(will)
    part = last - first

    tenders = _tenders(sold.paid, first.payable, last.payable)
    money_so_far = sum(
        filled
        for paid, filled in zip(sold.paid, fill([p.amount for p in sold.paid], last.payable), strict=True)
        if paid.asset is None
    )
    most_bought = 0
    if rules.shortfall == "cash_value" and rules.points and rules.worth:
        most_bought = money_so_far * rules.points // rules.worth

    returned: dict[tuple[UUID | None, str], dict[UUID, int]] = {}
    for tender in tenders:
        if tender.paid.asset is not None:
            lots = returned.setdefault((tender.paid.holder, tender.paid.asset), {})
            for lot, units in tender.lots.items():
                lots[lot] = lots.get(lot, 0) + units
    if rules.return_spent and part.spent:
        returned[(None, "points")] = by_lot(sold.spent, first.spent, last.spent)
    due = {asset: units for asset, units in part.earned.items() if units} if rules.claw_back else {}
    keys = {*returned, *((None, asset) for asset in due)}
    if past != Past():
        keys.add((None, "points"))
    movements: dict[tuple[UUID | None, str], Movement] = {}
    for key in sorted(keys, key=lambda each: (str(each[0] or ""), each[1])):
        holder, asset = key
        of_points = key == (None, "points")
        movements[key] = settle(
            purses.get(key, Purse()),
            returned=returned.get(key, {}),
            due=due.get(asset, 0) if holder is None else 0,
            own=sold.own_lots.get(asset, ()) if holder is None else (),
            past=past if of_points else Past(),
            most_bought=most_bought if of_points else 0,
            now=now,
        )
    points = movements.get((None, "points"))
    deducted = 0
    if points is not None and rules.points:
        deducted = cash_value(rules, past.bought + points.bought) - cash_value(rules, past.bought)
    return Plan(
        after=after,
        lines=tuple(now_ - then for now_, then in zip(will, was, strict=True)),
        part=part,
        tenders=tenders,
        movements=movements,
        deducted=deducted,
        is_whole=all(is_whole(line, back) for line, back in zip(sold.lines, after, strict=True)),
    )


def cash_value(rules: Rules, units: int) -> int:
    """What points are worth at the till, in minor units, rounded down."""
    return units * rules.worth // rules.points if rules.points else 0


def _tenders(paid: Sequence[Paid], before: int, after: int) -> tuple[TenderBack, ...]:
    amounts = [each.amount for each in paid]
    steps = zip(paid, fill(amounts, before), fill(amounts, after), strict=True)
    return tuple(
        TenderBack(each, now - was, by_lot(each.lots, was, now)) for each, was, now in steps if now > was
    )
