"""Coupons in words: what a template gives, on which terms, how one gets it; where a piece comes from and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.console.audit_words import actor_kind_name
from shuke.console.benefit_words import listed
from shuke.loyalty.programme import Programme
from shuke.loyalty.words import Document, localized, plan_name, tier_name
from shuke.rewards.queries import Figures
from shuke.rewards.values import CouponTemplate

WHOLE = 100_000
"""A hundred percent, in the templates' thousandths of a percent."""

TYPES = {
    "amount_off": gettext_lazy("Amount off"),
    "threshold": gettext_lazy("Spend and save"),
    "percent_off": gettext_lazy("Percent off"),
    "fixed_price": gettext_lazy("Fixed price"),
    "nth_item": gettext_lazy("Nth piece"),
    "buy_x_get_y": gettext_lazy("Buy some, get some"),
    "cheapest_free": gettext_lazy("Cheapest free"),
    "gift_item": gettext_lazy("Gift"),
    "free_shipping": gettext_lazy("Free shipping"),
    "exchange": gettext_lazy("Exchange voucher"),
}
OCCASIONS = {
    "registration": gettext_lazy("on joining"),
    "birthday": gettext_lazy("on birthdays"),
    "tier_up": gettext_lazy("on a higher tier"),
    "first_purchase": gettext_lazy("after the first purchase"),
    "profile_completed": gettext_lazy("for a complete profile"),
    "referral": gettext_lazy("for bringing a friend"),
}
SOURCES = {
    "manual": gettext_lazy("Handed out by staff"),
    "auto": gettext_lazy("Came by itself"),
    "claim": gettext_lazy("Claimed with a public code"),
    "code": gettext_lazy("Claimed with its own code"),
    "pack": gettext_lazy("From a coupon pack"),
    "campaign": gettext_lazy("From a campaign"),
    "order": gettext_lazy("Came with an order"),
    "reward": gettext_lazy("Redeemed as a reward"),
}
STATES = {
    "issued": pgettext_lazy("coupon", "not claimed"),
    "held": pgettext_lazy("coupon", "can be used"),
    "used": pgettext_lazy("coupon", "used"),
    "expired": pgettext_lazy("coupon", "expired"),
    "void": pgettext_lazy("coupon", "called back"),
}
STATE_KINDS = {"held": "ok", "used": "info", "expired": "", "void": "bad"}
HAPPENED = {
    "issued": pgettext_lazy("coupon history", "Handed out"),
    "held": pgettext_lazy("coupon history", "Claimed"),
    "used": pgettext_lazy("coupon history", "Used"),
    "restored": pgettext_lazy("coupon history", "Given back by a refund"),
    "passed": pgettext_lazy("coupon history", "Passed on"),
    "expired": pgettext_lazy("coupon history", "Expired"),
    "void": pgettext_lazy("coupon history", "Called back"),
}
LIMITS = {
    "stock": pgettext_lazy("coupon limit", "Pieces"),
    "uses": pgettext_lazy("coupon limit", "Uses"),
    "money": pgettext_lazy("coupon limit", "Money"),
}
JOB_STATES = {
    "running": pgettext_lazy("codes", "Being made"),
    "done": pgettext_lazy("codes", "Ready"),
    "expired": pgettext_lazy("codes", "Expired"),
    "void": pgettext_lazy("codes", "Called back"),
}
JOB_KINDS = {"running": "info", "done": "ok", "void": "bad"}


