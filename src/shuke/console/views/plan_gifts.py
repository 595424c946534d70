"""One paid plan: what it brought, and gift codes for it in bulk: sold, watched, downloaded, paid back."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shuke.console.access import requires, staff_of
from shuke.console.benefit_words import told_benefits
from shuke.console.book_words import people_of
from shuke.console.code_jobs import codes_file, progress_part, reason_of
from shuke.console.forms_once import book_once
from shuke.console.offer_words import lasts
from shuke.console.prepaid_words import tender_choices
from shuke.console.refusals import attempt
from shuke.console.scope import place_of
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.plans import gift_orders
from shuke.loyalty.plans.errors import UnknownGiftOrder
from shuke.loyalty.plans.gift_orders import MAX_ORDERED
from shuke.loyalty.plans.models import GiftOrderState, GiftState, PlanGiftOrder
from shuke.loyalty.plans.queries import plan_totals
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.queries import programme_at
from shuke.loyalty.words import localized

ORDERS = 10
KINDS = {"running": "info", "done": "ok", "void": "bad"}


class GiftsForm(forms.Form):
    """How many codes, how they are paid and what for; a token makes one order of however many clicks."""

    count = forms.IntegerField(label=gettext_lazy("How many"), min_value=1, max_value=MAX_ORDERED)
    tender = forms.ChoiceField(label=gettext_lazy("Paid by"), choices=tender_choices, initial="transfer")
    reference = forms.CharField(
        label=gettext_lazy("Number of the payment"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    remark = forms.CharField(
        label=gettext_lazy("What for"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("Such as the firm that buys them."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].initial = uuid.uuid4().hex


class TakeBackForm(forms.Form):
    """How the money goes back and why."""

    tender = forms.ChoiceField(label=gettext_lazy("Paid back by"), choices=tender_choices, initial="transfer")
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].initial = uuid.uuid4().hex


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def plan(request: HttpRequest, code: str) -> HttpResponse:
    """One plan of the programme in force: its terms, its totals, and the orders for gift codes; here new ones are placed."""
    now = clock.now()
    in_force = programme_at(now)
    found = in_force.programme.plans.get(code) if in_force else None
    if in_force is None or found is None:
        raise Http404
    may_order = found.on_sale and staff_of(request).may(Permission.CARDS_MANAGE)
    form = GiftsForm(request.POST if request.method == "POST" else None)
    to_pay = None
    if request.method == "POST":
        if not may_order:
            raise PermissionDenied
        if form.is_valid():
            price = found.price * form.cleaned_data["count"]
            if request.POST.get("seen") != str(price):
                to_pay = price  # what it comes to is told first, and then confirmed
            else:
                made = attempt(form, lambda: _order(request, code, form))
                if made is not None:
                    messages.success(request, _("Sold: the codes are being made."))
                    return redirect("console:plan_gifts", made)
    before = _uuid(request.GET.get("before", ""))
    orders = gift_orders.list_gift_orders(
        actor=staff_of(request).as_actor(), plan=code, limit=ORDERS + 1, before=before
    )
    address = reverse("console:plan", args=[code])
    context = {
        "plan": found,
        "name": localized(found.name),
        "lasts": lasts(found.duration),
        "trial": lasts(found.trial) if found.trial else "",
        "told": told_benefits(found),
        "currency": in_force.programme.currency,
        "totals": plan_totals(now, str(in_force.programme.zone), code),
        "better": [
            localized(in_force.programme.plans[each].name)
            for each in found.upgrade_to
            if each in in_force.programme.plans
        ],
        "orders": [_told(each) for each in orders[:ORDERS]],
        "first_page": address if before else "",
        "next_page": f"{address}?before={orders[ORDERS - 1].id}" if len(orders) > ORDERS else "",
        "form": form if may_order else None,
        "to_pay": to_pay,
    }
    return render(request, "console/plan.html", context, status=422 if form.errors else 200)


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def plan_gifts(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """One order for gift codes: how far it is, and what became of them; the file, and paying them back."""
    return _page(request, _get(request, order_id), TakeBackForm())


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def plan_gifts_progress(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """How far the job is, asked for every two seconds; when it has ended the page is drawn anew."""
    return progress_part(request, "console/plan_gifts_progress.html", _told(_get(request, order_id)))


@requires(Permission.CARDS_MANAGE)
@require_POST
def plan_gifts_file(request: HttpRequest, order_id: UUID) -> HttpResponseBase:
    """The codes as a file, one a line, made again while they are sent; who took them and why is on record."""
    order = _get(request, order_id)
    try:
        told = gift_orders.download_gift_codes(
            actor=staff_of(request).as_actor(), order_id=order.id, now=clock.now(), reason=reason_of(request)
        )
    except ShukeError as error:
        messages.error(request, str(error))
        return redirect("console:plan_gifts", order.id)
    return codes_file(told, of=order.plan, ordered_at=order.occurred_at, job_id=order.id)


@requires(Permission.CARDS_MANAGE)
@require_POST
def plan_gifts_take_back(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Pay back the codes that nobody has redeemed."""
    order, form, now = _get(request, order_id), TakeBackForm(request.POST), clock.now()
    if form.is_valid():
        data = form.cleaned_data

        def work() -> str:
            done = gift_orders.take_back_gifts(
                actor=staff_of(request).as_actor(),
                order_id=order.id,
                sale=Sale(data["tender"], store=place_of(request), system="console"),
                reason=data["reason"],
                now=now,
            )
            return str(done.id)

        if attempt(form, lambda: book_once(request, form, work, now=now)) is not None:
            messages.success(request, _("The codes that nobody had redeemed are void. Give the money back."))
            return redirect("console:plan_gifts", order.id)
    return _page(request, order, form)


