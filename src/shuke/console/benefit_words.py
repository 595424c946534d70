"""What tiers and paid plans bring, in words: in one short line where a plan is sold, in full where the programme is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.console.book_words import points_word
from shuke.kit import clock
from shuke.kit.money import exponent
from shuke.loyalty.benefits import Benefit, BirthdayGift, Entitlement, Exclusive, Pack
from shuke.loyalty.plans.values import Plan
from shuke.loyalty.programme import Programme
from shuke.loyalty.words import localized

PERIODS = {
    "day": gettext_lazy("per day"),
    "week": gettext_lazy("per week"),
    "month": gettext_lazy("per month"),
    "quarter": gettext_lazy("per quarter"),
    "year": gettext_lazy("per year"),
    "term": gettext_lazy("per term"),
}
_PACKS = {
    "month": pgettext_lazy("coupon pack", "Every month"),
    "quarter": pgettext_lazy("coupon pack", "Every quarter"),
    "year": pgettext_lazy("coupon pack", "Every year"),
}
NO_DISCOUNT, NO_MULTIPLIER, WHOLE_PERCENT = 0, 1000, 100_000
NAMED_MOST = 4
"""So many stores or categories are named; of more, the rest is counted."""


def told_benefits(plan: Plan) -> str:
    """A plan's benefits in one line."""
    benefit = plan.benefit
    parts = list(price_parts(benefit, points_word(clock.now())))
    if benefit.free_shipping_from is not None:
        parts.append(_("free shipping"))
    if benefit.priority_service:
        parts.append(_("priority service"))
    if benefit.exclusive:
        parts.append(_("exclusive goods"))
    if benefit.packs:
        parts.append(_("coupon packs"))
    if benefit.birthday:
        parts.append(_("birthday gift"))
    parts += [localized(each.name) for each in benefit.entitlements.values()]
    return " · ".join(parts)


def tell_benefit(benefit: Benefit, programme: Programme, points: str) -> list[str]:
    """All that it brings beside discount and multiplier, a line each. `points`: what they are called."""
    lines = []
    if benefit.birthday:
        lines.append(_birthday(benefit.birthday, programme, points))
    lines += [_pack(each, programme) for each in benefit.packs]
    lines += [_entitlement(each) for each in benefit.entitlements.values()]
    if benefit.free_shipping_from:
        least = whole_money(benefit.free_shipping_from, programme.currency)
        lines.append(pgettext("benefit", "Free shipping from %(amount)s") % {"amount": least})
    elif benefit.free_shipping_from is not None:
        lines.append(pgettext("benefit", "Free shipping"))
    if benefit.priority_service:
        lines.append(pgettext("benefit", "Priority service"))
    lines += [_exclusive(each) for each in benefit.exclusive]
    return lines


def price_parts(benefit: Benefit, points: str) -> Iterator[str]:
    """Discount and multiplier, where there is one: 9.5 折, 积分 ×2."""
    if benefit.discount != NO_DISCOUNT:
        yield discount_word(benefit.discount)
    if benefit.multiplier != NO_MULTIPLIER:
        yield f"{points} {multiplier_word(benefit.multiplier)}"


def discount_word(thousandths: int) -> str:
    """A reduction in thousandths of a percent as people say it; "" for none."""
    if thousandths >= WHOLE_PERCENT:
        return _("free of charge")
    return formats.discount(100 - Decimal(thousandths) / 1000) if thousandths else ""


def multiplier_word(thousandths: int) -> str:
    """×1.2"""
    return f"×{(Decimal(thousandths) / 1000).normalize():f}"


def whole_money(minor: int, currency: str) -> str:
    """An amount without decimals where they are nothing."""
    return formats.money(minor, currency, whole=minor % 10 ** exponent(currency) == 0)


def listed(names: Iterable[str]) -> str:
    """ "A, B, C"; of many the first few."""
    found = list(names)
    shown = pgettext("list", ", ").join(found[:NAMED_MOST])
    more = len(found) - NAMED_MOST
    if more <= 0:
        return shown
    return ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", more) % {
        "names": shown,
        "count": more,
    }


def coupons_word(coupons: Iterable[tuple[str, int]], programme: Programme) -> str:
    """ "Second cup at half price ×2, Birthday drink"."""
    found = []
    for code, count in coupons:
        template = programme.coupons.get(code)
        name = localized(template.name) if template else code
        found.append(f"{name} ×{count}" if count > 1 else name)
    return pgettext("list", ", ").join(found)


def _birthday(gift: BirthdayGift, programme: Programme, points: str) -> str:
    parts = [f"{formats.number(gift.points)} {points}"] if gift.points else []
    parts += [coupons_word(gift.coupons, programme)] if gift.coupons else []
    words = {"gifts": pgettext("list", ", ").join(parts), "count": gift.days_before}
    if not gift.days_before:
        return pgettext("benefit", "Birthday gift: %(gifts)s") % words
    return (
        ngettext(
            "Birthday gift, %(count)d day before: %(gifts)s",
            "Birthday gift, %(count)d days before: %(gifts)s",
            gift.days_before,
        )
        % words
    )


def _pack(pack: Pack, programme: Programme) -> str:
    return pgettext("coupon pack", "%(every)s: %(coupons)s") % {
        "every": _PACKS[pack.period],
        "coupons": coupons_word(pack.coupons, programme),
    }


def _entitlement(each: Entitlement) -> str:
    words = pgettext("entitlement", "%(name)s: %(count)s %(period)s") % {
        "name": localized(each.name),
        "count": formats.number(each.quota),
        "period": PERIODS[each.period],
    }
    more = []
    if each.stores:
        more.append(pgettext("entitlement", "in %(stores)s") % {"stores": listed(sorted(each.stores))})
    if each.stock is not None:
        more.append(pgettext("entitlement", "%(count)s in all") % {"count": formats.number(each.stock)})
    if not more:
        return words
    return pgettext("entitlement", "%(what)s (%(more)s)") % {
        "what": words,
        "more": pgettext("list", "; ").join(more),
    }


def _exclusive(each: Exclusive) -> str:
    goods = list(each.goods.categories)
    if each.goods.skus:
        count = len(each.goods.skus)
        goods.append(ngettext("%(count)d product", "%(count)d products", count) % {"count": count})
    words = pgettext("benefit", "Exclusive goods: %(goods)s") % {"goods": listed(goods)}
    last = formats.day(each.ends - timedelta(days=1)) if each.ends else ""
    if each.begins and last:
        dates = f"{formats.day(each.begins)} – {last}"
    elif each.begins:
        dates = _("from %(day)s") % {"day": formats.day(each.begins)}
    elif last:
        dates = _("until %(day)s") % {"day": last}
    else:
        return words
    return pgettext("entitlement", "%(what)s (%(more)s)") % {"what": words, "more": dates}
