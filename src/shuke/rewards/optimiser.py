"""The best legal combination of coupons: what gives most; of equal ones with free shipping, then with the fewest coupons.

Coupons are taken off in a fixed order, so a combination is a yes or no for each, decided from the first to the last. The
search goes through these decisions and leaves out what cannot beat the best one known: what a coupon gives in any company
has a ceiling, of coupons of one group at most one counts, and nobody gets more than what is left to pay. Before it, a quick
look takes whatever stands in nobody's way and decides only where coupons exclude each other.

Both stop after a fixed number of steps, so that a cart full of coupons cannot hold up a till. `is_proven` says whether the
search came to its end; few carts do not let it (docs/concepts/coupons.md). The answer never depends on the clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from shuke.rewards.logic import Case, Ready, apply, go_together, most_of, step
from shuke.rewards.offers import WHOLE, Shelf, after

MAX_CANDIDATES = 40
"""Of more the ones that give most alone are looked at."""
QUICK_STEPS = 100
MAX_STEPS = 200
"""How many times a coupon is taken off a cart in the search, at most."""

Score = tuple[int, int, int]
"""(minor units, ships free, minus the number of coupons): the greater the better."""


@dataclass(frozen=True, slots=True)
class Best:
    """The combination in the order of use. `is_proven`: every other one was ruled out."""

    coupons: tuple[Ready, ...]
    minor: int
    ships_free: bool
    is_proven: bool


def best_combination(case: Case) -> Best:
    """The best of what is ready. The same case always has the same answer."""
    ready = case.ready
    if len(ready) > MAX_CANDIDATES:
        strongest = sorted(range(len(ready)), key=lambda i: (-ready[i].alone.minor, i))[:MAX_CANDIDATES]
        ready = tuple(ready[i] for i in sorted(strongest))
    quick = _Search(case, ready, QUICK_STEPS, skips_harmless=True)
    quick.run()
    full = _Search(case, ready, MAX_STEPS, known=quick.best)
    full.run()
    chosen = full.chosen if full.chosen is not None else quick.chosen or ()
    applied = apply(case, [ready[i] for i in chosen])
    if full.is_cut and 0 in applied.left:
        # Something has become free altogether: perhaps with fewer coupons.
        chosen = _without_idle(case, ready, chosen)
        applied = apply(case, [ready[i] for i in chosen])
    coupons = tuple(ready[i] for i in chosen)
    return Best(coupons, applied.minor, applied.ships_free, not full.is_cut and len(ready) == len(case.ready))


def _without_idle(case: Case, ready: tuple[Ready, ...], chosen: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out, from the last to the first, what the others make up for."""
    best = _score(case, ready, chosen)
    for each in reversed(chosen):
        fewer = tuple(i for i in chosen if i != each)
        score = _score(case, ready, fewer)
        if score > best:
            chosen, best = fewer, score
    return chosen


def _score(case: Case, ready: tuple[Ready, ...], chosen: tuple[int, ...]) -> Score:
    applied = apply(case, [ready[i] for i in chosen])
    return applied.minor, int(applied.ships_free), -len(chosen)


class _Search:
    """Depth first over the decisions, the yes before the no."""

    def __init__(
        self,
        case: Case,
        ready: tuple[Ready, ...],
        steps: int,
        *,
        known: Score = (0, 0, 0),
        skips_harmless: bool = False,
    ) -> None:
        self.case = case
        self.ready = ready
        self.steps = steps
        self.best = known
        self.chosen: tuple[int, ...] | None = None
        self.is_cut = False
        self.skips_harmless = skips_harmless
        count = len(ready)
        self.friends = [
            sum(1 << j for j in range(count) if j != i and go_together(ready[i].template, ready[j].template))
            for i in range(count)
        ]
        self.most = [most_of(each) for each in ready]
        scopes = [tuple(sorted({*each.about, *each.got})) for each in ready]
        self.scopes = list(dict.fromkeys(scopes))
        # What a bound looks at, for each coupon: its scope, ceiling, percentage or 0, group, whether it ships free.
        self.bounds = [
            (
                self.scopes.index(scope),
                each.most,
                each.template.percent if each.template.type == "percent_off" else 0,
                each.template.stacking.group if most_of(each) == 1 else "",
                each.is_shipping,
            )
            for each, scope in zip(ready, scopes, strict=True)
        ]
        self.codes = [each.template.code for each in ready]

    def run(self) -> None:
        self._visit(0, (1 << len(self.ready)) - 1, self.case.sold.shelf(), (), 0, False, {})

    def _visit(
        self,
        at: int,
        open_: int,
        shelf: Shelf,
        chosen: tuple[int, ...],
        minor: int,
        ships: bool,
        given: dict[str, tuple[int, int]],
    ) -> None:
        """`open_`: bits of the coupons that go with all `chosen`; `given`: uses and money by template."""
        while at < len(self.ready) and not open_ >> at & 1:
            at += 1
        if at == len(self.ready):
            score = (minor, int(ships), -len(chosen))
            if score > self.best or (self.chosen is None and score == self.best):
                self.best, self.chosen = score, chosen
            return
        if not self._may_win(at, open_, shelf, len(chosen), minor, ships):
            return
        each, code = self.ready[at], self.codes[at]
        uses, money = given.get(code, (0, 0))
        rest = open_ & ~(1 << at)
        harmless = False
        if uses < self.most[at]:
            if not self.steps:
                self.is_cut = True
                return
            self.steps -= 1
            taken = step(self.case, each, shelf)
            room = each.candidate.room.minor
            adds = taken.minor or (each.is_shipping and not ships)
            if adds and (room is None or money + taken.minor <= room):
                harmless = rest >> at + 1 & ~(self.friends[at] >> at + 1) == 0
                self._visit(
                    at + 1,
                    rest & self.friends[at],
                    after(shelf, taken),
                    (*chosen, at),
                    minor + taken.minor,
                    ships or each.is_shipping,
                    {**given, code: (uses + 1, money + taken.minor)},
                )
        if not (harmless and self.skips_harmless):
            self._visit(at + 1, rest, shelf, chosen, minor, ships, given)

    def _may_win(self, at: int, open_: int, shelf: Shelf, count: int, minor: int, ships: bool) -> bool:
        """False when even the most that the open coupons could add does not beat the best one known."""
        alone = 0
        groups: dict[str, int] = {}
        may_ship = ships
        left, scopes, bounds = shelf.left, self.scopes, self.bounds
        worth: list[int | None] = [None] * len(scopes)
        for i in range(at, len(bounds)):
            if not open_ >> i & 1:
                continue
            scope, gives, percent, group, is_shipping = bounds[i]
            may_ship = may_ship or is_shipping
            rest = worth[scope]
            if rest is None:
                rest = worth[scope] = sum([left[line] for line in scopes[scope]])
            if percent:
                rest = (2 * rest * percent + WHOLE) // (2 * WHOLE)  # rounded half up, as the coupon does
            if rest < gives:
                gives = rest
            if not group:
                alone += gives
            elif gives > groups.get(group, 0):
                groups[group] = gives
        most = min(alone + sum(groups.values()), sum(left))
        bound = (minor + most, int(may_ship), -count)
        return bound > self.best or (self.chosen is None and bound == self.best)
