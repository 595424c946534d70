"""The compiled programme: a validated document turned into frozen, integer-only values that pricing can run on.

Factors are thousandths (×1.5 = 1500), percentages are thousandths of a percent (2.5 % = 2500), amounts minor units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shuke.kit.money import Rounding, to_minor
from shuke.ledger.values import AdjustmentPolicy, TransferPolicy
from shuke.loyalty.assets import Asset, Expiry, compile_assets
from shuke.loyalty.book_policies import compile_adjustments, compile_transfers
from shuke.loyalty.tenders import (
    NO_LIMITS,
    NO_OFFLINE,
    CardLimits,
    GiftCards,
    Offline,
    StoredValue,
    Taxes,
    compile_gift_cards,
    compile_limits,
    compile_offline,
    compile_stored_value,
    compile_taxes,
)

Stacking = Literal["add", "best", "multiply"]
Downgrade = Literal["one_level", "to_qualified", "never", "at_once"]
Metric = Literal["spend", "growth"]
Shortfall = Literal["debt", "cash_value", "write_off"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Conditions:
    """All given conditions must hold; an empty one always holds. `categories` looks at the line, the rest at the order."""

    tiers: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    weekdays: frozenset[int] = frozenset()
    first_day: date | None = None
    last_day: date | None = None
    birthday_month: bool = False

    def covers_category(self, path: str) -> bool:
        """True when the line's category is one of the named ones or lies below it."""
        return any(path == c or path.startswith(c + "/") for c in self.categories)


@dataclass(frozen=True, slots=True)
class EarningRule:
    """`give` units of `asset` for every full `per` minor units of what qualifies."""

    id: str
    asset: str
    give: int
    per: int
    rounding: Rounding
    per_line: bool
    when: Conditions


@dataclass(frozen=True, slots=True)
class Multiplier:
    id: str
    asset: str
    factor: int
    when: Conditions


@dataclass(frozen=True, slots=True)
class Level:
    """One tier. `threshold` in minor units (spend) or units of growth; `rank` 0 is where everyone starts."""

    code: str
    rank: int
    threshold: int
    discount: int
    multiplier: int


@dataclass(frozen=True, slots=True)
class Tiers:
    metric: Metric
    window_months: int
    valid_months: int
    grace_days: int
    downgrade: Downgrade
    levels: tuple[Level, ...]
    by_code: Mapping[str, Level]

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


@dataclass(frozen=True, slots=True)
class Redemption:
    """`points` are worth `worth` minor units; used in multiples of `step`, at least `minimum`, up to a share of the sale."""

    points: int
    worth: int
    step: int
    minimum: int
    max_percent: int


@dataclass(frozen=True, slots=True)
class Policies:
    points_paid_earn: bool
    spend_own_points: bool
    return_window_days: int
    return_spent_points: bool
    claw_back_earned: bool
    tier_on_refund_at_once: bool
    refund_shortfall: Shortfall
    attach_days: int
    """How long a sale without a member can still be attached to one by its receipt; 0: never."""
    stacking: Stacking
    multiplier_rounding: Rounding


@dataclass(frozen=True, slots=True)
class Programme:
    code: str
    name: Mapping[str, str]
    currency: str
    zone: ZoneInfo
    assets: Mapping[str, Asset]
    expiry: Mapping[str, Expiry]
    asset_names: Mapping[str, Mapping[str, str]]
    earning: tuple[EarningRule, ...]
    multipliers: tuple[Multiplier, ...]
    tiers: Tiers
    redemption: Redemption | None
    adjustments: Mapping[str, AdjustmentPolicy]
    transfers: Mapping[str, TransferPolicy]
    policies: Policies
    uses_birthday: bool
    taxes: Taxes | None = None
    stored_value: StoredValue | None = None
    gift_cards: GiftCards | None = None
    card_limits: CardLimits = NO_LIMITS
    offline: Offline = NO_OFFLINE