@dataclass(frozen=True, slots=True)
class Use:
    """How far a limit is used up. `tone`: "" in order, "warn" at the alarm, "bad" when nothing is left."""

    kind: str
    label: str
    taken: int
    most: int
    shown: str
    tone: str

    @property
    def percent(self) -> int:
        return min(self.taken * 100 // self.most, 100)

    @property
    def told(self) -> str:
        """The limit as a warning tells it."""
        if self.tone == "bad":
            return _("%(limit)s used up (%(figures)s)") % {"limit": self.label, "figures": self.shown}
        return _("%(limit)s %(percent)d%% used (%(figures)s)") % {
            "limit": self.label,
            "percent": self.percent,
            "figures": self.shown,
        }


def limits_of(template: CouponTemplate, figures: Figures, currency: str) -> list[Use]:
    """The template's stock and budgets beside what is taken of them; limits that it does not have are left out."""
    limits = template.limits
    parts = (
        ("stock", figures.issued, limits.stock),
        ("uses", figures.used, limits.budget_count),
        ("money", figures.given_minor, limits.budget_minor),
    )
    found = []
    for kind, taken, most in parts:
        if most is None:
            continue
        alarm = limits.alarm_percent
        tone = "bad" if taken >= most else "warn" if alarm and taken * 100 >= most * alarm else ""
        found.append(Use(kind, str(LIMITS[kind]), taken, most, taken_of(kind, taken, most, currency), tone))
    return found


def taken_of(kind: str, taken: int, most: int, currency: str) -> str:
    """How much of a limit is taken: 52 / 100, or ¥52.00 / ¥100.00."""
    if kind == "money":
        return f"{formats.money(taken, currency)} / {formats.money(most, currency)}"
    return f"{formats.number(taken)} / {formats.number(most)}"


def who(reference: str, people: Mapping[str, str]) -> str:
    """Who did it: the name of the person or key; the system itself by its word."""
    kind, _colon, name = reference.partition(":")
    return people.get(reference) or (actor_kind_name(kind) if kind == "system" else name)


def gives(template: CouponTemplate, currency: str) -> str:
    """What it takes off, in a few words: ¥10.00 off; 8.5 折, at most ¥30.00."""
    text = _value(template, currency)
    if template.cap is not None:
        text = _("%(value)s, at most %(cap)s") % {
            "value": text,
            "cap": formats.money(template.cap, currency),
        }
    if template.minimum_spend and template.type != "threshold":
        text = _("%(value)s, from a spend of %(spend)s") % {
            "value": text,
            "spend": formats.money(template.minimum_spend, currency),
        }
    return text


def _value(template: CouponTemplate, currency: str) -> str:
    amount = formats.money(template.amount, currency)
    price = formats.money(template.price, currency)
    match template.type:
        case "amount_off" if template.each_unit:
            return _("%(amount)s off each piece") % {"amount": amount}
        case "amount_off":
            return _("%(amount)s off") % {"amount": amount}
        case "threshold":
            return pgettext("list", "; ").join(_steps(template, currency))
        case "percent_off":
            return _reduced(template.percent)
        case "fixed_price":
            return ngettext(
                "%(count)d piece for %(price)s", "%(count)d pieces for %(price)s", template.buy
            ) % {
                "count": template.buy,
                "price": price,
            }
        case "nth_item":
            return _("every piece number %(nth)d: %(reduced)s") % {
                "nth": template.nth,
                "reduced": _reduced(template.percent),
            }
        case "buy_x_get_y":
            return _("buy %(buy)d, get %(get)d: %(reduced)s") % {
                "buy": template.buy,
                "get": template.get,
                "reduced": _reduced(template.percent),
            }
        case "cheapest_free":
            return _("of %(buy)d pieces the cheapest %(get)d: %(reduced)s") % {
                "buy": template.buy,
                "get": template.get,
                "reduced": _reduced(template.percent),
            }
        case "gift_item":
            return _("a gift")
        case "free_shipping":
            return _("free shipping")
        case "exchange" if template.price:
            return _("a piece for %(price)s") % {"price": price}
        case "exchange":
            return _("a piece for free")


def _steps(template: CouponTemplate, currency: str) -> Iterator[str]:
    for step in template.steps:
        figures = {"off": formats.money(step.off, currency), "least": formats.money(step.least, currency)}
        yield (
            _("%(off)s off for every %(least)s") if template.repeat else _("%(off)s off from %(least)s")
        ) % figures


def _reduced(percent: int) -> str:
    """A reduction in thousandths of a percent as people say it."""
    if percent >= WHOLE:
        return _("free of charge")
    return formats.discount(100 - Decimal(percent) / 1000)


def term(template: CouponTemplate) -> str:
    """From when until when it is good."""
    validity = template.validity
    parts = []
    if validity.begins and validity.ends:
        parts.append(f"{formats.day(validity.begins)} – {formats.day(validity.ends)}")
    elif validity.begins:
        parts.append(_("from %(day)s") % {"day": formats.day(validity.begins)})
    elif validity.ends:
        parts.append(_("until %(day)s") % {"day": formats.day(validity.ends)})
    days = validity.days_after_issue
    if days == 0:
        parts.append(_("on the day of issue"))
    elif days is not None:
        parts.append(
            ngettext("%(days)d day from its issue", "%(days)d days from its issue", days) % {"days": days}
        )
    wait = validity.starts_after_days
    if wait:
        parts.append(
            ngettext("beginning %(days)d day after it", "beginning %(days)d days after it", wait)
            % {"days": wait}
        )
    return pgettext("list", ", ").join(parts) or _("without end")


def ways(template: CouponTemplate, programme: Programme, document: Document) -> list[str]:
    """By which ways of the programme it comes to members: packs and birthdays of plans and tiers, rewards, occasions.

    A public code and unique codes are told beside it; staff may hand out any coupon.
    """
    tiers = [level for track in (programme.tiers, *programme.tracks.values()) for level in track.levels]
    holders = [(tier_name(document, level.code), level.benefit) for level in tiers]
    holders += [(plan_name(document, plan.code), plan.benefit) for plan in programme.plans.values()]
    packs, gifts = list[str](), list[str]()
    for name, benefit in holders:
        if any(template.code == coupon for pack in benefit.packs for coupon, _pieces in pack.coupons):
            packs.append(name)
        if benefit.birthday and any(template.code == coupon for coupon, _pieces in benefit.birthday.coupons):
            gifts.append(name)
    found = [str(OCCASIONS[each]) for each in template.auto_issue if each in OCCASIONS]
    if packs:
        found.append(_("pack of %(holder)s") % {"holder": listed(packs)})
    if gifts:
        found.append(_("birthday gift of %(holder)s") % {"holder": listed(gifts)})
    return found + [
        _("reward “%(reward)s”") % {"reward": localized(offer.names)}
        for offer in programme.rewards.values()
        if offer.kind == "coupon" and offer.coupon == template.code
    ]


def state(template: CouponTemplate, uses: Iterable[Use], today: date) -> tuple[str, str]:
    """(words, tone) of how it stands: used up, over, not begun, or running."""
    validity = template.validity
    if any(use.tone == "bad" for use in uses):
        return pgettext("coupon", "Used up"), "bad"
    if validity.ends and validity.ends < today:
        return pgettext("coupon", "Over"), ""
    if validity.begins and validity.begins > today:
        return pgettext("coupon", "Not begun"), "info"
    return pgettext("coupon", "Running"), "ok"
