"""What a programme says about taxes, stored value, gift cards and sales made offline, compiled to integers.

Percentages are thousandths of a percent (13 % = 13000), amounts minor units. A section that the document leaves out
compiles to None: the sale then neither taxes nor takes that tender, and its code path costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from shuke.kit.money import Rounding, to_minor

SpendOrder = Literal["principal_first", "bonus_first", "proportional"]
Every = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Rate:
    """One tax rate and the products it is for; a category covers what lies below it."""

    code: str
    name: Mapping[str, str]
    percent: int
    categories: tuple[str, ...]
    skus: frozenset[str]


@dataclass(frozen=True, slots=True)
class Taxes:
    """`included`: prices contain the tax. `points_reduce`: points used as cash lower the taxable amount, as a discount does."""

    included: bool
    rates: Mapping[str, Rate]
    default: str | None
    rounding: Rounding
    per_line: bool
    points_reduce: bool
    earn_on_tax: bool
    by_sku: Mapping[str, str]
    by_category: Mapping[str, str]

    def rate_of(self, sku: str, category: str, stated: str | None) -> Rate | None:
        """The rate of a line: what the till states, else the product's, else its nearest category's, else the default."""
        code = stated or self.by_sku.get(sku)
        while code is None and category:
            code = self.by_category.get(category)
            category = category.rpartition("/")[0]
        code = code or self.default
        return self.rates.get(code) if code else None


@dataclass(frozen=True, slots=True)
class BonusRule:
    """Topping up at least `least` gives `give` minor units and `percent` of the amount, in equal instalments.

    The first instalment is usable at once, each further one a day, week or month later. `months` until each part
    lapses after it became usable; 0: never.
    """

    id: str
    name: Mapping[str, str]
    least: int
    give: int
    percent: int
    instalments: int
    every: Every
    months: int

    def bonus(self, amount: int) -> int:
        """What a top-up of `amount` is given, rounded down."""
        return self.give + amount * self.percent // 100_000


@dataclass(frozen=True, slots=True)
class CardLimits:
    """Legal limits of prepaid cards; None: no limit. A registered card is a member's stored value, a bearer card a gift card.

    The defaults for CNY are those of China's rules for single-purpose commercial prepaid cards (MOFCOM order 9 of
    2012, articles 15, 16, 18 and 19); other currencies start without limits.
    """

    registered_most: int | None
    bearer_most: int | None
    name_required_from: int | None
    no_cash_from: int | None
    no_cash_from_organisation: int | None
    bearer_months_least: int


NO_LIMITS = CardLimits(None, None, None, None, None, 0)


@dataclass(frozen=True, slots=True)
class StoredValue:
    """How a member's prepaid money is topped up, spent and returned. `earns`: what it pays counts for earning and tier."""

    order: SpendOrder
    max_percent: int
    bonus_max_percent: int
    earns: bool
    top_up_least: int
    top_up_most: int | None
    bonuses: tuple[BonusRule, ...]
    returnable: bool
    deduct_spent_bonus: bool

    def bonus_for(self, amount: int) -> BonusRule | None:
        """The rule that a top-up of `amount` falls under: the one with the highest threshold it reaches."""
        reached = [rule for rule in self.bonuses if amount >= rule.least]
        return max(reached, key=lambda rule: rule.least) if reached else None


@dataclass(frozen=True, slots=True)
class GiftCards:
    """`months` until an activated card lapses; 0: never. `returnable`: its money may be paid back."""

    least: int
    most: int | None
    months: int
    max_percent: int
    earns: bool
    returnable: bool = False


@dataclass(frozen=True, slots=True)
class Offline:
    """What tills may sell while cut off: how old an uploaded sale may be, and how much one member may spend on trust."""

    accept_days: int
    allowance_points: int
    allowance_minor: int
    allowance_hours: int

    @property
    def allows(self) -> bool:
        """Whether members may spend anything offline."""
        return bool(self.allowance_points or self.allowance_minor)


NO_OFFLINE = Offline(accept_days=30, allowance_points=0, allowance_minor=0, allowance_hours=24)


def _thousandths(value: str | int) -> int:
    return int(Decimal(str(value)) * 1000)


