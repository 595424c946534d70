"""What a programme offers beside points: each coupon, reward and plan with what it gives, to whom and on what terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from shuke.console import formats
from shuke.console.benefit_words import PERIODS, listed, price_parts, tell_benefit, whole_money
from shuke.console.coupon_words import gives, term, ways
from shuke.loyalty.conditions import WEEKDAYS
from shuke.loyalty.earning_words import goods_words, time_parts
from shuke.loyalty.plans.values import Duration, Plan
from shuke.loyalty.programme import Programme
from shuke.loyalty.words import Document, asset_name, localized, plan_name, tier_name
from shuke.rewards.catalogue.values import Offer as Reward
from shuke.rewards.catalogue.values import Price
from shuke.rewards.values import CouponTemplate, Scope


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to be had: its name, what it gives or costs, on what terms in one line, and what it holds, a line each."""

    name: str
    gives: str
    terms: str
    holds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offers:
    """All coupons, all rewards, or all plans of a programme."""

    title: str
    rows: list[Offer]


def tell_offers(document: Document, programme: Programme) -> list[Offers]:
    """What there is of coupons, rewards and plans, in the document's order."""
    found = [
        Offers(_("Paid plans"), [_plan(each, document, programme) for each in programme.plans.values()]),
        Offers(_("Coupons"), [_coupon(each, document, programme) for each in programme.coupons.values()]),
        Offers(_("Rewards"), [_reward(each, document, programme) for each in programme.rewards.values()]),
    ]
    return [each for each in found if each.rows]


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


def _row(parts: Iterator[str]) -> str:
    return " · ".join(filter(None, parts))


# Paid plans --------------------------------------------------------------------------------------------


def _plan(plan: Plan, document: Document, programme: Programme) -> Offer:
    points = asset_name(document, "points")
    holds = list(price_parts(plan.benefit, points))
    if plan.tier:
        level = tier_name(document, plan.tier)
        holds.insert(0, pgettext("plan", "At least the tier %(level)s") % {"level": level})
    return Offer(
        localized(plan.name),
        f"{whole_money(plan.price, programme.currency)} · {lasts(plan.duration)}",
        _row(_plan_terms(plan, document)),
        (*holds, *tell_benefit(plan.benefit, programme, points)),
    )


def _plan_terms(plan: Plan, document: Document) -> Iterator[str]:
    if not plan.on_sale:
        yield _("not on sale")
    if plan.trial:
        yield pgettext("plan", "%(time)s on trial") % {"time": lasts(plan.trial)}
    if plan.renewal.auto:
        yield pgettext("plan", "can renew itself")
    if plan.grace_days:
        yield ngettext("%(count)d day of grace", "%(count)d days of grace", plan.grace_days) % {
            "count": plan.grace_days
        }
    if plan.refund.full_days:
        yield ngettext(
            "paid back whole within %(count)d day while unused",
            "paid back whole within %(count)d days while unused",
            plan.refund.full_days,
        ) % {"count": plan.refund.full_days}
    if plan.refund.policy == "none":
        yield pgettext("plan", "what is left is not paid back")
    else:
        yield pgettext("plan", "what is left is paid back")
    if plan.upgrade_to:
        names = listed(plan_name(document, code) for code in plan.upgrade_to)
        yield pgettext("plan", "can be raised to %(plans)s") % {"plans": names}


# Coupons -----------------------------------------------------------------------------------------------


def _coupon(template: CouponTemplate, document: Document, programme: Programme) -> Offer:
    return Offer(
        localized(template.name),
        gives(template, programme.currency),
        _row(_coupon_terms(template, document, programme)),
    )


def _coupon_terms(template: CouponTemplate, document: Document, programme: Programme) -> Iterator[str]:
    found = ways(template, programme, document)
    if template.public_code:
        found.append(pgettext("coupon way", "with the code %(code)s") % {"code": template.public_code})
    yield pgettext("list", "; ").join(found) or _("By hand or by code")
    goods = [*template.scope.goods.categories, *sorted(template.scope.goods.brands)]
    if template.scope.goods.skus:
        count = len(template.scope.goods.skus)
        goods.append(ngettext("%(count)d product", "%(count)d products", count) % {"count": count})
    if goods:
        yield pgettext("coupon", "for %(goods)s") % {"goods": listed(goods)}
    if template.scope.stores:
        yield _stores(template.scope.stores)
    yield from _scope_terms(template.scope)
    yield pgettext("coupon", "good: %(term)s") % {"term": term(template)}
    yield _each(template.limits.per_member, template.limits.per_member_per)


