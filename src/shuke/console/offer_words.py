"""What a programme offers beside points, one line each: coupons, rewards and plans by name, for whoever checks a draft."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from shuke.console import formats
from shuke.console.coupon_words import gives
from shuke.loyalty.plans.values import Duration
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.words import Document, asset_name, localized


def tell_offers(document: Document) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, [(name, a short line)]) of what there is of coupons, rewards and plans, in the document's order."""
    programme = compile_programme(document)
    currency, points = programme.currency, asset_name(document, "points")
    coupons = [(localized(each.name), gives(each, currency)) for each in programme.coupons.values()]
    rewards = []
    for offer in programme.rewards.values():
        price = [f"{formats.number(offer.price.points)} {points}"] if offer.price.points else []
        price += [formats.money(offer.price.cash_minor, currency)] if offer.price.cash_minor else []
        rewards.append((localized(offer.names), " + ".join(price)))
    plans = [
        (localized(plan.name), f"{formats.money(plan.price, currency)} · {lasts(plan.duration)}")
        for plan in programme.plans.values()
    ]
    found = [(_("Coupons"), coupons), (_("Rewards"), rewards), (_("Paid plans"), plans)]
    return [(title, rows) for title, rows in found if rows]


def lasts(duration: Duration) -> str:
    """ "12 months", "7 days"."""
    parts = []
    if duration.months:
        parts.append(
            ngettext("%(count)d month", "%(count)d months", duration.months) % {"count": duration.months}
        )
    if duration.days:
        parts.append(ngettext("%(count)d day", "%(count)d days", duration.days) % {"count": duration.days})
    return " ".join(parts)
