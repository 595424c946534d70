"""The compiled programme: a validated document turned into frozen, integer-only values that pricing can run on.

Factors are thousandths (×1.5 = 1500), percentages are thousandths of a percent (2.5 % = 2500), amounts minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from shuke.kit.money import Rounding, to_minor
from shuke.ledger.values import AdjustmentPolicy, TransferPolicy
from shuke.loyalty.assets import (
    MONEY_KINDS,
    RESERVED,
    Asset,
    Expiry,
    compile_assets,
    compile_expiry,
    compile_pending,
)
from shuke.loyalty.benefits import Held, Reserved, Stack, reserved_of
from shuke.loyalty.book_policies import compile_adjustments, compile_transfers
from shuke.loyalty.conditions import compile_conditions
from shuke.loyalty.coupons import compile_coupons
from shuke.loyalty.earning import (
    NO_CAPS,
    PLAIN,
    AccrualRule,
    Budget,
    Caps,
    EarningRule,
    Multiplier,
    Stacking,
    Terms,
)
from shuke.loyalty.plans.values import Plan, compile_plans
from shuke.loyalty.rewards import compile_rewards
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
from shuke.loyalty.tiers import Tiers, compile_tiers
from shuke.rewards.catalogue.values import Offer
from shuke.rewards.values import CouponTemplate

Shortfall = Literal["debt", "cash_value", "write_off"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What the till has to read beyond the plain facts because a rule looks at it. Nothing for most programmes."""

    traits: bool = False
    first_purchase: bool = False
    brands: bool = False
    counted: tuple[str, ...] = ()
    """Rules whose caps look at what was given before."""
    ever: bool = False
    """One of these caps is for ever, so the look goes back beyond the month."""
    budgets: tuple[Budget, ...] = ()
    tenders: bool = False

    @property
    def nothing(self) -> bool:
        """True when the plain facts are enough."""
        return not (self.traits or self.first_purchase or self.brands or self.counted or self.budgets)


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
    restore_coupons: bool
    """A sale that is refunded as a whole gives its coupons back, while they are valid."""
    cashier_refund_most: int
    """Minor units that a cashier gives back alone, of a sale within the return window; beyond it a second person approves."""
    attach_days: int
    """How long a sale without a member can still be attached to one by its receipt; 0: never."""
    stacking: Stacking
    multiplier_rounding: Rounding
    benefit_stacking: Stack = "best"
    """Where tier and plan both give a discount, a multiplier or a quota."""


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
    accruals: tuple[AccrualRule, ...]
    budgets: Mapping[str, Budget]
    needs: Needs
    accrual_needs: Needs
    tiers: Tiers
    tracks: Mapping[str, Tiers]
    """The tracks beside the main one, by their codes."""
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
    rewards: Mapping[str, Offer] = field(default_factory=dict)
    coupons: Mapping[str, CouponTemplate] = field(default_factory=dict)
    """By code, in the order of the document."""
    plans: Mapping[str, Plan] = field(default_factory=dict)
    reserved: tuple[Reserved, ...] = ()
    """Goods that only some tiers and plans may buy."""

    @property
    def serves_holders(self) -> bool:
        """True when there is something to sell or hand out to members at the counter: plans, or entitlements of tiers."""
        return bool(self.plans) or any(level.benefit.entitlements for level in self.tiers.levels)

    def held(self, tier: str, plans: Iterable[str], levels: Mapping[str, str] | None = None) -> list[Held]:
        """What a member with this tier, these plans and these levels of further tracks (track → level) has.

        The tier comes first. A plan or track that is no more brings nothing. A plan with a `tier` has its holders served as
        that level at least.
        """
        known = [self.plans[code] for code in sorted(plans) if code in self.plans] if plans else []
        for plan in known:
            if plan.tier and self.tiers.level(plan.tier).rank > self.tiers.level(tier).rank:
                tier = plan.tier
        found = [self.tiers.held(tier)]
        if levels:
            found += [self.tracks[track].held(code) for track, code in levels.items() if track in self.tracks]
        return found + [Held("plan", plan.code, plan.benefit) for plan in known]

    def track(self, code: str) -> Tiers | None:
        """The track of a code, "" being the main one; None when this programme has no such track."""
        return self.tracks.get(code) if code else self.tiers

    def track_of(self, tier: str) -> Tiers | None:
        """The track that has a level; None when none has."""
        return next((each for each in (self.tiers, *self.tracks.values()) if tier in each.by_code), None)


