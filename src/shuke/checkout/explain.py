"""A balance, a tier or the price of an order taken apart, as of any past instant: down to lots, lines, units and rule versions.

Everything is read from what is never edited: entries, orders, refunds, tier changes and programme versions. Nothing here
writes, and nothing trusts a running figure; so an explanation that does not add up would show a fault of the book.
The sentences that go with it are in `words`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.checkout.models import Order, OrderStatus, Refund
from shuke.checkout.queries import get_order
from shuke.checkout.repricing import Repriced, price_again
from shuke.core.errors import InvalidInput
from shuke.kit.money import allocate
from shuke.ledger.as_of import (
    AssetAt,
    Cut,
    Flow,
    LotAt,
    assets_at,
    entries_of_order,
    flows_at,
    moves_at,
)
from shuke.ledger.queries import EntryView
from shuke.loyalty.models import TierChange, TierGrant
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.tier_logic import review_window_start, window_start
from shuke.loyalty.tiers import MAIN, Level, Metric, Tiers

MOST_LOTS = 200
MOST_ORDERS = 200
UNIT_FIGURES = ("list_minor", "discount_minor", "points_minor", "payable_minor", "points_earned")
MOST_UNITS = 1000
"""Units of one line that are told apart; what is sold by weight or beyond this is told as a whole."""


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order as a cause. `number` and `store` are None where the asker may not look into that store."""

    id: UUID
    number: str | None
    store: str | None


@dataclass(frozen=True, slots=True)
class LotStory:
    """A lot, the entry that made it with the version of its rules, and everything that moved it until then."""

    lot: LotAt
    made_by: EntryView | None
    programme_version: int | None
    order: OrderRef | None
    moves: tuple[EntryView, ...]


@dataclass(frozen=True, slots=True)
class BalanceExplained:
    """Σ flows = balance = Σ lots − debt. `lots` holds those with something left; `lots_total` counts them all."""

    member_id: UUID
    cut: Cut
    at: AssetAt
    flows: tuple[Flow, ...]
    lots: tuple[LotStory, ...]
    lots_total: int
    debts: tuple[EntryView, ...]

    @property
    def adds_up(self) -> bool:
        """Do the movements give what the lots and the debt give?"""
        return sum(flow.amount for flow in self.flows) == self.at.balance


def explain_balance(
    *, member_id: UUID, asset: str, cut: Cut, store_ids: frozenset[UUID] | None = None
) -> BalanceExplained:
    """Where a balance came from. An asset that never moved has an empty explanation."""
    found = assets_at(member_id, cut, asset)
    at = found[0] if found else AssetAt(asset, 0, 0, ())
    held = [lot for lot in at.lots if lot.remaining]
    shown = held[:MOST_LOTS]
    moves = moves_at(member_id, asset, cut, [lot.id for lot in shown]) if found else []
    by_lot: dict[UUID | None, list[EntryView]] = {}
    for move in moves:
        by_lot.setdefault(move.lot_id, []).append(move)
    orders = _order_refs((lot.order_id for lot in shown), store_ids)
    numbers = _version_numbers(moves)
    stories = []
    for lot in shown:
        own = by_lot.get(lot.id, [])
        maker = next((move for move in own if move.amount > 0), None)
        stories.append(
            LotStory(
                lot,
                _told(maker, moves),
                numbers.get(maker.programme_version_id) if maker else None,
                orders.get(lot.order_id) if lot.order_id else None,
                tuple(own),
            )
        )
    return BalanceExplained(
        member_id,
        cut,
        at,
        tuple(flows_at(member_id, asset, cut)) if found else (),
        tuple(stories),
        len(held),
        tuple(by_lot.get(None, ())),
    )


def _told(maker: EntryView | None, moves: Sequence[EntryView]) -> EntryView | None:
    """The entry with its rules. Where an earning first settled a debt, the rules stand on the leg that settled it."""
    if maker is None or maker.explain:
        return maker
    return next(
        (m for m in moves if m.transfer_id == maker.transfer_id and m.lot_id is None and m.explain), maker
    )


def _order_refs(ids: Iterable[UUID | None], store_ids: frozenset[UUID] | None) -> dict[UUID, OrderRef]:
    rows = Order.objects.filter(id__in={order_id for order_id in ids if order_id}).values_list(
        "id", "number", "store_id", "store__code"
    )
    return {
        order_id: OrderRef(order_id, number, code)
        if store_ids is None or store_id in store_ids
        else OrderRef(order_id, None, None)
        for order_id, number, store_id, code in rows
    }


