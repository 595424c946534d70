"""The slip of a paid plan sold, renewed, upgraded or paid back: for the member now, and again whenever it is asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.member_access import existing, may_open
from shuke.console.offer_words import lasts
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.console.views.cashier.serving import may_serve
from shuke.core.values import Permission
from shuke.loyalty.plans.receipts import PlanReceipt, find_plan_receipt
from shuke.loyalty.plans.rows import MANDATE
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.words import plan_name

DONE = {
    "plan_bought": pgettext_lazy("plan receipt", "Plan sold"),
    "plan_renewed": pgettext_lazy("plan receipt", "Plan renewed"),
    "plan_upgraded": pgettext_lazy("plan receipt", "Plan upgraded"),
    "plan_refunded": pgettext_lazy("plan receipt", "Plan paid back"),
}
BY_ITSELF = gettext_lazy("Charged by agreement")


@requires(Permission.CHECKOUT_USE)
@require_safe
@never_cache
def plan_receipt(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One slip. Like the receipt of a sale it belongs to the people of its store; what was sold at no store (by the head
    office, over the API, by itself) is for whoever may serve the member."""
    receipt = find_plan_receipt(event_id)
    if receipt is None or not may_see(request, receipt):
        raise Http404
    return render(request, "console/plan_receipt.html", _context(request, receipt))


def may_see(request: HttpRequest, receipt: PlanReceipt) -> bool:
    """Whether this person may look at the slip."""
    if receipt.store is not None:
        return staff_of(request).as_actor().may_touch_store(receipt.store.id)
    assert receipt.event.member_id is not None
    return may_serve(request, existing(receipt.event.member_id))


def _context(request: HttpRequest, receipt: PlanReceipt) -> dict[str, Any]:
    event = receipt.event
    assert event.member_id is not None
    member = existing(event.member_id)
    plan = compile_programme(receipt.document).plans.get(event.plan)
    tender = BY_ITSELF if receipt.tender == MANDATE else TENDER_NAMES.get(receipt.tender, receipt.tender)
    return {
        "receipt": receipt,
        "done": DONE[event.kind],
        "plan": plan_name(receipt.document, event.plan),
        "former": plan_name(receipt.document, receipt.former) if receipt.former else "",
        "lasts": lasts(plan.duration) if plan and not receipt.is_refund else "",
        "tender": tender,
        "store": receipt.store,
        "seller": people_of([event.actor]).get(event.actor, "") if event.actor.startswith("staff:") else "",
        "who": member,
        "may_open": may_open(request, member),
        "may_serve": may_serve(request, member),
    }
