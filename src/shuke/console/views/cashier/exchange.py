"""Goods back and other goods out: the part is chosen at the refund, the new goods at the desk, both are booked in one act."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from shuke.checkout.errors import OrderNotFound
from shuke.checkout.queries import get_order
from shuke.checkout.refunds import exchange_order, quote_refund
from shuke.checkout.refunds.approval import Subject, carry_out
from shuke.checkout.refunds.operations import find_order as find_row
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT
from shuke.checkout.values import SaleRequest
from shuke.console.access import requires, staff_of
from shuke.console.views.cashier import signing
from shuke.console.views.cashier.cart import Cart, Swap, fingerprint, open_cart, remember
from shuke.console.views.cashier.pricing import BACK, plan_back
from shuke.console.views.cashier.reading import words_of
from shuke.console.views.cashier.refund import (
    MAX_REASON,
    coupons_back,
    needed,
    part_of,
    reason_of,
    stores_in_scope,
)
from shuke.console.views.cashier.typed import MAX_TYPED
from shuke.core.idempotency import StoredAnswer, run_once
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError


@requires(Permission.CHECKOUT_REFUND)
@require_POST
def exchange(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Take the part that was chosen to the desk, where the new goods are rung up. What the refund would refuse stays there.

    Once a part was given back, everything that is left is taken only when somebody says so.
    """
    staff = staff_of(request)
    if not staff.may(Permission.CHECKOUT_USE):
        raise PermissionDenied
    try:
        order = get_order(order_id=order_id, store_ids=stores_in_scope(staff))
    except OrderNotFound:
        return render(request, "console/cashier_unknown.html", status=404)
    try:
        part = part_of(request.POST, order)
        if order["refunds"] and part == ALL_THAT_IS_LEFT and "rest" not in request.POST:
            messages.error(
                request, _("A part was given back. Type what comes back, or take everything that is left.")
            )
            return _back_to_the_refund(request, order)
        quote_refund(actor=staff.as_actor(), order_id=order_id, now=clock.now(), request=part)
    except ShukeError:
        # The page of the refund says what is wrong with it.
        return _back_to_the_refund(request, order)
    with open_cart(request) as cart:
        is_mine = cart.member_id in (None, order["member_id"])
        if is_mine or not cart.lines:
            cart.swap = Swap(order_id, part, order["member_id"] is not None)
            cart.member_id = order["member_id"] or cart.member_id
        else:
            messages.error(
                request, _("The desk holds the cart of another member. Sell or empty it, then exchange.")
            )
            return _back_to_the_refund(request, order)
    answer = HttpResponseRedirect(reverse("console:cashier"))
    remember(request, answer)
    return answer


def _back_to_the_refund(request: HttpRequest, order: dict[str, Any]) -> HttpResponse:
    names = [
        "amount",
        "rest",
        *(f"{kind}{line['line_no']}" for line in order["lines"] for kind in ("goods", "value")),
    ]
    typed = {name: request.POST[name][:MAX_TYPED] for name in names if request.POST.get(name)}
    address = reverse("console:refund", args=[order["id"]])
    return HttpResponseRedirect(f"{address}?{urlencode(typed)}" if typed else address)


def back_context(request: HttpRequest, cart: Cart, drawn: dict[str, Any]) -> dict[str, Any]:
    """What the desk shows of the goods that come back; nothing when the cart is a plain sale."""
    if cart.swap is None:
        return {"swap": None}
    staff, now, says = staff_of(request), clock.now(), drawn["says"]
    context: dict[str, Any] = {
        "order": None,
        "plan": None,
        "lines": [],
        "coupons": [],
        "need": "",
        "reason": request.POST.get("reason", "")[:MAX_REASON],
    }
    try:
        order = get_order(order_id=cart.swap.order_id, store_ids=stores_in_scope(staff))
        context["order"] = order
        quote = drawn["quote"]
        plan = quote["refund"] if quote else plan_back(staff, cart.swap, now)
        names = {line["line_no"]: line["name"] for line in order["lines"]}
        context |= {
            "plan": plan,
            "lines": [{**line, "name": names[line["line_no"]]} for line in plan["lines"]],
            "coupons": coupons_back(plan["coupons"], order["programme_version"]),
            "need": signing.words_of_need(needed(request, order, plan, now), now),
        }
    except ShukeError as refusal:
        says.places[BACK] = words_of(refusal)
    return {
        "swap": context,
        "need": context["need"],
        "approver": request.POST.get(signing.NAME, "")[:64],
        "approver_error": says.at(signing.NAME),
    }


def carry_out_exchange(
    request: HttpRequest, cart: Cart, asked: SaleRequest, sale: SaleRequest
) -> StoredAnswer:
    """Book both halves, once under the cart's key, signed where a refund would be. `asked` is the cart as it stands.

    Raises PermissionDenied, and the refusals of a refund, of a sale and of the signature.
    """
    swap, staff, now = cart.swap, staff_of(request), clock.now()
    assert swap is not None
    if not staff.may(Permission.CHECKOUT_REFUND):
        raise PermissionDenied
    actor = staff.as_actor()
    order = get_order(order_id=swap.order_id, store_ids=stores_in_scope(staff))
    reason = reason_of(request)
    approver = signing.signer(request, needed(request, order, plan_back(staff, swap, now), now))
    subject = Subject("order", swap.order_id, find_row(actor, swap.order_id).store)

    def act() -> dict[str, Any]:
        return exchange_order(
            actor=actor,
            order_id=swap.order_id,
            request=swap.part,
            sale=sale,
            reason=reason,
            now=now,
            seen=len(order["refunds"]),
        )

    def work() -> tuple[int, bytes]:
        done = carry_out(act, actor=actor, approver=approver, subject=subject, now=now)
        return 201, json.dumps({"id": done["order"]["id"]}).encode()

    return run_once(caller_id=staff.id, key=cart.key, input_hash=fingerprint(asked, swap), now=now, work=work)
