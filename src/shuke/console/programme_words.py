"""A programme document as the console shows it: every rule as a sentence, every figure in the local idiom.

The sentences themselves come from `loyalty.words`; here they are put into the order of a page and given the console's formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.console.money_words import Section, tell_sections
from shuke.console.offer_words import tell_offers
from shuke.kit.money import exponent, to_minor
from shuke.loyalty.earning_words import (
    CAUSES,
    describe_budget,
    describe_conditions,
    describe_terms,
    fixed,
)
from shuke.loyalty.words import CHOICES, Document, asset_name, describe_expiry, localized

HIGHEST_LOOK = 4
"""The design has five tier colours; a programme with more levels shares the highest."""


@dataclass(frozen=True, slots=True)
class TierCard:
    """A tier: its place from 0, its name, and what it asks for and gives."""

    look: int
    name: str
    threshold: str
    discount: str
    multiplier: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule or a budget: what it gives, how it is limited, and when it applies ("" for always)."""

    name: str
    gives: str
    detail: str
    when: str


@dataclass(frozen=True, slots=True)
class Told:
    """A whole programme in words; facts are (label, words)."""

    name: str
    header: list[tuple[str, str]]
    tiers: list[TierCard]
    terms: list[tuple[str, str]]
    earning: list[Rule]
    multipliers: list[Rule]
    accruals: list[Rule]
    budgets: list[Rule]
    redemption: list[tuple[str, str]]
    expiry: list[tuple[str, str]]
    policies: list[tuple[str, str]]
    sections: list[Section]
    offers: list[Section]


_POLICIES: tuple[tuple[str, str | Promise], ...] = (
    ("points_paid_earn", pgettext_lazy("programme page", "What is paid with points earns points")),
    ("spend_own_points", pgettext_lazy("programme page", "An order may spend the points it earns")),
    ("refund_spent_points", pgettext_lazy("programme page", "Points spent on a refunded order are")),
    ("refund_earned_points", pgettext_lazy("programme page", "Points earned by a refunded order are")),
    ("refund_shortfall", pgettext_lazy("programme page", "Points missing at a refund are")),
    ("refund_coupon", pgettext_lazy("programme page", "Coupons used on a refunded order are")),
    ("benefit_stacking", pgettext_lazy("programme page", "Discounts of tier and plan together are")),
    ("tier_on_refund", pgettext_lazy("programme page", "After a refund the tier is reviewed")),
    ("multiplier_stacking", pgettext_lazy("programme page", "Several multipliers on one purchase are")),
    ("multiplier_rounding", pgettext_lazy("programme page", "Points from multipliers are")),
)


def tell(document: Document) -> Told:
    """A checked document in the active language."""
    return Told(
        name=localized(document["name"]),
        header=[
            (pgettext("programme page", "Code"), document["code"]),
            (pgettext("programme page", "Currency"), document["currency"]),
            (pgettext("programme page", "Time zone"), document["time_zone"]),
        ],
        tiers=[_tier(document, rank, level) for rank, level in enumerate(document["tiers"]["levels"])],
        terms=_terms(document),
        earning=[_earning(rule, document) for rule in document["earning"]],
        multipliers=[_multiplier(rule, document) for rule in document["multipliers"]],
        accruals=[_accrual(rule, document) for rule in document.get("accruals", ())],
        budgets=[
            Rule(localized(budget["name"]), "", describe_budget(budget, document), "")
            for budget in document.get("budgets", ())
        ],
        redemption=_redemption(document),
        expiry=[
            (localized(spec["name"]), describe_expiry(spec["expiry"])) for spec in document["assets"].values()
        ],
        policies=_policies(document),
        sections=tell_sections(document),
        offers=[Section(title, rows) for title, rows in tell_offers(document)],
    )


def _tier(document: Document, rank: int, level: Mapping[str, Any]) -> TierCard:
    if document["tiers"]["metric"] == "growth":
        threshold = f"{formats.number(int(level['threshold']))} {asset_name(document, 'growth')}"
    else:
        threshold = _amount(level["threshold"], document)
    percent = Decimal(level["discount_percent"])
    if not percent:
        discount = ""
    elif percent == 100:
        discount = _("free of charge")
    else:
        discount = formats.discount(100 - percent)
    factor = Decimal(level["multiplier"])
    return TierCard(
        look=min(rank, HIGHEST_LOOK),
        name=localized(level["name"]),
        threshold="" if rank == 0 else threshold,
        discount=discount,
        multiplier="" if factor == 1 else f"×{factor.normalize():f}",
    )


