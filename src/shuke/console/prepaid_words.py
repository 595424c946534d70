"""Words for prepaid money at the counter: how it is paid, and refusals with amounts instead of smallest coins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from shuke.checkout import errors
from shuke.console import formats
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.kit.errors import ShukeError
from shuke.kit.money import MAX_MINOR

OUTSIDE = ("cash", "card", "wechat", "alipay", "transfer", "other")
CARD_STATES: Mapping[str, tuple[str | Promise, str]] = {
    "issued": (gettext_lazy("Not sold yet"), "info"),
    "active": (pgettext_lazy("gift card", "Sold"), "ok"),
    "blocked": (gettext_lazy("Blocked"), "bad"),
    "returned": (gettext_lazy("Paid back"), "warn"),
}


def tender_choices() -> list[tuple[str, str]]:
    """What a customer can pay with from outside."""
    return [(kind, str(TENDER_NAMES[kind])) for kind in OUTSIDE]


def refusal_words(error: ShukeError, currency: str) -> str:
    """A refusal for somebody at a till: amounts as they are written, not in smallest coins."""

    def money(name: str) -> str:
        found: Any = error.params.get(name, 0)
        return formats.money(int(found), currency)

    match error:
        case errors.TopUpOutOfRange() | errors.GiftCardOutOfRange() if error.params.get("most") == MAX_MINOR:
            return _("At least %(least)s.") % {"least": money("least")}
        case errors.TopUpOutOfRange() | errors.GiftCardOutOfRange():
            return _("From %(least)s to %(most)s.") % {"least": money("least"), "most": money("most")}
        case errors.CardLimitExceeded() if error.params["held"]:
            return _("A card may hold %(limit)s; this one holds %(held)s already.") % {
                "limit": money("limit"),
                "held": money("held"),
            }
        case errors.CardLimitExceeded():
            return _("A card may hold at most %(limit)s.") % {"limit": money("limit")}
        case errors.CashNotAllowed():
            return _("From %(limit)s on the law wants another payment than cash.") % {"limit": money("limit")}
        case errors.BuyerRequired():
            return _("From %(limit)s on the law wants the buyer's name: find the member who buys.") % {
                "limit": money("limit")
            }
    return str(error)
