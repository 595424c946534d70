"""The programme's sections on money and on moves by hand, as facts of the programme page.

Stored value, gift cards, legal limits of cards, taxes, offline sales, adjustments and transfers. Panels of sections that
a programme leaves out are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import ngettext, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.core.values import Role
from shuke.kit.money import exponent, to_minor
from shuke.ledger.values import KEY_ROLE
from shuke.loyalty.tenders import Every, SpendOrder
from shuke.loyalty.words import CHOICES, Document, asset_name, localized

_ORDERS: Mapping[SpendOrder, Any] = {
    "principal_first": pgettext_lazy("programme page", "the principal first"),
    "bonus_first": pgettext_lazy("programme page", "the bonus money first"),
    "proportional": pgettext_lazy("programme page", "principal and bonus money in proportion"),
}
_EVERY: Mapping[Every, Any] = {
    "day": pgettext_lazy("programme page", "one each day"),
    "week": pgettext_lazy("programme page", "one each week"),
    "month": pgettext_lazy("programme page", "one each month"),
}
_LIMITS = (
    ("registered_most", pgettext_lazy("programme page", "A member's stored value holds at most")),
    ("bearer_most", pgettext_lazy("programme page", "A gift card holds at most")),
    ("bearer_months_least", pgettext_lazy("programme page", "A gift card lasts at least")),
    ("name_required_from", pgettext_lazy("programme page", "The buyer of gift cards is named from")),
    ("no_cash_from", pgettext_lazy("programme page", "No cash from a person from")),
    ("no_cash_from_organisation", pgettext_lazy("programme page", "No cash from an organisation from")),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A panel of facts: (label, words)."""

    title: str
    facts: list[tuple[str, str]]


def tell_sections(document: Document) -> list[Section]:
    """The sections that this document has, in the active language."""
    found = [
        Section(pgettext("programme page", "Stored value"), _stored_value(document)),
        Section(pgettext("programme page", "Gift cards"), _gift_cards(document)),
        Section(pgettext("programme page", "Legal limits of cards"), _limits(document)),
        Section(pgettext("programme page", "Taxes"), _taxes(document)),
        Section(pgettext("programme page", "Tills that are cut off"), _offline(document)),
        Section(pgettext("programme page", "Adjustments by hand"), _adjustments(document)),
        Section(pgettext("programme page", "Transfers between members"), _transfers(document)),
    ]
    return [section for section in found if section.facts]


def _stored_value(document: Document) -> list[tuple[str, str]]:
    rules = document.get("stored_value")
    if rules is None:
        return []
    facts = [(pgettext("programme page", "It is spent"), str(_ORDERS[rules["spend_order"]]))]
    if "top_up_least" in rules:
        facts.append(
            (pgettext("programme page", "A top-up is at least"), _amount(rules["top_up_least"], document))
        )
    if "top_up_most" in rules:
        facts.append(
            (pgettext("programme page", "A top-up is at most"), _amount(rules["top_up_most"], document))
        )
    facts += [(localized(rule["name"]), _bonus(rule, document)) for rule in rules["bonuses"]]
    facts.append((pgettext("programme page", "It pays at most"), _share(rules["max_percent"])))
    if rules["bonus_max_percent"] != rules["max_percent"]:
        facts.append(
            (pgettext("programme page", "Bonus money pays at most"), _share(rules["bonus_max_percent"]))
        )
    facts.append((pgettext("programme page", "What it pays earns points"), _word(rules["earns"])))
    facts.append((pgettext("programme page", "The card can be returned"), _word(rules["returnable"])))
    if rules["returnable"]:
        deducts = rules["spent_bonus_on_return"] == "deduct"
        facts.append(
            (
                pgettext("programme page", "Spent bonus money at the return"),
                pgettext("programme page", "deducted") if deducts else str(CHOICES["keep"]),
            )
        )
    return facts


def _bonus(rule: Mapping[str, Any], document: Document) -> str:
    """ "from ¥500: ¥50 in 5 parts, one each month"."""
    given = []
    if "give" in rule:
        given.append(_amount(rule["give"], document))
    if "percent" in rule:
        given.append(_percent(rule["percent"]))
    words = pgettext("programme page", "from %(least)s: %(bonus)s bonus") % {
        "least": _amount(rule["from"], document),
        "bonus": " + ".join(given),
    }
    if rule["instalments"] > 1:
        words = pgettext("programme page", "%(what)s in %(parts)d parts, %(every)s") % {
            "what": words,
            "parts": rule["instalments"],
            "every": _EVERY[rule["every"]],
        }
    if rule["valid_months"]:
        words = pgettext("programme page", "%(what)s, valid for %(months)s") % {
            "what": words,
            "months": _months(rule["valid_months"]),
        }
    return words


