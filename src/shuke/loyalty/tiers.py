"""The compiled tiers of a programme: the main track and the further ones, with their levels, metric, terms and limits.

Every member stands on each track. The main track is the section `tiers`; the list `tracks` holds further ones, each with its
own levels and its own standing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shuke.kit.money import to_minor
from shuke.loyalty.benefits import NO_BENEFIT, Benefit, Counts, Held, compile_benefit

Downgrade = Literal["one_level", "to_qualified", "never", "at_once"]
Metric = Literal["spend", "growth", "orders", "points", "none"]
Window = Literal["rolling", "calendar_year", "anniversary"]
OnChange = Literal["upgrade", "keep", "reassess"]

MAIN = ""
"""The code of the main track."""
NEVER_REACHED = 2**62
"""Threshold of a level that no purchase reaches, on a track that is set by hand."""


@dataclass(frozen=True, slots=True)
class Level:
    """One tier. `threshold` in minor units (spend) or plain units; `rank` 0 is where everyone starts."""

    code: str
    rank: int
    threshold: int
    discount: int
    multiplier: int
    benefit: Benefit = NO_BENEFIT
    """All that the level brings; discount and multiplier stand in it, too."""


@dataclass(frozen=True, slots=True)
class OverrideLimit:
    """What a role may set by hand: up to the level of this rank (None: any), for so many days (None: without end)."""

    rank: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Tiers:
    """One track. `code` is "" for the main one; `counts_*` say how a further track's benefits join those of the main one."""

    metric: Metric
    window_months: int
    valid_months: int
    grace_days: int
    downgrade: Downgrade
    levels: tuple[Level, ...]
    by_code: Mapping[str, Level]
    zone: ZoneInfo
    window: Window = "rolling"
    code: str = MAIN
    on_change: OnChange = "keep"
    warn_days: tuple[int, ...] = ()
    overrides: Mapping[str, OverrideLimit] = field(default_factory=dict)
    discount_counts: Counts = "ignore"
    multiplier_counts: Counts = "ignore"

    def level(self, code: str) -> Level:
        """The level of that code; a code that the programme no longer knows counts as the lowest."""
        return self.by_code.get(code) or self.levels[0]

    def reached(self, total: int) -> Level:
        """The highest level whose threshold the total meets."""
        best = self.levels[0]
        for level in self.levels:
            if total >= level.threshold:
                best = level
        return best

    def above(self, level: Level) -> Level | None:
        """The next level up; None at the top."""
        return self.levels[level.rank + 1] if level.rank + 1 < len(self.levels) else None

    def held(self, code: str) -> Held:
        """The level of that code with what it brings."""
        level = self.level(code)
        return Held("tier", level.code, level.benefit, self.discount_counts, self.multiplier_counts)

    @property
    def by_hand(self) -> bool:
        """True when purchases reach nothing here: levels are given."""
        return self.metric == "none"


def compile_tiers(raw: Mapping[str, Any], currency: str, zone: ZoneInfo) -> Tiers:
    """One track of a checked document; what an earlier release did not know takes the meaning that it had then."""
    metric: Metric = raw["metric"]
    levels = tuple(_level(level, rank, metric, currency) for rank, level in enumerate(raw["levels"]))
    by_code = {level.code: level for level in levels}
    return Tiers(
        metric=metric,
        window_months=raw.get("window_months", 12),
        valid_months=raw.get("valid_months", 12),
        grace_days=raw.get("grace_days", 0),
        downgrade=raw.get("downgrade", "one_level"),
        levels=levels,
        by_code=by_code,
        zone=zone,
        window=raw.get("window", "rolling"),
        code=raw.get("code", MAIN),
        on_change=raw.get("on_change", "keep"),
        warn_days=tuple(sorted(raw.get("warn_days", ()), reverse=True)),
        overrides={
            role: OverrideLimit(by_code[limit["up_to"]].rank if "up_to" in limit else None, limit.get("days"))
            for role, limit in raw.get("overrides", {}).items()
        },
        discount_counts=raw.get("discount", "ignore"),
        multiplier_counts=raw.get("multiplier", "ignore"),
    )


def _level(raw: Mapping[str, Any], rank: int, metric: Metric, currency: str) -> Level:
    if metric == "none":
        threshold = NEVER_REACHED if rank else 0
    elif metric == "spend":
        threshold = to_minor(str(raw["threshold"]), currency)
    else:
        threshold = int(raw["threshold"])
    discount = _thousandths(raw.get("discount_percent", 0))
    multiplier = _thousandths(raw.get("multiplier", 1))
    return Level(
        code=raw["code"],
        rank=rank,
        threshold=threshold,
        discount=discount,
        multiplier=multiplier,
        benefit=compile_benefit(raw.get("benefits"), currency, discount=discount, multiplier=multiplier),
    )


def _thousandths(value: str | int) -> int:
    return int(Decimal(str(value)) * 1000)