def _version_numbers(entries: Iterable[EntryView]) -> dict[UUID | None, int]:
    ids = {entry.programme_version_id for entry in entries if entry.programme_version_id}
    return {version_id: version_by_id(version_id).number for version_id in ids}


@dataclass(frozen=True, slots=True)
class CountedOrder:
    """An order in the window of a tier. `counted` is what is left of `qualifying` after refunds up to the instant."""

    order: OrderRef
    occurred_at: datetime
    qualifying: int
    counted: int


@dataclass(frozen=True, slots=True)
class TierExplained:
    """The tier held at an instant, the change that brought it, and the orders that counted towards it then.

    Orders of stores outside the asker's scope are only counted: `elsewhere` is how many, `elsewhere_total` how much.
    """

    member_id: UUID
    as_of: datetime
    tier: str
    since: datetime | None
    review_at: datetime | None
    cause: str
    metric: int | None
    order: OrderRef | None
    changed_under: int | None
    programme: Programme
    programme_version: int
    window_start: datetime
    total: int
    orders: tuple[CountedOrder, ...]
    orders_total: int
    elsewhere: int
    elsewhere_total: int
    metric_again: int | None
    track: Tiers
    """The track that is explained."""
    grant: TierGrant | None = None
    """What was given, or ended, by the change."""

    @property
    def level(self) -> Level:
        """The level held, as the programme of that instant knows it."""
        return self.track.level(self.tier)

    @property
    def next_level(self) -> Level | None:
        """The level above; None at the top."""
        return self.track.above(self.level)


def _held(change: TierChange, as_of: datetime) -> str:
    """The tier held after the last change before an instant. A sale that arrived late was recorded beneath the level that a
    grant had brought meanwhile; before that grant the member held what the sale brought."""
    if change.cause != "qualified":
        return change.to_tier
    after = TierGrant.objects.filter(
        member_id=change.member_id,
        track=change.track,
        tier=change.to_tier,
        id__lt=change.id,
        granted_at__gt=as_of,
    )
    tiers = version_by_id(change.programme_version_id).programme.track(change.track)
    return tiers.reached(change.metric).code if tiers and after.exists() else change.to_tier


def explain_tier(
    *,
    member_id: UUID,
    as_of: datetime,
    joined_at: datetime,
    store_ids: frozenset[UUID] | None = None,
    track: str = MAIN,
) -> TierExplained | None:
    """Why a member held a tier of a track. None before the first programme began, or when it has no such track."""
    in_force = programme_at(as_of)
    tiers = in_force.programme.track(track) if in_force else None
    if in_force is None or tiers is None:
        return None
    programme = in_force.programme
    change = (
        TierChange.objects.filter(member_id=member_id, track=track, occurred_at__lte=as_of)
        .select_related("programme_version")
        .only(
            "from_tier",
            "to_tier",
            "occurred_at",
            "cause",
            "metric",
            "review_at",
            "order_id",
            "programme_version__number",
            "member_id",
            "track",
            "grant_id",
        )
        .order_by("-occurred_at", "-id")
        .first()
    )
    start = window_start(tiers, as_of, joined_at)
    rows = _counted(member_id, start, as_of, tiers.metric)
    again = None
    if (
        change is not None
        and change.cause in ("qualified", "lapsed", "renewed", "programme")
        and not change.grant_id
    ):
        again = _metric_again(member_id, change, joined_at)
    since = _since(member_id, change, as_of)
    refs = _order_refs(
        [*(row[0] for row in rows), *([change.order_id] if change and change.order_id else [])], store_ids
    )
    seen = [row for row in rows if row[0] in refs and refs[row[0]].number is not None]
    hidden = [row for row in rows if row[0] in refs and refs[row[0]].number is None]
    return TierExplained(
        member_id=member_id,
        as_of=as_of,
        tier=_held(change, as_of) if change else tiers.levels[0].code,
        since=since or joined_at,
        review_at=change.review_at if change else None,
        cause=change.cause if change else "joined",
        metric=change.metric if change else None,
        order=refs.get(change.order_id) if change and change.order_id else None,
        changed_under=change.programme_version.number if change else None,
        programme=programme,
        programme_version=in_force.number,
        window_start=start,
        total=sum(counted for *_rest, counted in rows),
        orders=tuple(
            CountedOrder(refs[order_id], at, qualifying, counted)
            for order_id, at, qualifying, counted in seen[:MOST_ORDERS]
        ),
        orders_total=len(seen),
        elsewhere=len(hidden),
        elsewhere_total=sum(counted for *_rest, counted in hidden),
        metric_again=again,
        track=tiers,
        grant=TierGrant.objects.filter(id=change.grant_id).first() if change and change.grant_id else None,
    )


