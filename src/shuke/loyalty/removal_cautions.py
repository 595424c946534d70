"""What a draft takes off sale: allowed, but easily done by chance, as by returning to an old version; to be confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from shuke.loyalty.cautions import Caution, Draft
from shuke.loyalty.plans.models import PlanHolding, PlanState
from shuke.loyalty.words import localized
from shuke.rewards.catalogue.models import OPEN, Redemption
from shuke.rewards.queries import figures_of

Holders = Callable[[list[str], datetime], Mapping[str, int]]


def _members(plans: list[str], now: datetime) -> dict[str, int]:
    rows = PlanHolding.objects.filter(plan__in=plans, grace_until__gt=now).exclude(state=PlanState.ENDED)
    return dict(rows.values_list("plan").annotate(Count("id")))


def _pieces(templates: list[str], _now: datetime) -> dict[str, int]:
    return {code: each.held for code, each in figures_of(templates).items()}


def _waiting(rewards: list[str], _now: datetime) -> dict[str, int]:
    rows = Redemption.objects.filter(reward__in=rewards, status__in=OPEN)
    return dict(rows.values_list("reward").annotate(Count("id")))


_KINDS: tuple[tuple[str, str, Holders, Promise, Callable[[int], Promise]], ...] = (
    (
        "plans",
        "plan_removed",
        _members,
        _("the paid plan “%(name)s” is no longer sold"),
        lambda held: ngettext_lazy(
            "the paid plan “%(name)s” is no longer sold; %(held)s member holds it",
            "the paid plan “%(name)s” is no longer sold; %(held)s members hold it",
            held,
        ),
    ),
    (
        "coupons",
        "coupon_removed",
        _pieces,
        _("the coupon “%(name)s” is no longer given"),
        lambda held: ngettext_lazy(
            "the coupon “%(name)s” is no longer given; members hold %(held)s piece",
            "the coupon “%(name)s” is no longer given; members hold %(held)s pieces",
            held,
        ),
    ),
    (
        "rewards",
        "reward_removed",
        _waiting,
        _("the reward “%(name)s” can no longer be had for points"),
        lambda held: ngettext_lazy(
            "the reward “%(name)s” can no longer be had for points; %(held)s redemption is not handed over yet",
            "the reward “%(name)s” can no longer be had for points; %(held)s redemptions are not handed over yet",
            held,
        ),
    ),
)


def taken_off_sale(draft: Draft) -> Iterable[Caution]:
    """One for each plan, coupon and reward that is in force and not in the draft, with how many still hold it.

    At most a query of an index for each kind that loses something; none for a draft that keeps all.
    """
    cautions = []
    for section, code, holders, plain, counted in _KINDS:
        kept = {each["code"] for each in draft.document.get(section) or ()}
        gone = {
            each["code"]: each for each in (draft.before or {}).get(section) or () if each["code"] not in kept
        }
        numbers = holders(list(gone), draft.now) if gone else {}
        for each, entry in gone.items():
            held = numbers.get(each, 0)
            params = {"name": localized(entry["name"]), "held": held}
            cautions.append(Caution(code, f"{section}.{each}", counted(held) if held else plain, params))
    return cautions
