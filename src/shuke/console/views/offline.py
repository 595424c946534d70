"""Spending while a till is cut off: what could be spent without being there, and an allowance for a member and a device."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from shuke.checkout.allowances import MAX_DEVICE, exposure, issue_allowance
from shuke.checkout.models import Allowance
from shuke.console.access import requires, staff_of
from shuke.console.member_access import open_member, visible_stores
from shuke.console.scope import place_of
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.queries import programme_at
from shuke.members.models import Member
from shuke.members.queries.reading import candidates

ROWS = 30
ALLOWANCES = 20


class AllowanceForm(forms.Form):
    """The device that will be cut off."""

    device = forms.CharField(
        label=gettext_lazy("Device"),
        max_length=MAX_DEVICE,
        help_text=gettext_lazy("As the till calls itself. An older allowance of the same device ends."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@requires(Permission.FINANCE_VIEW)
@never_cache
@require_GET
def offline(request: HttpRequest) -> HttpResponse:
    """The exposure report: every open allowance, the most exposed first; the sums are over all of them."""
    now, in_force = clock.now(), programme_at(clock.now())
    cursor, problem = request.GET.get("cursor") or None, ""
    stores = visible_stores(request)
    try:
        told = exposure(now=now, store_ids=stores, cursor=cursor, limit=ROWS)
    except InvalidInput as error:
        told, problem = exposure(now=now, store_ids=stores, limit=ROWS), str(error)
    shown = told["allowances"]
    # Who may not see members sees figures only.
    ids = [each["member_id"] for each in shown] if staff_of(request).may(Permission.MEMBERS_VIEW) else []
    people = {each.member_id: each for each in candidates(Member.objects.filter(id__in=ids))}
    address = reverse("console:offline")
    context = {
        "told": told,
        "rows": [{**each, "member": people.get(each["member_id"])} for each in shown],
        "currency": in_force.programme.currency if in_force else "CNY",
        "allowed": in_force is not None and in_force.programme.offline.allows,
        "problem": problem,
        "first_page": address if cursor else "",
        "next_page": f"{address}?cursor={told['next_cursor']}" if told["next_cursor"] else "",
    }
    return render(request, "console/offline.html", context, status=422 if problem else 200)


@requires(Permission.CHECKOUT_USE)
@never_cache
@require_http_methods(["GET", "POST"])
def member_offline(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """A member's allowances; sign a new one for a device. Its token stands on the answer, once."""
    member, now = open_member(request, member_id), clock.now()
    in_force, store = programme_at(now), place_of(request)
    form = AllowanceForm(request.POST if request.method == "POST" else None)
    made: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid() and store is not None:
        try:
            made = issue_allowance(
                actor=staff_of(request).as_actor(),
                member_id=member_id,
                device=form.cleaned_data["device"],
                store=store.code,
                now=now,
            )
            messages.success(request, _("The allowance is signed. Put it into the device."))
        except ShukeError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    rows = Allowance.objects.filter(member_id=member_id).select_related("store").order_by("-issued_at")
    context = {
        "member": member,
        "name": member.name or member.number,
        "form": form if made is None else AllowanceForm(),
        "made": made,
        "store": store,
        "currency": in_force.programme.currency if in_force else "CNY",
        "rules": in_force.programme.offline if in_force else None,
        "rows": [
            {"each": each, "is_open": each.closed_at is None and each.expires_at > now}
            for each in rows[:ALLOWANCES]
        ],
    }
    return render(request, "console/member_offline.html", context, status=422 if form.errors else 200)
