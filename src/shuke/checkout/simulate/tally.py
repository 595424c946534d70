"""What a simulation counts: figures of each side, and of the members between the two. Whole numbers only.

Everything is a sum or a list that is kept sorted by its content, so that the result does not depend on the order in which
members were replayed nor on how many processes did it, and can be written down half-way and taken up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shuke.checkout.logic import Priced
from shuke.checkout.refunds.logic import Plan, Returned, Rules, SoldLine
from shuke.checkout.simulate.values import Sale
from shuke.kit.clock import local_date
from shuke.loyalty.earning import Budget, Earned
from shuke.loyalty.programme import Programme
from shuke.loyalty.tier_logic import TierMove, window_start
from shuke.loyalty.tiers import MAIN, Tiers

TOP = 20
"""How many winners and losers are listed."""
STEPS_MINOR = (1, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
"""Lower bounds of the classes in which members win or lose, in minor units."""
FIGURES = (
    "orders", "sales_minor", "discount_minor", "points_earned", "points_used", "points_minor", "payable_minor",
    "refunded_sales_minor", "points_taken_back", "points_returned", "points_accrued", "points_expired", "points_moved",
    "points_open", "debt", "costed_minor", "margin_minor", "coupon_orders", "coupons_minor",
)  # fmt: skip
BETWEEN_FIGURES = (
    "members", "better", "worse", "gained_minor", "lost_minor", "plan_holders", "grant_holders",
)  # fmt: skip
PLACE_FIGURES = ("orders", "sales_minor", "discount_minor", "points_earned", "points_minor", "margin_minor")


@dataclass(slots=True)
class Budgets:
    """What all members together have drawn on the budgets, by period; shared by the whole run of one side."""

    drawn: dict[tuple[str, date], int] = field(default_factory=dict)

    def left(self, budget: Budget, day: date) -> int:
        """Units left in the period that holds the day."""
        return budget.limit - self.drawn.get((budget.id, budget.period_of(day)), 0)

    def draw(self, budget: Budget, day: date, units: int) -> None:
        """Take units, or (negative) give them back."""
        key = (budget.id, budget.period_of(day))
        self.drawn[key] = self.drawn.get(key, 0) + units


class Side:
    """One programme of the two, with all that was counted under it."""

    def __init__(self, programme: Programme, budgets: Budgets) -> None:
        self.programme = programme
        self.budgets = budgets
        self.tracks = (programme.tiers, *programme.tracks.values())
        self.metrics = tuple(dict.fromkeys(tiers.metric for tiers in self.tracks if not tiers.by_hand))
        policies, worth = programme.policies, programme.redemption
        self.may_spend_own = worth is not None and policies.spend_own_points
        self.spending_others = replace(programme, policies=replace(policies, spend_own_points=False))
        """For sales that spend no points: how many they could spend need not be found out."""
        self.needs_tenders = needs_tenders(programme)
        self.rules = Rules(
            return_spent=policies.return_spent_points,
            claw_back=policies.claw_back_earned,
            shortfall=policies.refund_shortfall,
            points=worth.points if worth else 0,
            worth=worth.worth if worth else 0,
        )
        self._starts: dict[tuple[str, date, date | None], datetime] = {}
        self._lots = 0
        self._clear()

    def _clear(self) -> None:
        self.points_expired = self.points_moved = 0
        self._figures: dict[str, int] = dict.fromkeys(FIGURES, 0)
        self._by_rule: dict[str, dict[str, int]] = {}
        self._discounts: dict[str, int] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._moves: dict[str, int] = {}
        self._tiers: dict[str, int] = {}
        self._tracks: dict[str, dict[str, dict[str, int]]] = {
            code: {"moves": {}, "tiers": {}} for code in self.programme.tracks
        }
        self._unplayed: dict[str, int] = {}

    def next_lot(self) -> UUID:
        """An id for a lot of this run: in the order of making."""
        self._lots += 1
        return UUID(int=self._lots)

    def window_start(self, tiers: Tiers, at: datetime, joined: datetime) -> datetime:
        """The first instant that counts for a track at `at`: one calendar calculation per day."""
        zone = tiers.zone
        by_joining = tiers.window == "anniversary"
        key = (tiers.code, local_date(at, zone), local_date(joined, zone) if by_joining else None)
        found = self._starts.get(key)
        if found is None:
            found = self._starts[key] = window_start(tiers, at, joined)
        return found

    def cash(self, points: int) -> int:
        """What points are worth at the till, in minor units, rounded down."""
        worth = self.programme.redemption
        return points * worth.worth // worth.points if worth else 0

    def count_sale(self, sale: Sale, priced: Priced, day: date) -> list[int]:
        """Count a sale; returns what the programme takes off each line."""
        place = self._place(sale.store, day)
        discounts, margin, costed = [], 0, 0
        for line, out in zip(sale.lines, priced.lines, strict=True):
            off = 0
            for each in out.detail or ():
                if each["kind"] != "given":
                    off += each["minor"]
                    code = f"{each['kind']}:{each['code']}"
                    self._discounts[code] = self._discounts.get(code, 0) + each["minor"]
            discounts.append(off)
            if line.cost is not None:
                received = out.payable_minor - (out.tax.tax_minor if out.tax else 0)
                costed += received
                margin += received - _goods(line.cost, line.cart.quantity)
        earned = priced.earned_of("points")
        figures = self._figures
        for into in (figures, place):
            into["orders"] += 1
            into["sales_minor"] += priced.sales_minor
            into["discount_minor"] += sum(discounts)
            into["points_earned"] += earned
            into["points_minor"] += priced.points_minor
            into["margin_minor"] += margin
        figures["coupon_orders"] += bool(sale.coupons_minor)
        figures["coupons_minor"] += sale.coupons_minor
        figures["points_used"] += priced.points_used
        figures["payable_minor"] += priced.payable_minor
        figures["costed_minor"] += costed
        self._count_parts(priced.earned)
        return discounts

    def count_earned(self, earned: Sequence[Earned]) -> None:
        """Count what something other than a sale brought."""
        self._figures["points_accrued"] += sum(each.total for each in earned if each.asset == "points")
        self._count_parts(earned)

    def count_refund(
        self,
        sale: Sale,
        lines: Sequence[SoldLine],
        discounts: Sequence[int],
        before: Sequence[Returned],
        plan: Plan,
        day: date,
    ) -> int:
        """Count a refund; returns how much of the programme's discounts the returned part had. It is told in the month of
        its sale."""
        place, figures = self._place(sale.store, day), self._figures
        off = margin = costed = 0
        states = zip(sale.lines, lines, discounts, before, plan.after, plan.lines, strict=True)
        for line, sold, discount, was, now, part in states:
            off += _share(discount, sold, now) - _share(discount, sold, was)
            if line.cost is not None:
                received = part.payable - part.tax
                costed += received
                margin += received - _goods(line.cost, now.quantity - was.quantity)
        points = plan.movement("points")
        for into in (figures, place):
            into["margin_minor"] -= margin
        figures["costed_minor"] -= costed
        figures["refunded_sales_minor"] += plan.part.sales
        figures["points_taken_back"] += points.clawed if points else 0
        figures["points_returned"] += sum(points.returned.values()) if points else 0
        return off

    def count_move(self, track: str, move: TierMove) -> None:
        """Count a change of tier; a renewal is none."""
        if move.before != move.after.tier:
            key = f"{move.before}>{move.after.tier}"
            moves = self._tracks[track]["moves"] if track else self._moves
            moves[key] = moves.get(key, 0) + 1

    def count_member(self, levels: Mapping[str, str], points: int, debt: int) -> None:
        """Count a member at the end of the period: the level held on each track, points and what is owed."""
        for track, code in levels.items():
            tiers = self._tracks[track]["tiers"] if track else self._tiers
            tiers[code] = tiers.get(code, 0) + 1
        self._figures["points_open"] += points
        self._figures["debt"] += debt

    def unplayed(self, what: str) -> None:
        """Count an event that could not be replayed under this programme."""
        self._unplayed[what] = self._unplayed.get(what, 0) + 1

    def dump(self) -> dict[str, Any]:
        """All that was counted, as JSON of its own."""
        return deepcopy(self._counted())

    def take(self) -> dict[str, Any]:
        """All that was counted since the last time; counting begins anew."""
        found = self._counted()
        self._clear()
        return found

    def _counted(self) -> dict[str, Any]:
        return {
            "figures": {
                **self._figures,
                "points_expired": self.points_expired,
                "points_moved": self.points_moved,
            },
            "by_rule": self._by_rule,
            "discounts": self._discounts,
            "places": self._places,
            "moves": self._moves,
            "tiers": self._tiers,
            "tracks": self._tracks,
            "unplayed": self._unplayed,
        }

    def add(self, kept: Mapping[str, Any]) -> None:
        """Count what `dump` or `take` gave, here or in another process."""
        figures = dict(kept["figures"])
        self.points_expired += figures.pop("points_expired")
        self.points_moved += figures.pop("points_moved")
        _add(self._figures, figures)
        _add(self._discounts, kept["discounts"])
        _add(self._moves, kept["moves"])
        _add(self._tiers, kept["tiers"])
        _add(self._unplayed, kept["unplayed"])
        for track, counted in kept.get("tracks", {}).items():
            for name, amounts in counted.items():
                _add(self._tracks[track][name], amounts)
        for asset, rules in kept["by_rule"].items():
            _add(self._by_rule.setdefault(asset, {}), rules)
        for place, counted in kept["places"].items():
            _add(self._places.setdefault(place, dict.fromkeys(PLACE_FIGURES, 0)), counted)

    def _place(self, store: str, day: date) -> dict[str, int]:
        key = f"{day:%Y-%m}|{store}"
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = dict.fromkeys(PLACE_FIGURES, 0)
        return place

    def _count_parts(self, earned: Iterable[Earned]) -> None:
        for each in earned:
            rules = self._by_rule.setdefault(each.asset, {})
            for part in each.parts:
                rules[part["id"]] = rules.get(part["id"], 0) + part["points"]


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for key, amount in more.items():
        into[key] = into.get(key, 0) + amount


def needs_tenders(programme: Programme) -> bool:
    """True when how a sale was paid decides what it earns."""
    stored, cards = programme.stored_value, programme.gift_cards
    silent = (stored is not None and not stored.earns) or (cards is not None and not cards.earns)
    return silent or programme.needs.tenders


def _goods(cost: int, quantity: int) -> int:
    return cost * quantity // 1000


def _share(discount: int, line: SoldLine, back: Returned) -> int:
    """What of a line's discount is back with what is back of the line."""
    done, whole = (back.sales, line.sales) if line.sales else (back.quantity, line.quantity)
    return discount * done // whole