def _since(member_id: UUID, change: TierChange | None, as_of: datetime) -> datetime | None:
    """When the tier was reached: a renewal prolongs a tier, it does not begin one."""
    if change is None or change.from_tier != change.to_tier:
        return change.occurred_at if change else None
    begun = (
        TierChange.objects.filter(member_id=member_id, track=change.track, occurred_at__lte=as_of)
        .exclude(from_tier=change.to_tier, to_tier=change.to_tier)
        .order_by("-occurred_at", "-id")
        .values_list("occurred_at", flat=True)
        .first()
    )
    return begun or None


_GAINED = {"spend": "qualifying_minor", "growth": "growth_earned", "points": "points_earned"}
_LOST = {"spend": "qualifying_minor", "growth": "growth_clawed_back", "points": "points_clawed_back"}
_ALL_LOST = {"growth": "refunded_growth", "points": "refunded_points"}


def _counted(
    member_id: UUID, start: datetime, end: datetime, metric: Metric
) -> list[tuple[UUID, datetime, int, int]]:
    """(order, when, qualifying, what is left of it at `end`), newest first. A refund counts from when it happened."""
    if metric == "none":
        return []
    orders = Order.objects.filter(member_id=member_id, occurred_at__gte=start, occurred_at__lte=end)
    shown = orders.order_by("-occurred_at", "-id")
    refunds = Refund.objects.filter(order__in=orders)
    if metric == "orders":
        still = set(refunds.filter(occurred_at__gt=end).values_list("order_id", flat=True))
        return [
            (order_id, at, 1, 1 if status == OrderStatus.COMMITTED or order_id in still else 0)
            for order_id, at, status in shown.values_list("id", "occurred_at", "status")
        ]
    gained = _GAINED[metric]
    rows = list(shown.values_list("id", "occurred_at", gained, _ALL_LOST.get(metric, gained)))
    back: dict[UUID, int] = {}
    later: set[UUID] = set()
    for order_id, at, amount in refunds.values_list("order_id", "occurred_at", _LOST[metric]):
        if at <= end:
            back[order_id] = back.get(order_id, 0) + amount
        else:
            later.add(order_id)
    if metric in _ALL_LOST:
        # What a policy let the member keep counts no longer either; only the order's own row tells how much.
        back = {row[0]: back.get(row[0], 0) if row[0] in later else row[3] for row in rows}
    return [(order_id, at, amount, amount - back.get(order_id, 0)) for order_id, at, amount, _all in rows]


def _metric_again(member_id: UUID, change: TierChange, joined_at: datetime) -> int | None:
    """The figure that decided, added up anew from the orders, under the version that decided."""
    tiers = version_by_id(change.programme_version_id).programme.track(change.track)
    if tiers is None:
        return None
    at, is_review = change.occurred_at, change.cause in ("lapsed", "renewed") and change.order_id is None
    start = (review_window_start if is_review else window_start)(tiers, at, joined_at)
    return sum(counted for *_rest, counted in _counted(member_id, start, at, tiers.metric))


@dataclass(frozen=True, slots=True)
class Units:
    """Units of a line that share the same figures: `count` of them, the amounts of each one."""

    count: int
    list_minor: int
    discount_minor: int
    points_minor: int
    payable_minor: int
    points_earned: int


@dataclass(frozen=True, slots=True)
class LineExplained:
    """A line as sold with what each of its units cost; `units` is empty for what is not sold by the piece."""

    line: Mapping[str, Any]
    units: tuple[Units, ...]


@dataclass(frozen=True, slots=True)
class Earning:
    """What an order gave of one asset: the share of each rule and of each line; both sum to `total`."""

    asset: str
    total: int
    rules: tuple[Mapping[str, Any], ...]
    by_line: tuple[int, ...]
    entry: EntryView