def _policies(document: Document) -> list[tuple[str, str]]:
    """The switches, then the two terms of days. A document of an earlier release lacks the newer ones."""
    policies = document["policies"]
    facts = [(str(label), str(CHOICES[policies[key]])) for key, label in _POLICIES if key in policies]
    if "cashier_refund_most" in policies:
        facts.append(
            (
                pgettext("programme page", "A cashier refunds alone up to"),
                _amount(policies["cashier_refund_most"], document),
            )
        )
    if "return_window_days" in policies:
        facts.append((pgettext("programme page", "Return window"), _days(policies["return_window_days"])))
    if "attach_days" in policies:
        facts.append(
            (
                pgettext("programme page", "A receipt can be given to a member within"),
                _days(policies["attach_days"]) if policies["attach_days"] else str(CHOICES["never"]),
            )
        )
    return facts


def _days(count: int) -> str:
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


def _terms(document: Document) -> list[tuple[str, str]]:
    tiers = document["tiers"]
    counted = ngettext(
        "%(metric)s over %(count)d month", "%(metric)s over %(count)d months", tiers["window_months"]
    )
    valid = ngettext("%(count)d month", "%(count)d months", tiers["valid_months"])
    grace = ngettext("%(count)d day", "%(count)d days", tiers["grace_days"])
    return [
        (
            pgettext("programme page", "Tiers are reached"),
            counted % {"metric": CHOICES[tiers["metric"]], "count": tiers["window_months"]},
        ),
        (pgettext("programme page", "A tier lasts"), valid % {"count": tiers["valid_months"]}),
        (
            pgettext("programme page", "Days of grace"),
            grace % {"count": tiers["grace_days"]}
            if tiers["grace_days"]
            else pgettext("programme page", "none"),
        ),
        (pgettext("programme page", "Who falls short goes down"), str(CHOICES[tiers["downgrade"]])),
    ]


def _earning(rule: Mapping[str, Any], document: Document) -> Rule:
    asset = asset_name(document, rule["asset"])
    if "fixed" in rule:
        gives, detail = fixed(rule, formats.number(rule["fixed"]), asset), ""
    else:
        gives = pgettext("programme page", "%(give)s %(asset)s for every %(amount)s") % {
            "give": formats.number(rule["give"]),
            "asset": asset,
            "amount": _amount(rule["per"], document),
        }
        detail = pgettext("programme page", "%(rounding)s, %(per)s") % {
            "rounding": CHOICES[rule["rounding"]],
            "per": CHOICES[rule["round_per"]],
        }
    terms = describe_terms(rule, document)
    return Rule(
        localized(rule["name"]), gives, " · ".join(filter(None, (detail, terms))), _when(rule, document)
    )


def _multiplier(rule: Mapping[str, Any], document: Document) -> Rule:
    gives = f"{asset_name(document, rule['asset'])} ×{Decimal(rule['factor']).normalize():f}"
    return Rule(localized(rule["name"]), gives, describe_terms(rule, document), _when(rule, document))


def _accrual(rule: Mapping[str, Any], document: Document) -> Rule:
    gives = f"{formats.number(rule['give'])} {asset_name(document, rule['asset'])}"
    detail = " · ".join(filter(None, (str(CAUSES[rule["kind"]]), describe_terms(rule, document))))
    return Rule(localized(rule["name"]), gives, detail, _when(rule, document))


def _when(rule: Mapping[str, Any], document: Document) -> str:
    return describe_conditions(rule["when"], document) if rule.get("when") else ""


def _redemption(document: Document) -> list[tuple[str, str]]:
    rate = document.get("redemption")
    if not rate:
        return []
    unit = asset_name(document, "points")
    facts = [
        (
            pgettext("programme page", "Rate"),
            f"{formats.number(rate['points'])} {unit} = {_amount(rate['worth'], document)}",
        ),
        (
            pgettext("programme page", "In steps of"),
            f"{formats.number(rate['step'])} {unit}",
        ),
    ]
    if rate["minimum"]:
        facts.append((pgettext("programme page", "At least"), f"{formats.number(rate['minimum'])} {unit}"))
    share = Decimal(rate["max_percent"])
    facts.append(
        (
            pgettext("programme page", "At most"),
            pgettext("programme page", "the whole order")
            if share == 100
            else pgettext("programme page", "%(percent)s of the order")
            % {"percent": f"{share.normalize():f}%"},
        )
    )
    return facts


def _amount(text: str, document: Document) -> str:
    currency = document["currency"]
    minor = to_minor(str(text), currency)
    return formats.money(minor, currency, whole=minor % 10 ** exponent(currency) == 0)
