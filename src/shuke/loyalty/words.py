"""A programme document in human words: its rules, its terms, and why an entry of the ledger is what it is.

Every function answers in the active language. Documents are those that `loyalty.document.validate` returned.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "orders": pgettext_lazy("programme", "by number of orders"),
    "points": pgettext_lazy("programme", "by points earned"),
    "none": pgettext_lazy("programme", "by hand only"),
    "rolling": pgettext_lazy("programme", "the months before"),
    "calendar_year": pgettext_lazy("programme", "the calendar year"),
    "anniversary": pgettext_lazy("programme", "the year since the day of joining"),
    "upgrade": pgettext_lazy("programme", "who reaches more goes up, nobody goes down"),
    "reassess": pgettext_lazy("programme", "everyone gets the level they reach"),
    "ignore": pgettext_lazy("programme", "does not count"),
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
    "stackable": pgettext_lazy("programme", "together with others"),
    "exclusive": pgettext_lazy("programme", "alone, instead of others"),
    "unit": pgettext_lazy("programme", "per unit"),
    "total": pgettext_lazy("programme", "in all"),
    "year": pgettext_lazy("programme", "per year"),
    "month": pgettext_lazy("programme", "per month"),
    "day": pgettext_lazy("programme", "per day"),
    "named": pgettext_lazy("programme", "the rules that name it"),
    "all": pgettext_lazy("programme", "all rules"),
    "give_rest": pgettext_lazy("programme", "the rest is given"),
    "give_nothing": pgettext_lazy("programme", "nothing is given"),
    "cash_value": pgettext_lazy("programme", "paid in money"),
    "restore": pgettext_lazy("programme", "given back while valid"),
    "void": pgettext_lazy("programme", "lost"),
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

# A programme that did not translate the ordinary word leaves the reader of another language with one of these.
_ORDINARY_POINTS = frozenset({"积分", "積分", "Points", "points"})


def localized(names: Mapping[str, str], language: str | None = None) -> str:
    """The name in a language (default: the active one); without one, the zh-Hans name."""
    wanted = _LANGUAGES.get((language or get_language() or "").lower(), "zh-Hans")
    return names.get(wanted) or names.get("zh-Hans") or next(iter(names.values()), "")


def grouped(number: str | int) -> str:
    """A number for reading: "5000.00" → "5,000.00"."""
    return f"{Decimal(number):,}"


def asset_name(document: Document | None, asset: str) -> str:
    """The name of an asset. What a member holds outlives the programme that named it: then it is told by what it is."""
    spec = document["assets"].get(asset) if document else None
    return localized(spec["name"]) if spec else str(KINDS.get(asset, asset))


def asset_word(document: Document | None, asset: str) -> str:
    """The name of an asset within a sentence: "points" and "growth" in small letters unless they were given their own."""
    name, ordinary = asset_name(document, asset), str(KINDS.get(asset, asset))
    is_ordinary = name.casefold() == ordinary.casefold() or (asset == "points" and name in _ORDINARY_POINTS)
    return ordinary if is_ordinary else name


def own_points_name(document: Document | None) -> str:
    """What a programme calls its points, in the active language; "" where that is the ordinary word for them."""
    word = asset_word(document, "points")
    return "" if word == str(KINDS["points"]) else word


def tier_name(document: Document, code: str) -> str:
    tracks = (document["tiers"], *document.get("tracks", ()))
    level = next((level for track in tracks for level in track["levels"] if level["code"] == code), None)
    return localized(level["name"]) if level else code


def track_name(document: Document, code: str) -> str:
    """The name of a further track, its code when this version has none of it; the main one is just "Tier"."""
    if not code:
        return pgettext("track", "Tier")
    track = next((each for each in document.get("tracks", ()) if each["code"] == code), None)
    return localized(track["name"]) if track else code


def coupon_name(document: Document, code: str) -> str:
    """The name of a coupon; its code when this version does not know it: pieces outlive their template."""
    coupon = next((each for each in document.get("coupons", ()) if each["code"] == code), None)
    return localized(coupon["name"]) if coupon else code


def rule_name(document: Document, rule_id: str) -> str:
    """The name of an earning rule, multiplier or accrual; its id when the document does not know it."""
    rules = (*document["earning"], *document["multipliers"], *document.get("accruals", ()))
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


CUTS = {
    "order": pgettext_lazy("programme", "the most per order"),
    "day": pgettext_lazy("programme", "the most per day"),
    "month": pgettext_lazy("programme", "the most per month"),
    "member": pgettext_lazy("programme", "the most per member"),
    "budget": pgettext_lazy("programme", "what the budget still held"),
}
"""What limited a rule's units, as entries of the ledger name it."""


def _cut(rule: Mapping[str, Any]) -> str:
    """ " (instead of 40: the most per day)" for a rule that a limit has cut."""
    if "of" not in rule:
        return ""
    return pgettext("programme", " (instead of %(of)s: %(limit)s)") % {
        "of": grouped(rule["of"]),
        "limit": CUTS.get(rule.get("cut", ""), rule.get("cut", "")),
    }


def plan_name(document: Document, code: str) -> str:
    """A plan by its name; one that is no more keeps its code."""
    plan = next((each for each in document.get("plans", ()) if each["code"] == code), None)
    return localized(plan["name"]) if plan else code


def holder_names(document: Document, holders: str) -> str:
    """ "tier:gold,plan:vip" → "Gold, Plus"."""
    found = []
    for each in holders.split(","):
        kind, _colon, code = each.partition(":")
        found.append(plan_name(document, code) if kind == "plan" else tier_name(document, code))
    return pgettext("programme", ", ").join(found)


def _benefactors(rule: Mapping[str, Any], document: Document) -> str:
    """Whose multiplier it was: the tier's, the plan's, or both."""
    names = [tier_name(document, rule["tier"])] if rule.get("tier") or "plan" not in rule else []
    if rule.get("plan"):
        names.append(plan_name(document, rule["plan"]))
    return pgettext("programme", " and ").join(names)


def explain_earning(explain: Mapping[str, Any], document: Document, asset: str = "points") -> str:
    """Why an entry earned what it did, from its `explain` and the version of the programme that priced it.

    {"rules": [{"id": "base", "points": 19}, {"id": "tier", "tier": "gold", "factor": "1.2", "points": 3}]} →
    "19 from Points on every purchase, 3 more for Gold (×1.2): 22 Points in all".
    """
    parts, total = [], 0
    for rule in explain.get("rules", ()):
        figures = {"points": grouped(rule["points"]), "factor": rule.get("factor")}
        total += rule["points"]
        if rule["id"] in ("tier", "plan"):
            figures["name"] = _benefactors(rule, document)
        elif rule["id"] == "birthday_gift":
            figures["name"] = pgettext("programme", "the birthday gift of %s") % _benefactors(rule, document)
        else:
            figures["name"] = rule_name(document, rule["id"])
        template = (
            pgettext("programme", "%(points)s more for %(name)s (×%(factor)s)")
            if figures["factor"]
            else pgettext("programme", "%(points)s from %(name)s")
        )
        parts.append(template % figures + _cut(rule))
    if not parts:
        return ""
    return pgettext("programme", "%(parts)s: %(total)s %(asset)s in all") % {
        "parts": pgettext("programme", ", ").join(parts),
        "total": grouped(total),
        "asset": asset_name(document, asset),
    }
