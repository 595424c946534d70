"""Coupons in the price of a sale: those that were named, or the best of all that could be used. Pure.

What a single coupon gives, which go together and which are best is known to `rewards.logic` and `rewards.optimiser`; here is
what a sale asks of them, and what it gets back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shuke.rewards.logic import Used, apply, prepare
from shuke.rewards.optimiser import best_combination
from shuke.rewards.values import Candidate, Line, Occasion, Reason

MAX_COUPONS = 40
"""Coupons that one sale can name."""


@dataclass(frozen=True, slots=True)
class CouponsTaken:
    """What coupons take off a sale. `left`: what the lines cost after them. `refused`: why a candidate does not count.

    `adds`: what each further one would take off besides, where that was asked. `is_proven`: no better combination exists.
    """

    used: tuple[Used, ...]
    left: tuple[int, ...]
    refused: Mapping[str, Reason]
    adds: Mapping[str, int]
    is_proven: bool = True

    @property
    def minor(self) -> int:
        return sum(each.minor for each in self.used)

    @property
    def ships_free(self) -> bool:
        return any(each.candidate.template.type == "free_shipping" for each in self.used)


@dataclass(frozen=True, slots=True)
class Coupons:
    """The coupons of a sale. `named` are to be used, in this order of preference; with `best`, the best of all candidates.

    `tells_all`: also tell what each one that is not used would add. A sale that may spend its own points is priced several
    times over; the same goods at the same prices get the same answer, so it is kept.
    """

    candidates: tuple[Candidate, ...]
    named: tuple[str, ...] = ()
    best: bool = False
    tells_all: bool = False
    _kept: dict[tuple[int, ...], CouponsTaken] = field(
        default_factory=dict, repr=False, compare=False, hash=False
    )

    def take(
        self, lines: Sequence[Line], amounts: Sequence[int], occasion: Occasion, *, settled: bool
    ) -> CouponsTaken:
        """What comes off these lines, which cost `amounts` before coupons. Nothing where the till has fixed the prices."""
        key = tuple(amounts)
        if key not in self._kept:
            self._kept[key] = self._fixed(key) if settled else self._take(lines, key, occasion)
        return self._kept[key]

    def _fixed(self, amounts: tuple[int, ...]) -> CouponsTaken:
        refused = {each.id: Reason("prices_fixed") for each in self.candidates}
        return CouponsTaken((), amounts, refused, {})

    def _take(self, lines: Sequence[Line], amounts: tuple[int, ...], occasion: Occasion) -> CouponsTaken:
        case = prepare(self.candidates, lines, amounts, occasion)
        is_proven = True
        if self.best:
            found = best_combination(case)
            chosen, is_proven = list(found.coupons), found.is_proven
        else:
            ready = {each.candidate.id: each for each in case.ready}
            chosen = [ready[name] for name in self.named if name in ready]
        applied = apply(case, chosen)
        refused, adds = {**case.refused, **applied.refused}, dict[str, int]()
        if self.tells_all:
            for each in case.ready:
                if each in chosen:
                    continue
                more = apply(case, [*chosen, each])
                own = more.refused.get(each.candidate.id)
                gain = more.minor - applied.minor
                if own is not None:
                    refused[each.candidate.id] = own
                elif gain > 0 or (each.is_shipping and not applied.ships_free):
                    adds[each.candidate.id] = gain
                else:
                    refused[each.candidate.id] = Reason("nothing_left")
        return CouponsTaken(applied.used, applied.left, refused, adds, is_proven)