def _page(request: HttpRequest, order: PlanGiftOrder, form: TakeBackForm) -> HttpResponse:
    in_force = programme_at(clock.now())
    found = in_force.programme.plans.get(order.plan) if in_force else None
    states = gift_orders.gifts_by_state(order.id)
    left = states.get(GiftState.ISSUED, 0)
    people = people_of([order.actor])
    may = staff_of(request).may(Permission.CARDS_MANAGE) and order.state == GiftOrderState.DONE and left > 0
    context = {
        **_told(order),
        "name": localized(found.name) if found else order.plan,
        "known": found is not None,
        "sold_by": people.get(order.actor, ""),
        "tender": dict(tender_choices())[order.tender],
        "states": [(state.label, states[state]) for state in GiftState if states.get(state)],
        "left": left,
        "left_minor": left * order.price_minor,
        # What ends with a day is good through the day before.
        "last": order.expires_at - timedelta(microseconds=1) if order.expires_at else None,
        "may": may,
        "form": form,
    }
    return render(request, "console/plan_gifts.html", context, status=422 if form.errors else 200)


def _order(request: HttpRequest, code: str, form: GiftsForm) -> UUID:
    data, now = form.cleaned_data, clock.now()

    def work() -> str:
        made = gift_orders.order_gifts(
            actor=staff_of(request).as_actor(),
            plan=code,
            sale=Sale(data["tender"], data["reference"], place_of(request), "console"),
            count=data["count"],
            remark=data["remark"],
            now=now,
        )
        return str(made.id)

    return UUID(book_once(request, form, work, now=now))


def _get(request: HttpRequest, order_id: UUID) -> PlanGiftOrder:
    """What was sold out of the person's reach is not there for them."""
    try:
        return gift_orders.get_gift_order(order_id, actor=staff_of(request).as_actor())
    except UnknownGiftOrder as error:
        raise Http404 from error


def _told(order: PlanGiftOrder) -> dict[str, Any]:
    return {
        "order": order,
        "state": GiftOrderState(order.state).label,
        "kind": KINDS[order.state],
        "running": order.state == GiftOrderState.RUNNING,
        "percent": order.made * 100 // order.count,
        "paid_minor": order.price_minor * order.count,
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
