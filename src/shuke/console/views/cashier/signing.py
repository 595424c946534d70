"""The second signature at the till: who may approve types name and password where the first person stands."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.translation import gettext as _

from shuke.checkout.errors import RefundNeedsApproval
from shuke.checkout.refunds.approval import Beyond, beyond_cashier
from shuke.console import formats
from shuke.console.access import staff_of
from shuke.core.errors import InvalidInput
from shuke.core.values import Actor, Permission
from shuke.loyalty.queries import programme_at

NAME, PASSWORD = "approver", "approver_password"


def beyond(
    request: HttpRequest, *, given_back_minor: int, now: datetime, sold_at: datetime | None = None
) -> Beyond:
    """Why this person needs a second one for it; "" when they do not."""
    if staff_of(request).may(Permission.CHECKOUT_APPROVE):
        return ""
    return beyond_cashier(given_back_minor=given_back_minor, sold_at=sold_at, now=now)


def words_of_need(need: Beyond, now: datetime) -> str:
    """Why a second person is asked, as the till says it."""
    in_force = programme_at(now)
    if not need or in_force is None:
        return ""
    if need == "age":
        return _("The sale is older than the return window.")
    most = formats.money(in_force.programme.policies.cashier_refund_most, in_force.programme.currency)
    return _("A cashier gives back up to %(amount)s alone.") % {"amount": most}


def signer(request: HttpRequest, need: Beyond) -> Actor | None:
    """Who signed in this form, checked against their password; None when nobody has to.

    Wrong passwords count as failed sign-ins and lock that account out as they do there. Raises RefundNeedsApproval when
    nobody signed, InvalidInput for somebody who may not.
    """
    if not need:
        return None
    name, password = request.POST.get(NAME, "").strip()[:64], request.POST.get(PASSWORD, "")[:200]
    if not name or not password:
        raise RefundNeedsApproval(field=NAME)
    person = authenticate(request, username=name, password=password)
    if person is None or not person.may(Permission.CHECKOUT_APPROVE):
        raise InvalidInput(
            field=NAME, reason=_("Nobody with this name and password may approve it. Check both.")
        )
    return person.as_actor()
