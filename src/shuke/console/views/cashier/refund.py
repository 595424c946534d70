"""Refunding: find the sale, see what goes back and what is taken back, give a reason, confirm."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from shuke.checkout.errors import AlreadyRefunded, OrderNotFound
from shuke.checkout.queries import OrderFilters, find_orders, get_order, list_orders
from shuke.checkout.refunds import quote_refund, refund_order
from shuke.console.access import requires, staff_of
from shuke.console.views.cashier.reading import words_of
from shuke.console.views.cashier.receipt import receipt_context
from shuke.core.errors import InvalidInput
from shuke.core.models import Staff
from shuke.core.text import clean_text
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.members.queries import get_candidate, identify
from shuke.members.values import Candidate

MAX_TEXT = 200
MAX_REASON = 300
LAST_ORDERS = 10
RESULTS = 8


def stores_in_scope(staff: Staff) -> frozenset[UUID] | None:
    """The stores whose orders this person may see; None for all."""
    return None if staff.all_stores else frozenset(staff.store_ids)


@requires(Permission.CHECKOUT_REFUND)
@require_GET
def find_order(request: HttpRequest) -> HttpResponse:
    """Orders by number or id, or the last ones of a member."""
    staff, now = staff_of(request), clock.now()
    text = request.GET.get("q", "")[:MAX_TEXT].strip()
    context: dict[str, Any] = {
        "q": text,
        "people": [],
        "orders": None,
        "who": None,
        "error": "",
        "may_sell": staff.may(Permission.CHECKOUT_USE),
    }
    try:
        if member := _member(request.GET.get("member", "")):
            context["who"] = member
        elif text:
            context["orders"] = find_orders(text, store_ids=stores_in_scope(staff)) or None
            if not context["orders"]:
                people = identify(text, now, limit=RESULTS)
                context["people"] = people
                context["who"] = people[0] if len(people) == 1 else None
                if not people:
                    context["error"] = _(
                        "No order and no member found. Only orders of your stores are shown."
                    )
        if context["who"]:
            filters = OrderFilters(member_id=context["who"].member_id, store_ids=stores_in_scope(staff))
            context["orders"] = list_orders(filters, limit=LAST_ORDERS).orders
            context["people"] = []
    except ShukeError as error:
        context["error"] = words_of(error)
    if context["orders"] and len(context["orders"]) == 1 and text:
        return HttpResponseRedirect(reverse("console:refund", args=[context["orders"][0]["id"]]))
    return render(request, "console/cashier_refunds.html", context, status=422 if context["error"] else 200)


@requires(Permission.CHECKOUT_REFUND)
@require_http_methods(["GET", "POST"])
def refund(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """What the refund of one order would do; with a reason, do it. A refunded order shows what was done."""
    staff, now = staff_of(request), clock.now()
    try:
        order = get_order(order_id=order_id, store_ids=stores_in_scope(staff))
    except OrderNotFound:
        return render(request, "console/cashier_unknown.html", status=404)
    error, reason = "", request.POST.get("reason", "")
    if request.method == "POST" and order["refund"] is None:
        try:
            reason = clean_text("reason", reason, MAX_REASON)
            if not reason:
                raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the refund."))
            refund_order(actor=staff.as_actor(), order_id=order_id, reason=reason, now=now)
        except AlreadyRefunded:
            pass  # a second click, or a colleague: the page shows the refund that stands
        except ShukeError as refusal:
            error = words_of(refusal)
        if not error:
            return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    elif request.method == "POST":
        return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    plan = (
        quote_refund(actor=staff.as_actor(), order_id=order_id, now=now) if order["refund"] is None else None
    )
    context = {
        **receipt_context(order, now),
        "plan": plan,
        "done": order["refund"],
        "may_sell": staff.may(Permission.CHECKOUT_USE),
        "error": error,
        "reason": reason[:MAX_REASON],
    }
    return render(request, "console/cashier_refund.html", context, status=422 if error else 200)


def _member(raw: str) -> Candidate | None:
    try:
        return get_candidate(UUID(raw)) if raw else None
    except ValueError:
        return None