Rule = TypeVar("Rule", EarningRule, Multiplier, AccrualRule)


def unit_currency(programme: Programme, asset: str) -> str:
    """The currency whose minor units an asset counts; "" for an asset that is no money. A reserved code needs no entry."""
    spec = programme.assets.get(asset)
    kind = spec.kind if spec else RESERVED.get(asset, "custom")
    return programme.currency if kind in MONEY_KINDS else ""


def compile_programme(document: Mapping[str, Any]) -> Programme:
    """Compile a document that `loyalty.document.validate` accepted. Absent optional parts take their defaults."""
    currency, zone = document["currency"], ZoneInfo(document["time_zone"])
    policies = document.get("policies", {})
    return_window_days = policies.get("return_window_days", 7)
    budgets = {raw["id"]: _budget(raw) for raw in document.get("budgets", ())}
    earning = _by_priority(
        _earning(rule, currency, budgets, return_window_days) for rule in document.get("earning", ())
    )
    multipliers = _by_priority(
        _multiplier(rule, currency, budgets, return_window_days) for rule in document.get("multipliers", ())
    )
    accruals = _by_priority(
        _accrual(rule, currency, budgets, return_window_days) for rule in document.get("accruals", ())
    )
    rules: tuple[EarningRule | Multiplier, ...] = (*earning, *multipliers)
    assets = compile_assets(document["assets"], currency, return_window_days)
    tiers = compile_tiers(document["tiers"], currency, zone)
    tracks = {raw["code"]: compile_tiers(raw, currency, zone) for raw in document.get("tracks", ())}
    plans = compile_plans(document.get("plans") or (), currency)
    needs = _needs(rules)
    return Programme(
        code=document["code"],
        name=document["name"],
        currency=currency,
        zone=zone,
        assets=assets,
        expiry={code: asset.expiry for code, asset in assets.items()},
        asset_names={asset: spec["name"] for asset, spec in document["assets"].items()},
        earning=earning,
        multipliers=multipliers,
        accruals=accruals,
        budgets=budgets,
        # Which plans a member holds is one of the traits: a programme that sells plans has to look at them.
        needs=replace(needs, traits=needs.traits or bool(plans)),
        accrual_needs=_needs(accruals),
        tiers=tiers,
        tracks=tracks,
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
            restore_coupons=policies.get("refund_coupon", "restore") == "restore",
            cashier_refund_most=_cashier_limit(policies, currency),
            attach_days=policies.get("attach_days", 7),
            stacking=policies.get("multiplier_stacking", "add"),
            multiplier_rounding=policies.get("multiplier_rounding", "floor"),
            benefit_stacking=policies.get("benefit_stacking", "best"),
        ),
        uses_birthday=any(rule.when.birthday for rule in rules),
        taxes=compile_taxes(document.get("taxes")),
        stored_value=compile_stored_value(document.get("stored_value"), currency),
        gift_cards=compile_gift_cards(document.get("gift_cards"), currency),
        card_limits=compile_limits(document.get("card_limits"), currency),
        offline=compile_offline(document.get("offline"), currency),
        coupons=compile_coupons(document.get("coupons", ()), currency),
        rewards=compile_rewards(document.get("rewards", ()), currency, ZoneInfo(document["time_zone"])),
        plans=plans,
        reserved=reserved_of(
            [track.held(level.code) for track in (tiers, *tracks.values()) for level in track.levels]
            + [Held("plan", plan.code, plan.benefit) for plan in plans.values()]
        ),
    )


