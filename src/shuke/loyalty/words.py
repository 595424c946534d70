"""A programme document in human words: its rules, its terms, and why an entry of the ledger is what it is.

Every function answers in the active language. Documents are those that `loyalty.document.validate` returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import get_language, pgettext, pgettext_lazy

Document = Mapping[str, Any]

# Django writes language codes in small letters, documents as BCP 47 does.
_LANGUAGES = {"zh-hans": "zh-Hans", "zh-hant": "zh-Hant", "en": "en"}

CHOICES = {
    "floor": pgettext_lazy("programme", "rounded down"),
    "half_up": pgettext_lazy("programme", "rounded half up"),
    "ceil": pgettext_lazy("programme", "rounded up"),
    "order": pgettext_lazy("programme", "once per order"),
    "line": pgettext_lazy("programme", "per line"),
    "spend": pgettext_lazy("programme", "by spend"),
    "growth": pgettext_lazy("programme", "by growth"),
    "one_level": pgettext_lazy("programme", "one level at the end of the term"),
    "to_qualified": pgettext_lazy("programme", "to the qualified level at the end of the term"),
    "at_once": pgettext_lazy("programme", "at once"),
    "period_end": pgettext_lazy("programme", "at the end of the term"),
    "return": pgettext_lazy("programme", "returned"),
    "claw_back": pgettext_lazy("programme", "taken back"),
    "keep": pgettext_lazy("programme", "kept"),
    "add": pgettext_lazy("programme", "added up"),
    "best": pgettext_lazy("programme", "only the best"),
    "multiply": pgettext_lazy("programme", "multiplied"),
    "never": pgettext_lazy("programme", "never"),
    "month_end": pgettext_lazy("programme", "at the end of the month"),
    "quarter_end": pgettext_lazy("programme", "at the end of the quarter"),
    "year_end": pgettext_lazy("programme", "at the end of the year"),
    "exact": pgettext_lazy("programme", "to the second"),
    "refuse": pgettext_lazy("programme", "refused"),
    "debt": pgettext_lazy("programme", "as a debt"),
    "cash_value": pgettext_lazy("programme", "paid in money"),
    "write_off": pgettext_lazy("programme", "written off once approved"),
    True: pgettext_lazy("programme", "yes"),
    False: pgettext_lazy("programme", "no"),
}

KINDS = {
    "points": pgettext_lazy("programme", "points"),
    "growth": pgettext_lazy("programme", "growth"),
    "stored_value": pgettext_lazy("programme", "stored value"),
    "bonus": pgettext_lazy("programme", "bonus money"),
    "gift_card": pgettext_lazy("programme", "gift card"),
    "punch": pgettext_lazy("programme", "punch card"),
    "custom": pgettext_lazy("programme", "custom asset"),
}
"""What an asset is."""

WEEKDAYS = {
    "mon": pgettext_lazy("programme", "Monday"),
    "tue": pgettext_lazy("programme", "Tuesday"),
    "wed": pgettext_lazy("programme", "Wednesday"),
    "thu": pgettext_lazy("programme", "Thursday"),
    "fri": pgettext_lazy("programme", "Friday"),
    "sat": pgettext_lazy("programme", "Saturday"),
    "sun": pgettext_lazy("programme", "Sunday"),
}


def localized(names: Mapping[str, str], language: str | None = None) -> str:
    """The name in a language (default: the active one); without one, the zh-Hans name."""
    wanted = _LANGUAGES.get((language or get_language() or "").lower(), "zh-Hans")
    return names.get(wanted) or names.get("zh-Hans") or next(iter(names.values()), "")


def grouped(number: str | int) -> str:
    """A number for reading: "5000.00" → "5,000.00"."""
    return f"{Decimal(number):,}"


def asset_name(document: Document, asset: str) -> str:
    spec = document["assets"].get(asset)
    return localized(spec["name"]) if spec else asset


def tier_name(document: Document, code: str) -> str:
    level = next((level for level in document["tiers"]["levels"] if level["code"] == code), None)
    return localized(level["name"]) if level else code


def rule_name(document: Document, rule_id: str) -> str:
    """The name of an earning rule or multiplier; its id when the document does not know it."""
    rules = (*document["earning"], *document["multipliers"])
    rule = next((rule for rule in rules if rule["id"] == rule_id), None)
    return localized(rule["name"]) if rule else rule_id


def describe_expiry(expiry: Mapping[str, Any]) -> str:
    """When units lapse: "12 months after they were earned, at the end of the month"."""
    match expiry["model"]:
        case "rolling" | "inactivity" as model:
            return _term(model, expiry)
        case "fixed_date":
            return pgettext("programme", "after %(day)s") % {"day": expiry["on"]}
        case "end_of_year" if expiry["years"] == 0:
            return pgettext("programme", "at the end of the year in which they were earned")
        case "end_of_year":
            return pgettext("programme", "at the end of the year, %(years)d years after they were earned") % {
                "years": expiry["years"]
            }
        case _:
            return str(CHOICES["never"])


def _term(model: str, expiry: Mapping[str, Any]) -> str:
    days = expiry.get("days", 0)
    if model == "rolling":
        if not days and expiry["round_to"] == "month_end":
            return pgettext(
                "programme", "%(months)d months after they were earned, at the end of the month"
            ) % {"months": expiry["months"]}
        text = (
            pgettext("programme", "%(days)d days after they were earned") % {"days": days}
            if days
            else pgettext("programme", "%(months)d months after they were earned")
            % {"months": expiry["months"]}
        )
    else:
        text = (
            pgettext("programme", "%(days)d days after the last earning or spending") % {"days": days}
            if days
            else pgettext("programme", "%(months)d months after the last earning or spending")
            % {"months": expiry["months"]}
        )
    if expiry["round_to"] != "none":
        return pgettext("programme", "%(term)s, %(rounded)s") % {
            "term": text,
            "rounded": CHOICES[expiry["round_to"]],
        }
    if expiry.get("instant") == "exact":
        return pgettext("programme", "%(term)s, %(rounded)s") % {"term": text, "rounded": CHOICES["exact"]}
    return text


def describe_pending(pending: Mapping[str, Any]) -> str:
    """When units become usable: "7 days after they were earned"."""
    match pending["usable"]:
        case "after_days":
            return pgettext("programme", "%(days)d days after they were earned") % {"days": pending["days"]}
        case "after_return_window":
            return pgettext("programme", "once the return window has closed")
        case "on_event":
            return pgettext("programme", "on the event “%(event)s”") % {"event": pending["event"]}
        case _:
            return str(CHOICES["at_once"])


def describe_earning(rule: Mapping[str, Any], document: Document) -> str:
    """ "1 Points for every 1.00 CNY; on Wednesday"."""
    text = pgettext("programme", "%(give)s %(asset)s for every %(per)s %(currency)s") % {
        "give": grouped(rule["give"]),
        "asset": asset_name(document, rule["asset"]),
        "per": grouped(rule["per"]),
        "currency": document["currency"],
    }
    return _with_conditions(text, rule, document)


def describe_multiplier(rule: Mapping[str, Any], document: Document) -> str:
    """ "Points ×2; on Wednesday"."""
    text = pgettext("programme", "%(asset)s ×%(factor)s") % {
        "asset": asset_name(document, rule["asset"]),
        "factor": rule["factor"],
    }
    return _with_conditions(text, rule, document)


def _with_conditions(text: str, rule: Mapping[str, Any], document: Document) -> str:
    if not rule.get("when"):
        return text
    conditions = describe_conditions(rule["when"], document)
    return pgettext("programme", "%(text)s; %(conditions)s") % {"text": text, "conditions": conditions}


def describe_conditions(when: Mapping[str, Any] | None, document: Document) -> str:
    """The conditions of a rule, which all must hold; "always" without any."""
    if not when:
        return pgettext("programme", "always")
    parts = []
    if tiers := when.get("tiers"):
        parts.append(
            pgettext("programme", "for %(tiers)s")
            % {"tiers": _listed([tier_name(document, code) for code in tiers])}
        )
    if stores := when.get("stores"):
        parts.append(pgettext("programme", "in stores %(stores)s") % {"stores": _listed(stores)})
    if channels := when.get("channels"):
        parts.append(pgettext("programme", "through %(channels)s") % {"channels": _listed(channels)})
    if categories := when.get("categories"):
        parts.append(pgettext("programme", "on %(categories)s") % {"categories": _listed(categories)})
    if weekdays := when.get("weekdays"):
        parts.append(
            pgettext("programme", "every %(weekdays)s")
            % {"weekdays": _listed([str(WEEKDAYS[day]) for day in weekdays])}
        )
    if dates := when.get("dates"):
        parts.append(_dates(dates))
    if when.get("birthday_month"):
        parts.append(pgettext("programme", "in the member's birthday month"))
    return pgettext("programme", "; ").join(parts) or pgettext("programme", "always")


def _dates(dates: Mapping[str, str]) -> str:
    if "from" in dates and "to" in dates:
        return pgettext("programme", "from %(first)s to %(last)s") % {
            "first": dates["from"],
            "last": dates["to"],
        }
    if "from" in dates:
        return pgettext("programme", "from %(first)s on") % {"first": dates["from"]}
    return pgettext("programme", "until %(last)s") % {"last": dates["to"]}


def _listed(words: Sequence[str]) -> str:
    """Words after each other; of a long list the first ten and how many more."""
    shown = pgettext("programme", ", ").join(words[:10])
    return (
        pgettext("programme", "%(shown)s and %(more)d more") % {"shown": shown, "more": len(words) - 10}
        if len(words) > 10
        else shown
    )


def explain_earning(explain: Mapping[str, Any], document: Document, asset: str = "points") -> str:
    """Why an entry earned what it did, from its `explain` and the version of the programme that priced it.

    {"rules": [{"id": "base", "points": 19}, {"id": "tier", "tier": "gold", "factor": "1.2", "points": 3}]} →
    "19 from Points on every purchase, 3 more for Gold (×1.2): 22 Points in all".
    """
    parts, total = [], 0
    for rule in explain.get("rules", ()):
        figures = {"points": grouped(rule["points"]), "factor": rule.get("factor")}
        total += rule["points"]
        if rule["id"] == "tier":
            figures["name"] = tier_name(document, rule.get("tier", ""))
        else:
            figures["name"] = rule_name(document, rule["id"])
        template = (
            pgettext("programme", "%(points)s more for %(name)s (×%(factor)s)")
            if figures["factor"]
            else pgettext("programme", "%(points)s from %(name)s")
        )
        parts.append(template % figures)
    if not parts:
        return ""
    return pgettext("programme", "%(parts)s: %(total)s %(asset)s in all") % {
        "parts": pgettext("programme", ", ").join(parts),
        "total": grouped(total),
        "asset": asset_name(document, asset),
    }