def _gift_cards(document: Document) -> list[tuple[str, str]]:
    rules = document.get("gift_cards")
    if rules is None:
        return []
    facts = []
    if "least" in rules:
        facts.append(
            (pgettext("programme page", "A card is worth at least"), _amount(rules["least"], document))
        )
    if "most" in rules:
        facts.append(
            (pgettext("programme page", "A card is worth at most"), _amount(rules["most"], document))
        )
    lasts = _months(rules["valid_months"]) if rules["valid_months"] else pgettext("programme page", "no end")
    return [
        *facts,
        (pgettext("programme page", "A card lasts"), lasts),
        (pgettext("programme page", "It pays at most"), _share(rules["max_percent"])),
        (pgettext("programme page", "What it pays earns points"), _word(rules["earns"])),
        (pgettext("programme page", "The card can be returned"), _word(rules.get("returnable", False))),
    ]


def _limits(document: Document) -> list[tuple[str, str]]:
    """Only what this document states itself: the law's defaults hold without being written down."""
    limits = document.get("card_limits") or {}
    facts = []
    for key, label in _LIMITS:
        if key in limits:
            value = limits[key]
            if value == "none":
                words = pgettext("programme page", "no limit")
            elif key == "bearer_months_least":
                words = _months(value)
            else:
                words = _amount(value, document)
            facts.append((str(label), words))
    return facts


def _taxes(document: Document) -> list[tuple[str, str]]:
    rules = document.get("taxes")
    if rules is None:
        return []
    included = rules["prices"] == "inclusive"
    rates = [(localized(rate["name"]), _percent(rate["percent"])) for rate in rules["rates"]]
    default = next((localized(r["name"]) for r in rules["rates"] if r["code"] == rules.get("default")), "")
    return [
        (
            pgettext("programme page", "Prices are"),
            pgettext("programme page", "with tax") if included else pgettext("programme page", "without tax"),
        ),
        *rates,
        (
            pgettext("programme page", "All other products"),
            default or pgettext("programme page", "without tax"),
        ),
        (
            pgettext("programme page", "Tax is"),
            pgettext("programme page", "%(rounding)s, %(per)s")
            % {
                "rounding": CHOICES[rules["rounding"]],
                "per": CHOICES["line"]
                if rules["round_per"] == "line"
                else pgettext("programme page", "per rate"),
            },
        ),
        (
            pgettext("programme page", "Points as cash reduce the taxed amount"),
            _word(rules["points_reduce_tax"]),
        ),
        (pgettext("programme page", "Tax earns points"), _word(rules["tax_earns"])),
    ]


def _offline(document: Document) -> list[tuple[str, str]]:
    rules = document.get("offline")
    if rules is None:
        return []
    facts = [(pgettext("programme page", "Sales are taken in for"), _days(rules["accept_days"]))]
    if rules["allowance_points"]:
        facts.append(
            (
                pgettext("programme page", "Points on trust"),
                f"{formats.number(rules['allowance_points'])} {asset_name(document, 'points')}",
            )
        )
    if "allowance" in rules:
        facts.append(
            (pgettext("programme page", "Stored value on trust"), _amount(rules["allowance"], document))
        )
    if rules["allowance_points"] or "allowance" in rules:
        hours = ngettext("%(count)d hour", "%(count)d hours", rules["allowance_hours"])
        facts.append(
            (pgettext("programme page", "An allowance lasts"), hours % {"count": rules["allowance_hours"]})
        )
    return facts


def _adjustments(document: Document) -> list[tuple[str, str]]:
    roles = {**{role.value: role.label for role in Role}, KEY_ROLE: pgettext("programme page", "API keys")}
    facts = []
    for code, rules in (document.get("adjustments") or {}).items():
        name = asset_name(document, code)
        facts += [
            (
                f"{name} · {roles.get(role, role)}",
                pgettext("programme page", "up to %s") % formats.number(most),
            )
            for role, most in rules["limits"].items()
        ]
        facts.append(
            (
                f"{name} · " + pgettext("programme page", "a second person approves above"),
                formats.number(rules["four_eyes_above"]),
            )
        )
    return facts


def _transfers(document: Document) -> list[tuple[str, str]]:
    facts = []
    for code, rules in (document.get("transfers") or {}).items():
        if not rules["allowed"]:
            continue
        parts = [pgettext("programme page", "from %s") % formats.number(rules["minimum"])]
        if "maximum" in rules:
            parts.append(pgettext("programme page", "up to %s") % formats.number(rules["maximum"]))
        if "per_day" in rules:
            parts.append(pgettext("programme page", "%s a day at most") % formats.number(rules["per_day"]))
        if Decimal(rules["fee_percent"]):
            parts.append(pgettext("programme page", "fee %s") % _percent(rules["fee_percent"]))
        facts.append((asset_name(document, code), " · ".join(parts)))
    return facts


def _word(value: bool) -> str:
    return str(CHOICES[value])


def _amount(text: str, document: Document) -> str:
    currency = document["currency"]
    minor = to_minor(str(text), currency)
    return formats.money(minor, currency, whole=minor % 10 ** exponent(currency) == 0)


def _percent(text: str) -> str:
    return f"{Decimal(text).normalize():f}%"


def _share(text: str) -> str:
    if Decimal(text) == 100:
        return pgettext("programme page", "the whole order")
    return pgettext("programme page", "%(percent)s of the order") % {"percent": _percent(text)}


def _months(count: int) -> str:
    return ngettext("%(count)d month", "%(count)d months", count) % {"count": count}


def _days(count: int) -> str:
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