_CASHIER_REFUND_MOST = 50_000
"""Where a document states none: 500.00 with two decimals, 50,000 with none."""


def _cashier_limit(policies: Mapping[str, Any], currency: str) -> int:
    stated = policies.get("cashier_refund_most")
    return _CASHIER_REFUND_MOST if stated is None else to_minor(str(stated), currency)


def _thousandths(value: str | int) -> int:
    return int(Decimal(str(value)) * 1000)


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _by_priority(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Highest priority first; equal ones as the document has them."""
    return tuple(sorted(rules, key=lambda rule: -rule.terms.priority))


def _budget(raw: Mapping[str, Any]) -> Budget:
    return Budget(
        id=raw["id"],
        asset=raw.get("asset", "points"),
        limit=raw["limit"],
        period=raw.get("period", "total"),
        covers_all=raw.get("covers", "named") == "all",
        gives_rest=raw.get("when_short", "give_rest") == "give_rest",
    )


def _terms(raw: Mapping[str, Any], budgets: Mapping[str, Budget], window: int) -> Terms:
    asset, named = raw.get("asset", "points"), raw.get("budget")
    drawn = tuple(b for b in budgets.values() if b.id == named or (b.covers_all and b.asset == asset))
    caps = raw.get("caps")
    terms = Terms(
        exclusive=raw.get("stacking", "stackable") == "exclusive",
        priority=raw.get("priority", 0),
        caps=Caps(**caps) if caps else NO_CAPS,
        budgets=drawn,
        expiry=compile_expiry(raw["expiry"]) if "expiry" in raw else None,
        pending=compile_pending(raw["pending"], window) if "pending" in raw else None,
    )
    return PLAIN if terms == PLAIN else terms


def _earning(
    raw: Mapping[str, Any], currency: str, budgets: Mapping[str, Budget], window: int
) -> EarningRule:
    fixed = raw.get("fixed")
    return EarningRule(
        id=raw["id"],
        asset=raw.get("asset", "points"),
        give=raw["give"] if fixed is None else fixed,
        per=to_minor(str(raw["per"]), currency) if fixed is None else 0,
        rounding=raw.get("rounding", "floor"),
        per_line=raw.get("round_per", "order") == "line",
        each_unit=raw.get("fixed_per") == "unit",
        multiplied=raw.get("multiplied", True),
        when=compile_conditions(raw.get("when"), currency),
        terms=_terms(raw, budgets, window),
    )


def _multiplier(
    raw: Mapping[str, Any], currency: str, budgets: Mapping[str, Budget], window: int
) -> Multiplier:
    return Multiplier(
        raw["id"],
        raw.get("asset", "points"),
        _thousandths(raw["factor"]),
        compile_conditions(raw.get("when"), currency),
        _terms(raw, budgets, window),
    )


def _accrual(
    raw: Mapping[str, Any], currency: str, budgets: Mapping[str, Budget], window: int
) -> AccrualRule:
    return AccrualRule(
        raw["id"],
        raw["kind"],
        raw.get("asset", "points"),
        raw["give"],
        compile_conditions(raw.get("when"), currency),
        _terms(raw, budgets, window),
    )


def _needs(rules: Sequence[EarningRule | Multiplier | AccrualRule]) -> Needs:
    """What these rules look at beyond the plain facts."""
    conditions = [rule.when for rule in rules]
    return Needs(
        traits=any(w.tags or w.segments or w.plans or w.tenure_days for w in conditions),
        first_purchase=any(w.first_purchase is not None for w in conditions),
        brands=any(w.only.brands or w.exclude.brands for w in conditions),
        counted=tuple(rule.id for rule in rules if rule.terms.caps.count),
        ever=any(rule.terms.caps.member is not None for rule in rules),
        budgets=tuple({b.id: b for rule in rules for b in rule.terms.budgets}.values()),
        tenders=any(w.tenders for w in conditions),
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
