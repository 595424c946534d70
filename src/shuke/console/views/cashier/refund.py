"""Refunding: find the sale, see what goes back and what is taken back, give a reason, confirm."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from shuke.checkout.errors import AlreadyRefunded, OrderNotFound
from shuke.checkout.models import OrderStatus
from shuke.checkout.queries import OrderFilters, find_orders, get_order, list_orders
from shuke.checkout.refunds import quote_refund, refund_order
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.console.access import requires, staff_of
from shuke.console.views.cashier.reading import words_of
from shuke.console.views.cashier.receipt import receipt_context
from shuke.console.views.cashier.typed import MAX_TYPED, amount, quantity
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
    """What a refund of the chosen part would do; with a reason, do it. What was done before is shown as well.

    The part is chosen by the address (how many or how much of each line, or an amount of the whole), so that a page can
    be loaded again; the confirmation sends it along with what of the order was left when the page was drawn.
    """
    staff, now = staff_of(request), clock.now()
    try:
        order = get_order(order_id=order_id, store_ids=stores_in_scope(staff))
    except OrderNotFound:
        return render(request, "console/cashier_unknown.html", status=404)
    asked = request.POST if request.method == "POST" else request.GET
    error, wrong, reason = "", "", request.POST.get("reason", "")
    is_open = order["status"] == OrderStatus.COMMITTED
    try:
        part = _part(asked, order)
        if request.method == "POST" and is_open and asked.get("seen", _seen(order)) == _seen(order):
            reason = clean_text("reason", reason, MAX_REASON)
            if not reason:
                raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the refund."))
            refund_order(actor=staff.as_actor(), order_id=order_id, reason=reason, now=now, request=part)
        if request.method == "POST":
            # Also after a second click, or a colleague: the page shows what stands.
            return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    except AlreadyRefunded:
        return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    except ShukeError as refusal:
        if refusal.field == "reason":
            error = words_of(refusal)
        else:
            part, wrong = ALL_THAT_IS_LEFT, words_of(refusal)
    plan = None
    if is_open and not wrong:
        try:
            plan = quote_refund(actor=staff.as_actor(), order_id=order_id, now=now, request=part)
        except ShukeError as refusal:
            wrong = words_of(refusal)
    context = {
        **receipt_context(order, now),
        "plan": plan,
        "to_collect": -plan["money_back_minor"] if plan and plan["money_back_minor"] < 0 else 0,
        "is_open": is_open,
        "lines": [_shown(line, asked) for line in order["lines"]],
        "amount": asked.get("amount", "")[:MAX_TYPED],
        "seen": _seen(order),
        "may_sell": staff.may(Permission.CHECKOUT_USE),
        "error": error,
        "wrong": wrong,
        "reason": reason[:MAX_REASON],
    }
    return render(request, "console/cashier_refund.html", context, status=422 if error or wrong else 200)


def _seen(order: dict[str, Any]) -> str:
    """How many refunds the page was drawn after: a confirmation of an older page is not carried out twice."""
    return str(len(order["refunds"]))


def _part(asked: QueryDict, order: dict[str, Any]) -> RefundRequest:
    """The part that was typed; nothing typed is everything that is left. Raises InvalidInput."""
    lines = []
    for line in order["lines"]:
        number = line["line_no"]
        goods, value = asked.get(f"goods{number}", "").strip(), asked.get(f"value{number}", "").strip()
        if goods or value:
            lines.append(
                LineBack(
                    number,
                    quantity(goods) if goods else None,
                    amount(value, order["currency"]) if value else None,
                )
            )
    whole = asked.get("amount", "").strip()
    return RefundRequest(tuple(lines), amount(whole, order["currency"]) if whole else None)


def _shown(line: dict[str, Any], asked: QueryDict) -> dict[str, Any]:
    """A line with what is left of it and what was typed."""
    number = line["line_no"]
    left = Decimal(line["quantity"]) - Decimal(line["returned_quantity"])
    value = line["list_minor"] - line["discount_minor"] - line["refunded_sales_minor"]
    return {
        **line,
        "left": f"{left.normalize():f}",
        "value_left": value,
        "is_left": bool(left or value),
        "goods": asked.get(f"goods{number}", "")[:MAX_TYPED],
        "value": asked.get(f"value{number}", "")[:MAX_TYPED],
    }


def _member(raw: str) -> Candidate | None:
    try:
        return get_candidate(UUID(raw)) if raw else None
    except ValueError:
        return None
