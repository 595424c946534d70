"""Earning rules, multipliers, accruals and budgets in human words, in the active language.

Documents are those that `loyalty.document.validate` returned, of this release or an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import pgettext, pgettext_lazy

from shuke.loyalty.words import (
    CHOICES,
    Document,
    asset_name,
    describe_expiry,
    describe_pending,
    grouped,
    localized,
    tier_name,
)

WEEKDAYS = {
    "mon": pgettext_lazy("programme", "Monday"),
    "tue": pgettext_lazy("programme", "Tuesday"),
    "wed": pgettext_lazy("programme", "Wednesday"),
    "thu": pgettext_lazy("programme", "Thursday"),
    "fri": pgettext_lazy("programme", "Friday"),
    "sat": pgettext_lazy("programme", "Saturday"),
    "sun": pgettext_lazy("programme", "Sunday"),
}

CAUSES = {
    "registration": pgettext_lazy("programme", "for joining"),
    "profile_completed": pgettext_lazy("programme", "for completing the profile"),
    "check_in": pgettext_lazy("programme", "for a check-in"),
    "survey": pgettext_lazy("programme", "for a survey"),
    "referral": pgettext_lazy("programme", "for bringing a friend"),
    "review": pgettext_lazy("programme", "for a review"),
}
"""What a member can do, other than buying."""

_BIRTHDAYS = {
    "day": pgettext_lazy("programme", "on the member's birthday"),
    "week": pgettext_lazy("programme", "in the week of the member's birthday"),
    "month": pgettext_lazy("programme", "in the member's birthday month"),
}

_CAPS = {
    "order": pgettext_lazy("programme", "at most %s per order"),
    "day": pgettext_lazy("programme", "at most %s per day"),
    "month": pgettext_lazy("programme", "at most %s per month"),
    "member": pgettext_lazy("programme", "at most %s per member"),
}


def describe_earning(rule: Mapping[str, Any], document: Document) -> str:
    """ "1 Points for every 1.00 CNY; on Wednesday"."""
    return _with_conditions(gives(rule, document), rule, document)


def gives(rule: Mapping[str, Any], document: Document) -> str:
    """What an earning rule gives, without its conditions: "1 Points for every 1.00 CNY"."""
    asset = asset_name(document, rule["asset"])
    if "fixed" in rule:
        return fixed(rule, grouped(rule["fixed"]), asset)
    return pgettext("programme", "%(give)s %(asset)s for every %(per)s %(currency)s") % {
        "give": grouped(rule["give"]),
        "asset": asset,
        "per": grouped(rule["per"]),
        "currency": document["currency"],
    }


def fixed(rule: Mapping[str, Any], number: str, asset: str) -> str:
    """What a rule with a fixed number gives; the number as the surface writes it."""
    template = (
        pgettext("programme", "%(give)s %(asset)s for every unit")
        if rule.get("fixed_per") == "unit"
        else pgettext("programme", "%(give)s %(asset)s for the order")
    )
    return template % {"give": number, "asset": asset}


def describe_multiplier(rule: Mapping[str, Any], document: Document) -> str:
    """ "Points ×2; on Wednesday"."""
    text = pgettext("programme", "%(asset)s ×%(factor)s") % {
        "asset": asset_name(document, rule["asset"]),
        "factor": rule["factor"],
    }
    return _with_conditions(text, rule, document)


def describe_accrual(rule: Mapping[str, Any], document: Document) -> str:
    """ "50 Points for a review; for Gold"."""
    text = pgettext("programme", "%(give)s %(asset)s %(cause)s") % {
        "give": grouped(rule["give"]),
        "asset": asset_name(document, rule["asset"]),
        "cause": CAUSES[rule["kind"]],
    }
    return _with_conditions(text, rule, document)


def describe_budget(budget: Mapping[str, Any], document: Document) -> str:
    """ "10,000 Points per month for the rules that name it; when less is left, the rest is given"."""
    return pgettext(
        "programme", "%(limit)s %(asset)s %(period)s for %(covers)s; when less is left, %(short)s"
    ) % {
        "limit": grouped(budget["limit"]),
        "asset": asset_name(document, budget["asset"]),
        "period": CHOICES[budget["period"]],
        "covers": CHOICES[budget["covers"]],
        "short": CHOICES[budget["when_short"]],
    }


def describe_terms(rule: Mapping[str, Any], document: Document) -> str:
    """How a rule stands to others and how much it may give: "alone, instead of others; at most 100 per day"; or ""."""
    parts = []
    if rule.get("stacking") == "exclusive":
        parts.append(str(CHOICES["exclusive"]))
    if rule.get("priority"):
        parts.append(pgettext("programme", "priority %d") % rule["priority"])
    if rule.get("multiplied") is False:
        parts.append(pgettext("programme", "not multiplied"))
    if rule.get("caps"):
        parts.append(describe_caps(rule["caps"]))
    if rule.get("budget"):
        parts.append(pgettext("programme", "from the budget %s") % budget_name(document, rule["budget"]))
    if rule.get("expiry"):
        parts.append(pgettext("programme", "expires: %s") % describe_expiry(rule["expiry"]))
    if rule.get("pending"):
        parts.append(pgettext("programme", "usable: %s") % describe_pending(rule["pending"]))
    return pgettext("programme", "; ").join(parts)


def describe_caps(caps: Mapping[str, int] | None) -> str:
    """ "at most 100 per day, at most 1,000 per month"; "no limit" without any."""
    if not caps:
        return pgettext("programme", "no limit")
    shown = [str(text) % grouped(caps[kind]) for kind, text in _CAPS.items() if kind in caps]
    return pgettext("programme", ", ").join(shown)


def budget_name(document: Document, budget_id: str) -> str:
    budget = next((each for each in document.get("budgets", ()) if each["id"] == budget_id), None)
    return localized(budget["name"]) if budget else budget_id


def _with_conditions(text: str, rule: Mapping[str, Any], document: Document) -> str:
    if not rule.get("when"):
        return text
    conditions = describe_conditions(rule["when"], document)
    return pgettext("programme", "%(text)s; %(conditions)s") % {"text": text, "conditions": conditions}


def describe_conditions(when: Mapping[str, Any] | None, document: Document) -> str:
    """The conditions of a rule, which all must hold; "always" without any."""
    if not when:
        return pgettext("programme", "always")
    parts = [*_member_parts(when, document), *_sale_parts(when, document), *time_parts(when)]
    return pgettext("programme", "; ").join(parts) or pgettext("programme", "always")


def _member_parts(when: Mapping[str, Any], document: Document) -> list[str]:
    parts = []
    if tiers := when.get("tiers"):
        names = [tier_name(document, code) for code in tiers]
        parts.append(pgettext("programme", "for %(tiers)s") % {"tiers": _listed(names)})
    if tags := when.get("tags"):
        parts.append(pgettext("programme", "for members tagged %s") % _listed(tags))
    if segments := when.get("segments"):
        parts.append(pgettext("programme", "for the segments %s") % _listed(segments))
    if plans := when.get("plans"):
        parts.append(pgettext("programme", "with the plan %s") % _listed(plans))
    if tenure := when.get("tenure_days"):
        between = _between(tenure, pgettext("programme", "%s days"))
        parts.append(pgettext("programme", "member for %s") % between)
    return parts


def _sale_parts(when: Mapping[str, Any], document: Document) -> list[str]:
    parts = []
    if stores := when.get("stores"):
        parts.append(pgettext("programme", "in stores %(stores)s") % {"stores": _listed(stores)})
    if channels := when.get("channels"):
        parts.append(pgettext("programme", "through %(channels)s") % {"channels": _listed(channels)})
    if tenders := when.get("tenders"):
        parts.append(pgettext("programme", "paid by %s") % _listed(tenders))
    if "first_purchase" in when:
        parts.append(
            pgettext("programme", "on the first purchase")
            if when["first_purchase"]
            else pgettext("programme", "after the first purchase")
        )
    currency = document["currency"]
    if amount := when.get("order_amount"):
        parts.append(pgettext("programme", "orders of %s") % _between(amount, f"%s {currency}"))
    if amount := when.get("lines_amount"):
        parts.append(pgettext("programme", "with these goods worth %s") % _between(amount, f"%s {currency}"))
    if goods := goods_words(when):
        parts.append(pgettext("programme", "on %(categories)s") % {"categories": goods})
    if exceptions := goods_words(when.get("except", {})):
        parts.append(pgettext("programme", "but not on %s") % exceptions)
    return parts


def goods_words(raw: Mapping[str, Any]) -> str:
    """Categories by their paths, brands and SKUs by name."""
    kinds = []
    if categories := raw.get("categories"):
        kinds.append(_listed(categories))
    if brands := raw.get("brands"):
        kinds.append(pgettext("programme", "the brands %s") % _listed(brands))
    if skus := raw.get("skus"):
        kinds.append(pgettext("programme", "the products %s") % _listed(skus))
    return pgettext("programme", ", ").join(kinds)


def time_parts(when: Mapping[str, Any]) -> list[str]:
    """The conditions of the time, each in words: ["every Monday", "at 07:00–10:00"]."""
    parts = []
    if weekdays := when.get("weekdays"):
        names = [str(WEEKDAYS[day]) for day in weekdays]
        parts.append(pgettext("programme", "every %(weekdays)s") % {"weekdays": _listed(names)})
    if days := when.get("month_days"):
        shown = _listed([str(day) for day in days])
        parts.append(pgettext("programme", "on the days %s of the month") % shown)
    if hours := when.get("hours"):
        parts.append(
            pgettext("programme", "at %s") % _listed([f"{each['from']}–{each['to']}" for each in hours])
        )
    if dates := when.get("dates"):
        parts.append(_dates(dates))
    birthday = when.get("birthday") or ("month" if when.get("birthday_month") else "")
    if birthday:
        parts.append(str(_BIRTHDAYS[birthday]))
    return parts


def _between(bounds: Mapping[str, Any], unit: str) -> str:
    """ "100.00 CNY to 200.00 CNY", "at least 100.00 CNY", "at most 200.00 CNY"."""
    low, high = (unit % grouped(bounds[key]) if key in bounds else "" for key in ("from", "to"))
    if low and high:
        return pgettext("programme", "%(low)s to %(high)s") % {"low": low, "high": high}
    if low:
        return pgettext("programme", "at least %s") % low
    return pgettext("programme", "at most %s") % high


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
