"""Why a coupon gives nothing, in words, with the figures: what the cashier tells the customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.dates import WEEKDAYS
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from shuke.catalog.queries import names_of_channels, names_of_stores
from shuke.kit import wording
from shuke.kit.clock import local_date
from shuke.loyalty.programme import Programme
from shuke.loyalty.words import localized
from shuke.rewards.values import Reason

_SENTENCES: Mapping[str, str | Promise] = {
    "unknown": gettext_lazy("There is no such coupon."),
    "named_twice": gettext_lazy("It is named twice."),
    "other_member": gettext_lazy("It belongs to another member."),
    "member_needed": gettext_lazy("It needs the member: identify the customer first."),
    "used_before": gettext_lazy("It has been used."),
    "void": gettext_lazy("It was called back."),
    "prices_fixed": gettext_lazy("The till has fixed the prices of this sale."),
    "not_yet_valid": gettext_lazy("It is valid from %(from)s."),
    "expired": gettext_lazy("It was valid until %(until)s."),
    "wrong_store": gettext_lazy("It is for other stores: %(stores)s."),
    "wrong_channel": gettext_lazy("It is for other channels: %(channels)s."),
    "wrong_weekday": gettext_lazy("It counts only on: %(weekdays)s."),
    "wrong_time": gettext_lazy("It counts only at these times of the day: %(hours)s."),
    "wrong_tender": gettext_lazy("It counts only when paid by: %(tenders)s."),
    "used_up": gettext_lazy("As many as there were have been used."),
    "budget_spent": gettext_lazy(
        "Its budget has %(left)s left, less than the %(needed)s that it would give."
    ),
    "no_goods": gettext_lazy("None of the goods it is for are in the cart."),
    "minimum_spend": gettext_lazy(
        "It needs %(least)s of its goods, and there are %(spend)s: %(missing)s more."
    ),
    "put_in_cart": gettext_lazy("Put what it gives into the cart: %(goods)s."),
    "gives_nothing": gettext_lazy("It would make nothing cheaper."),
    "nothing_left": gettext_lazy("Beside the other coupons it would make nothing cheaper."),
    "not_with": gettext_lazy("It cannot be used together with “%(coupon)s”."),
    "not_chosen": gettext_lazy("It was not chosen."),
}
_TENDERS = {
    "stored_value": pgettext_lazy("tender", "Stored value"),
    "gift_card": pgettext_lazy("tender", "Gift card"),
    "cash": pgettext_lazy("tender", "Cash"),
    "card": pgettext_lazy("tender", "Bank card"),
    "wechat": pgettext_lazy("tender", "WeChat Pay"),
    "alipay": pgettext_lazy("tender", "Alipay"),
    "transfer": pgettext_lazy("tender", "Bank transfer"),
    "other": pgettext_lazy("tender", "Other"),
}
_MONEY = frozenset({"left", "needed", "least", "spend", "missing"})
_INSTANTS = frozenset({"from", "until"})


def why_not(reason: Reason, programme: Programme) -> str:
    """The reason as a sentence in the active language."""
    counted = _COUNTED.get(reason.code)
    if counted is not None:
        return counted(reason.params)
    sentence = str(_SENTENCES.get(reason.code, reason.code))
    if reason.code == "expired" and reason.params.get("until") is None:
        return _("It is no longer valid.")
    return sentence % {key: _told(key, value, programme) for key, value in reason.params.items()}


def _told(key: str, value: Any, programme: Programme) -> str:
    if key in _MONEY:
        return wording.money(max(value, 0), programme.currency)
    if key in _INSTANTS:
        return _day(key, value, programme)
    if key == "weekdays":
        return _listed(str(WEEKDAYS[day]) for day in value)
    if key == "tenders":
        return _listed(str(_TENDERS.get(kind, kind)) for kind in value)
    if key in ("stores", "channels"):
        names = names_of_stores(value) if key == "stores" else names_of_channels(value)
        return _listed(names.get(code, code) for code in value)
    if key == "coupon":
        template = programme.coupons.get(value)
        return localized(template.name) if template else str(value)
    return _listed(value) if isinstance(value, list | tuple) else str(value)


def _day(key: str, at: datetime, programme: Programme) -> str:
    """The day it begins, or the last day on which it counts: its end is the first instant after that."""
    return wording.day(local_date(at - timedelta(microseconds=1) if key == "until" else at, programme.zone))


def _listed(values: Iterable[str]) -> str:
    return (", " if wording.language() == "en" else "、").join(values)


def _member_limit(params: Mapping[str, Any]) -> str:
    sentences = {
        "day": _("A member can use it %(most)s times a day, and has."),
        "week": _("A member can use it %(most)s times a week, and has."),
        "month": _("A member can use it %(most)s times a month, and has."),
    }
    return sentences.get(params["period"], _("A member can use it %(most)s times, and has.")) % params


def _minimum_quantity(params: Mapping[str, Any]) -> str:
    return _("It needs %(least)s pieces of its goods: %(missing)s more.") % params


def _too_many(params: Mapping[str, Any]) -> str:
    return _("Of this coupon a sale can use %(most)s.") % params


_COUNTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "member_limit": _member_limit,
    "minimum_quantity": _minimum_quantity,
    "too_few_pieces": _minimum_quantity,
    "too_many": _too_many,
}