@dataclass(frozen=True, slots=True)
class OrderExplained:
    """An order as of an instant. `order` is what `queries.get_order` answers, with refunds up to then only."""

    order: Mapping[str, Any]
    as_of: datetime
    lines: tuple[LineExplained, ...]
    earnings: tuple[Earning, ...]
    entries: tuple[EntryView, ...]
    lots: Mapping[UUID, LotAt]
    tier_changes: tuple[TierChange, ...]
    store_name: str
    repriced: Repriced
    """The price made again by the version that made it."""

    @property
    def adds_up(self) -> bool:
        """Are header, lines, units, rules and entries of the ledger the same figures, each told another way?"""
        lines = all(
            sum(each.line[figure] for each in self.lines) == self.order[figure]
            for figure in ("list_minor", "discount_minor", "points_minor", "points_earned", "growth_earned")
        )
        units = all(
            not each.units
            or sum(unit.count * getattr(unit, figure) for unit in each.units) == each.line[figure]
            for each in self.lines
            for figure in UNIT_FIGURES
        )
        discounts = all(
            sum(detail["minor"] for detail in each.line["discounts"]) == each.line["discount_minor"]
            for each in self.lines
        )
        told = {earning.asset: earning for earning in self.earnings}
        rules = all(
            not earning.rules
            or sum(rule["points"] for rule in earning.rules) == earning.total == sum(earning.by_line)
            for earning in self.earnings
        )
        earned = all(
            (told[asset].total if asset in told else 0) == self.order[figure]
            for asset, figure in (("points", "points_earned"), ("growth", "growth_earned"))
        )
        used = -sum(entry.amount for entry in self.entries if entry.kind == "redeem")
        return lines and units and discounts and rules and earned and used == self.order["points_used"]


def explain_order(
    *, order_id: UUID, as_of: datetime, store_ids: frozenset[UUID] | None = None
) -> OrderExplained:
    """Why an order cost and gave what it did, and what has become of its points by then.

    Raises OrderNotFound, also outside `store_ids`, and InvalidInput for an instant before the sale.
    """
    order = get_order(order_id=order_id, store_ids=store_ids)
    if as_of < order["occurred_at"]:
        raise InvalidInput(field="as_of", reason=_("The order was made after this instant."))
    entries = [entry for entry in entries_of_order(order_id) if entry.occurred_at <= as_of]
    touched = {entry.lot_id for entry in entries if entry.lot_id}
    lots = {}
    if order["member_id"] and touched:
        for at in assets_at(order["member_id"], Cut(as_of)):
            lots.update({lot.id: lot for lot in at.lots if lot.id in touched})
    return OrderExplained(
        order=_up_to(order, as_of),
        as_of=as_of,
        lines=tuple(LineExplained(line, _units(line)) for line in order["lines"]),
        earnings=tuple(_earnings(entries)),
        entries=tuple(entries),
        lots=lots,
        tier_changes=tuple(
            TierChange.objects.filter(
                member_id=order["member_id"], order_id=order_id, occurred_at__lte=as_of
            ).order_by("occurred_at", "id")
        )
        if order["member_id"]
        else (),
        store_name=Store.objects.filter(code=order["store"]).values_list("name", flat=True).first()
        or order["store"],
        repriced=price_again(order_id),
    )


def _up_to(order: dict[str, Any], as_of: datetime) -> dict[str, Any]:
    """The order without the refunds that came later."""
    known = [refund for refund in order["refunds"] if refund["occurred_at"] <= as_of]
    if len(known) == len(order["refunds"]):
        return order
    back = sum(refund["sales_minor"] for refund in known)
    return {
        **order,
        "refunds": known,
        "refund": None,
        "refunded_sales_minor": back,
        "status": OrderStatus.COMMITTED.value,
    }


def _earnings(entries: Iterable[EntryView]) -> Iterable[Earning]:
    """The earning entries by asset. The rules stand once per asset, on the first leg."""
    earned: dict[str, list[EntryView]] = {}
    for entry in entries:
        if entry.kind == "earn":
            earned.setdefault(entry.asset, []).append(entry)
    for asset, legs in earned.items():
        told = next((leg for leg in legs if leg.explain), legs[0])
        explain = told.explain or {}
        yield Earning(
            asset,
            sum(leg.amount for leg in legs),
            tuple(explain.get("rules", ())),
            tuple(explain.get("lines", ())),
            told,
        )


def _units(line: Mapping[str, Any]) -> tuple[Units, ...]:
    """The line's figures spread over its units; like neighbours are told together."""
    quantity = Decimal(line["quantity"])
    if quantity != quantity.to_integral_value() or not 1 <= quantity <= MOST_UNITS:
        return ()
    even = [1] * int(quantity)
    each = zip(
        *(allocate(line[figure], even) for figure in UNIT_FIGURES),
        strict=True,
    )
    groups: list[tuple[tuple[int, ...], int]] = []
    for figures in each:
        if groups and groups[-1][0] == figures:
            groups[-1] = (figures, groups[-1][1] + 1)
        else:
            groups.append((figures, 1))
    return tuple(Units(count, *figures) for figures, count in groups)