def _scope_terms(scope: Scope) -> Iterator[str]:
    """What narrows a coupon besides its goods and stores."""
    if exceptions := goods_words(
        {
            "categories": scope.exclude.categories,
            "brands": sorted(scope.exclude.brands),
            "skus": sorted(scope.exclude.skus),
        }
    ):
        yield pgettext("programme", "but not on %s") % exceptions
    if scope.channels:
        yield pgettext("programme", "through %(channels)s") % {"channels": listed(sorted(scope.channels))}
    if scope.tenders:
        yield pgettext("programme", "paid by %s") % listed(sorted(scope.tenders))
    hours = [{"from": clock_words(part.start), "to": clock_words(part.end)} for part in scope.day_parts]
    yield from time_parts({"weekdays": [WEEKDAYS[day] for day in sorted(scope.weekdays)], "hours": hours})


def clock_words(minute: int) -> str:
    """A minute of the day as on a clock: "07:00"."""
    return f"{minute // 60:02}:{minute % 60:02}"


# Rewards -----------------------------------------------------------------------------------------------


def _reward(offer: Reward, document: Document, programme: Programme) -> Offer:
    return Offer(
        localized(offer.names),
        _price(offer.price, document, programme),
        _row(_reward_terms(offer, document, programme)),
        tuple(
            pgettext("reward", "%(tier)s: %(price)s")
            % {"tier": tier_name(document, code), "price": _price(price, document, programme)}
            for code, price in offer.tier_prices.items()
        ),
    )


def _price(price: Price, document: Document, programme: Programme) -> str:
    parts = [f"{formats.number(price.points)} {asset_name(document, 'points')}"] if price.points else []
    parts += [whole_money(price.cash_minor, programme.currency)] if price.cash_minor else []
    return " + ".join(parts)


def _reward_terms(offer: Reward, document: Document, programme: Programme) -> Iterator[str]:
    if offer.tiers:
        # In the order of the levels, not of a set.
        names = listed(tier_name(document, each) for each in _in_order(offer.tiers, programme))
        yield pgettext("reward", "only for %(tiers)s") % {"tiers": names}
    if offer.tier:
        parts = [tier_name(document, offer.tier)]
        parts += [lasts(Duration(months=offer.tier_months))] if offer.tier_months else []
        yield pgettext("list", ", ").join(parts)
    if offer.bonus_minor:
        yield whole_money(offer.bonus_minor, programme.currency)
    template = programme.coupons.get(offer.coupon)
    if template:
        yield localized(template.name)
    yield _each(offer.member_limit, offer.limit_per)
    if offer.stock is not None:
        yield pgettext("entitlement", "%(count)s in all") % {"count": formats.number(offer.stock)}
    if offer.stores:
        yield _stores(offer.stores)
    last = formats.day(offer.ends - timedelta(microseconds=1)) if offer.ends else ""
    if offer.opens and last:
        yield f"{formats.day(offer.opens)} – {last}"
    elif offer.opens:
        yield _("from %(day)s") % {"day": formats.day(offer.opens)}
    elif last:
        yield _("until %(day)s") % {"day": last}


def _in_order(codes: frozenset[str], programme: Programme) -> list[str]:
    tracks = (programme.tiers, *programme.tracks.values())
    known = [level.code for track in tracks for level in track.levels if level.code in codes]
    return [*known, *sorted(codes.difference(known))]


def _stores(codes: frozenset[str]) -> str:
    return pgettext("entitlement", "in %(stores)s") % {"stores": listed(sorted(codes))}


def _each(count: int | None, per: str) -> str:
    """How many one member may have; "" without a limit."""
    if count is None:
        return ""
    period = PERIODS.get(per)
    if period is None:
        return pgettext("limit", "%(count)s for each member") % {"count": formats.number(count)}
    words = {"count": formats.number(count), "period": period}
    return pgettext("limit", "%(count)s for each member %(period)s") % words