def compile_taxes(raw: Mapping[str, Any] | None) -> Taxes | None:
    """The section `taxes` of a checked document."""
    if not raw:
        return None
    rates = {
        rate["code"]: Rate(
            rate["code"],
            rate["name"],
            _thousandths(rate["percent"]),
            tuple(rate.get("categories", ())),
            frozenset(rate.get("skus", ())),
        )
        for rate in raw["rates"]
    }
    return Taxes(
        included=raw.get("prices", "inclusive") == "inclusive",
        rates=rates,
        default=raw.get("default"),
        rounding=raw.get("rounding", "half_up"),
        per_line=raw.get("round_per", "rate") == "line",
        points_reduce=raw.get("points_reduce_tax", True),
        earn_on_tax=raw.get("tax_earns", True),
        by_sku={sku: rate.code for rate in rates.values() for sku in rate.skus},
        by_category={path: rate.code for rate in rates.values() for path in rate.categories},
    )


def compile_stored_value(raw: Mapping[str, Any] | None, currency: str) -> StoredValue | None:
    """The section `stored_value` of a checked document."""
    if raw is None:
        return None
    return StoredValue(
        order=raw.get("spend_order", "proportional"),
        max_percent=_thousandths(raw.get("max_percent", "100")),
        bonus_max_percent=_thousandths(raw.get("bonus_max_percent", "100")),
        earns=raw.get("earns", True),
        top_up_least=to_minor(raw["top_up_least"], currency) if "top_up_least" in raw else 1,
        top_up_most=to_minor(raw["top_up_most"], currency) if "top_up_most" in raw else None,
        bonuses=tuple(
            BonusRule(
                id=rule["id"],
                name=rule["name"],
                least=to_minor(rule["from"], currency),
                give=to_minor(rule["give"], currency) if "give" in rule else 0,
                percent=_thousandths(rule.get("percent", "0")),
                instalments=rule.get("instalments", 1),
                every=rule.get("every", "month"),
                months=rule.get("valid_months", 0),
            )
            for rule in raw.get("bonuses", ())
        ),
        returnable=raw.get("returnable", True),
        deduct_spent_bonus=raw.get("spent_bonus_on_return", "deduct") == "deduct",
    )


def compile_gift_cards(raw: Mapping[str, Any] | None, currency: str) -> GiftCards | None:
    """The section `gift_cards` of a checked document."""
    if raw is None:
        return None
    return GiftCards(
        least=to_minor(raw["least"], currency) if "least" in raw else 1,
        most=to_minor(raw["most"], currency) if "most" in raw else None,
        months=raw.get("valid_months", 0),
        max_percent=_thousandths(raw.get("max_percent", "100")),
        earns=raw.get("earns", True),
        returnable=raw.get("returnable", False),
    )


# Part of what a published version means: another set of figures gets another key, these never change.
_CHINA = {
    "registered_most": "5000.00",
    "bearer_most": "1000.00",
    "name_required_from": "10000.00",
    "no_cash_from": "50000.00",
    "no_cash_from_organisation": "5000.00",
    "bearer_months_least": 36,
}


def compile_limits(raw: Mapping[str, Any] | None, currency: str) -> CardLimits:
    """The section `card_limits`: stated limits win over the defaults of the currency's home."""
    merged = {**(_CHINA if currency == "CNY" else {}), **(raw or {})}

    def limit(name: str) -> int | None:
        value = merged.get(name)
        return None if value in (None, "none") else to_minor(str(value), currency)

    return CardLimits(
        registered_most=limit("registered_most"),
        bearer_most=limit("bearer_most"),
        name_required_from=limit("name_required_from"),
        no_cash_from=limit("no_cash_from"),
        no_cash_from_organisation=limit("no_cash_from_organisation"),
        bearer_months_least=int(merged.get("bearer_months_least", 0)),
    )


def compile_offline(raw: Mapping[str, Any] | None, currency: str) -> Offline:
    """The section `offline` of a checked document."""
    if raw is None:
        return NO_OFFLINE
    return Offline(
        accept_days=raw.get("accept_days", 30),
        allowance_points=raw.get("allowance_points", 0),
        allowance_minor=to_minor(raw["allowance"], currency) if "allowance" in raw else 0,
        allowance_hours=raw.get("allowance_hours", 24),
    )
