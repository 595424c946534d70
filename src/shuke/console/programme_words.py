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
from shuke.console.benefit_words import (
    NO_MULTIPLIER,
    discount_word,
    multiplier_word,
    price_parts,
    tell_benefit,
    whole_money,
)
from shuke.console.money_words import Section, tell_sections
from shuke.console.offer_words import Offers, tell_offers
from shuke.kit.money import to_minor
from shuke.loyalty.earning_words import (
    CAUSES,
    describe_budget,
    describe_conditions,
    describe_terms,
    fixed,
)
from shuke.loyalty.programme import Programme, compile_programme
from shuke.loyalty.tiers import Level, Tiers
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
    brings: tuple[str, ...]


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
    points: str
    header: list[tuple[str, str]]
    tiers: list[TierCard]
    terms: list[tuple[str, str]]
    tracks: list[Section]
    earning: list[Rule]
    multipliers: list[Rule]
    accruals: list[Rule]
    budgets: list[Rule]
    redemption: list[tuple[str, str]]
    expiry: list[tuple[str, str]]
    policies: list[tuple[str, str]]
    sections: list[Section]
    offers: list[Offers]


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
    programme = compile_programme(document)
    return Told(
        name=localized(document["name"]),
        points=asset_name(document, "points"),
        header=[
            (pgettext("programme page", "Code"), document["code"]),
            (pgettext("programme page", "Currency"), document["currency"]),
            (pgettext("programme page", "Time zone"), document["time_zone"]),
        ],
        tiers=[
            _tier(document, programme, level, raw)
            for level, raw in zip(programme.tiers.levels, document["tiers"]["levels"], strict=True)
        ],
        terms=_terms(document["tiers"]),
        tracks=[_track(document, programme.tracks[raw["code"]], raw) for raw in document.get("tracks", ())],
        earning=[_earning(rule, document) for rule in document["earning"]],
        multipliers=[_multiplier(rule, document) for rule in document["multipliers"]],
        accruals=[_accrual(rule, document) for rule in document.get("accruals", ())],
        budgets=[
            Rule(localized(budget["name"]), "", describe_budget(budget, document), "")
            for budget in document.get("budgets", ())
        ],
        redemption=_redemption(document),
        expiry=[
            (localized(spec["name"]), _expiry(document, asset)) for asset, spec in document["assets"].items()
        ],
        policies=_policies(document),
        sections=tell_sections(document),
        offers=tell_offers(document, programme),
    )


def _tier(document: Document, programme: Programme, level: Level, raw: Mapping[str, Any]) -> TierCard:
    return TierCard(
        look=min(level.rank, HIGHEST_LOOK),
        name=localized(raw["name"]),
        threshold=_threshold(document, programme.tiers, level) if level.rank else "",
        discount=discount_word(level.benefit.discount),
        multiplier="" if level.multiplier == NO_MULTIPLIER else multiplier_word(level.multiplier),
        brings=tuple(tell_benefit(level.benefit, programme, asset_name(document, "points"))),
    )


def _threshold(document: Document, tiers: Tiers, level: Level) -> str:
    """From what on a level is reached, by what its track counts."""
    match tiers.metric:
        case "none":
            words = pgettext("programme page", "given by hand")
        case "spend":
            words = _from(whole_money(level.threshold, document["currency"]))
        case "orders":
            words = _from(
                ngettext("%(count)d order", "%(count)d orders", level.threshold) % {"count": level.threshold}
            )
        case "growth" | "points":
            words = _from(f"{formats.number(level.threshold)} {asset_name(document, tiers.metric)}")
    return words


def _from(amount: str) -> str:
    return _("from %(amount)s") % {"amount": amount}


def _track(document: Document, tiers: Tiers, raw: Mapping[str, Any]) -> Section:
    """A further track: its levels with what they ask for and give, then how it works."""
    facts = []
    for level, named in zip(tiers.levels, raw["levels"], strict=True):
        least = _threshold(document, tiers, level) if level.rank else _("where everyone starts")
        brings = price_parts(level.benefit, asset_name(document, "points"))
        facts.append((localized(named["name"]), " · ".join((least, *brings))))
    return Section(localized(raw["name"]), [*facts, *_terms(raw)])


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


def _expiry(document: Document, asset: str) -> str:
    """When an asset lapses. An offer's own term goes before the rule of the bonus money."""
    words = describe_expiry(document["assets"][asset]["expiry"])
    bonuses = document["stored_value"]["bonuses"] if document.get("stored_value") else ()
    if asset != "bonus" or not any(rule["valid_months"] for rule in bonuses):
        return words
    if all(rule["valid_months"] for rule in bonuses):
        return pgettext("programme page", "%(rule)s; what top-ups give lapses by the term of its offer") % {
            "rule": words
        }
    return pgettext("programme page", "%(rule)s; the term of a top-up offer that has its own goes before") % {
        "rule": words
    }


def _terms(tiers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the levels of a track are won and lost."""
    metric, window = CHOICES[tiers["metric"]], tiers.get("window", "rolling")
    if tiers["metric"] == "none":
        reached = str(metric)
    elif window == "rolling":
        counted = ngettext(
            "%(metric)s over %(count)d month", "%(metric)s over %(count)d months", tiers["window_months"]
        )
        reached = counted % {"metric": metric, "count": tiers["window_months"]}
    else:
        reached = pgettext("programme page", "%(metric)s over %(window)s") % {
            "metric": metric,
            "window": CHOICES[window],
        }
    valid = ngettext("%(count)d month", "%(count)d months", tiers["valid_months"])
    grace = ngettext("%(count)d day", "%(count)d days", tiers["grace_days"])
    return [
        (pgettext("programme page", "Tiers are reached"), reached),
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
    return whole_money(to_minor(str(text), currency), currency)