@dataclass(slots=True)
class Between:
    """What the draft changes for members, against the programme that stands."""

    members: int = 0
    better: int = 0
    worse: int = 0
    gained_minor: int = 0
    lost_minor: int = 0
    plan_holders: int = 0
    """Who held a paid plan at some time of the period."""
    grant_holders: int = 0
    """Who held a level at some time of it that was given, not earned."""
    classes: dict[str, int] = field(default_factory=dict)
    tiers: dict[str, int] = field(default_factory=dict)
    tracks: dict[str, dict[str, int]] = field(default_factory=dict)
    """The same for each further track; who stands on a track that one programme does not have stands on none there."""
    winners: list[list[Any]] = field(default_factory=list)
    losers: list[list[Any]] = field(default_factory=list)

    def count(
        self,
        *,
        difference: int,
        levels: Mapping[str, str],
        draft_levels: Mapping[str, str],
        orders: int,
        sales_minor: int,
        has_plan: bool,
        had_given: bool,
    ) -> None:
        """Count one member. `difference` in minor units: what the draft gives more (+) or less (−). Levels are by track."""
        self.members += 1
        self.plan_holders += has_plan
        self.grant_holders += had_given
        for track in {**levels, **draft_levels}:
            key = f"{levels.get(track, '')}>{draft_levels.get(track, '')}"
            tiers = self.tracks.setdefault(track, {}) if track else self.tiers
            tiers[key] = tiers.get(key, 0) + 1
        tier, draft_tier = levels[MAIN], draft_levels[MAIN]
        if difference > 0:
            self.better += 1
            self.gained_minor += difference
        elif difference < 0:
            self.worse += 1
            self.lost_minor -= difference
        step = max((each for each in STEPS_MINOR if each <= abs(difference)), default=0)
        named = str(step if difference > 0 else -step)
        self.classes[named] = self.classes.get(named, 0) + 1
        if difference:
            # Nothing here says who it is: only what was bought and what changes.
            self._list(
                self.winners if difference > 0 else self.losers,
                [abs(difference), sales_minor, orders, tier, draft_tier],
            )

    @staticmethod
    def _list(top: list[list[Any]], entry: list[Any]) -> None:
        if len(top) < TOP or entry > top[-1]:
            top.append(entry)
            top.sort(reverse=True)
            del top[TOP:]

    def dump(self) -> dict[str, Any]:
        """All that was counted, as JSON of its own."""
        return deepcopy({name: getattr(self, name) for name in self.__slots__})

    def add(self, kept: Mapping[str, Any]) -> None:
        """Count what `dump` gave, here or in another process."""
        for name in BETWEEN_FIGURES:
            # A run that an older release began lacks the figures that came later.
            setattr(self, name, getattr(self, name) + kept.get(name, 0))
        _add(self.classes, kept["classes"])
        _add(self.tiers, kept["tiers"])
        for track, tiers in kept.get("tracks", {}).items():
            _add(self.tracks.setdefault(track, {}), tiers)
        for entry in kept["winners"]:
            self._list(self.winners, entry)
        for entry in kept["losers"]:
            self._list(self.losers, entry)