def compile_programme(document: Mapping[str, Any]) -> Programme:
    """Compile a document that `loyalty.document.validate` accepted. Absent optional parts take their defaults."""
    currency = document["currency"]
    earning = tuple(_earning(rule, currency) for rule in document.get("earning", ()))
    multipliers = tuple(_multiplier(rule) for rule in document.get("multipliers", ()))
    policies = document.get("policies", {})
    return_window_days = policies.get("return_window_days", 7)
    assets = compile_assets(document["assets"], currency, return_window_days)
    return Programme(
        code=document["code"],
        name=document["name"],
        currency=currency,
        zone=ZoneInfo(document["time_zone"]),
        assets=assets,
        expiry={code: asset.expiry for code, asset in assets.items()},
        asset_names={asset: spec["name"] for asset, spec in document["assets"].items()},
        earning=earning,
        multipliers=multipliers,
        tiers=_tiers(document["tiers"], currency),
        redemption=_redemption(document.get("redemption"), currency),
        adjustments=compile_adjustments(document.get("adjustments", {})),
        transfers=compile_transfers(document.get("transfers", {})),
        policies=Policies(
            points_paid_earn=policies.get("points_paid_earn", False),
            spend_own_points=policies.get("spend_own_points", False),
            return_window_days=return_window_days,
            return_spent_points=policies.get("refund_spent_points", "return") == "return",
            claw_back_earned=policies.get("refund_earned_points", "claw_back") == "claw_back",
            tier_on_refund_at_once=policies.get("tier_on_refund", "at_once") == "at_once",
            refund_shortfall=policies.get("refund_shortfall", "debt"),
            attach_days=policies.get("attach_days", 7),
            stacking=policies.get("multiplier_stacking", "add"),
            multiplier_rounding=policies.get("multiplier_rounding", "floor"),
        ),
        uses_birthday=any(
            when.birthday_month for when in (*(r.when for r in earning), *(m.when for m in multipliers))
        ),
        taxes=compile_taxes(document.get("taxes")),
        stored_value=compile_stored_value(document.get("stored_value"), currency),
        gift_cards=compile_gift_cards(document.get("gift_cards"), currency),
        card_limits=compile_limits(document.get("card_limits"), currency),
        offline=compile_offline(document.get("offline"), currency),
    )


def _thousandths(value: str | int) -> int:
    return int(Decimal(str(value)) * 1000)


def _conditions(raw: Mapping[str, Any] | None) -> Conditions:
    if not raw:
        return Conditions()
    dates = raw.get("dates", {})
    return Conditions(
        tiers=frozenset(raw.get("tiers", ())),
        stores=frozenset(raw.get("stores", ())),
        channels=frozenset(raw.get("channels", ())),
        categories=tuple(raw.get("categories", ())),
        weekdays=frozenset(WEEKDAYS.index(day) for day in raw.get("weekdays", ())),
        first_day=_day(dates.get("from")),
        last_day=_day(dates.get("to")),
        birthday_month=raw.get("birthday_month", False),
    )


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _earning(raw: Mapping[str, Any], currency: str) -> EarningRule:
    return EarningRule(
        id=raw["id"],
        asset=raw.get("asset", "points"),
        give=raw["give"],
        per=to_minor(str(raw["per"]), currency),
        rounding=raw.get("rounding", "floor"),
        per_line=raw.get("round_per", "order") == "line",
        when=_conditions(raw.get("when")),
    )


def _multiplier(raw: Mapping[str, Any]) -> Multiplier:
    return Multiplier(
        raw["id"], raw.get("asset", "points"), _thousandths(raw["factor"]), _conditions(raw.get("when"))
    )


def _tiers(raw: Mapping[str, Any], currency: str) -> Tiers:
    metric = raw["metric"]
    levels = tuple(
        Level(
            code=level["code"],
            rank=rank,
            threshold=to_minor(str(level["threshold"]), currency)
            if metric == "spend"
            else int(level["threshold"]),
            discount=_thousandths(level.get("discount_percent", 0)),
            multiplier=_thousandths(level.get("multiplier", 1)),
        )
        for rank, level in enumerate(raw["levels"])
    )
    return Tiers(
        metric=metric,
        window_months=raw.get("window_months", 12),
        valid_months=raw.get("valid_months", 12),
        grace_days=raw.get("grace_days", 0),
        downgrade=raw.get("downgrade", "one_level"),
        levels=levels,
        by_code={level.code: level for level in levels},
    )


def _redemption(raw: Mapping[str, Any] | None, currency: str) -> Redemption | None:
    if not raw:
        return None
    points = raw["points"]
    return Redemption(
        points=points,
        worth=to_minor(str(raw["worth"]), currency),
        step=raw.get("step", points),
        minimum=raw.get("minimum", 0),
        max_percent=_thousandths(raw.get("max_percent", 100)),
    )
