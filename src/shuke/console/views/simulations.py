"""Simulations of drafts: asked for from the editor, followed while they run, told with charts when they are done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from shuke.analytics.errors import NeedsAllStores
from shuke.catalog.queries import store_names
from shuke.checkout.errors import UnknownSimulation
from shuke.checkout.simulate.models import Simulation
from shuke.checkout.simulate.runs import (
    cancel_simulation,
    get_simulation,
    list_simulations,
    start_simulation,
)
from shuke.console.access import requires, staff_of
from shuke.console.days import EARLIEST_DAY, LATEST_DAY, end_of, start_of
from shuke.console.simulation_words import tell_report, without_margin
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.document import validate
from shuke.loyalty.queries import version_by_number

ROWS = 30


class SimulateForm(forms.Form):
    """A period that is over, and a word on what is tried."""

    source = forms.CharField(strip=False, max_length=1_000_000, widget=forms.HiddenInput)
    first = forms.DateField(
        label=gettext_lazy("From day"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last = forms.DateField(
        label=gettext_lazy("To day"),
        help_text=gettext_lazy("The whole day counts; the period must be over."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    note = forms.CharField(
        label=gettext_lazy("What is tried"),
        max_length=120,
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in ("first", "last"):
            if name in data and not EARLIEST_DAY <= data[name] <= LATEST_DAY:
                self.add_error(name, _("There is no such day to simulate."))
        return data


def simulate_form(source: str = "") -> SimulateForm:
    """The form for the three months that ended yesterday."""
    last = timezone.localdate(clock.now()) - timedelta(days=1)
    return SimulateForm(initial={"source": source, "first": last - timedelta(days=89), "last": last})


def _whole_chain(request: HttpRequest) -> None:
    """A simulation tells of all stores and their members. Raises PermissionDenied for people who have some stores only."""
    if not staff_of(request).all_stores:
        raise PermissionDenied(str(NeedsAllStores()))


@requires(Permission.PROGRAMME_PUBLISH)
def simulations(request: HttpRequest) -> HttpResponse:
    """The simulations, newest first."""
    _whole_chain(request)
    before = request.GET.get("before", "")
    try:
        rows = list_simulations(limit=ROWS + 1, before=UUID(before) if before else None)
    except ValueError:
        raise Http404 from None
    context = {
        "tab": "simulations",
        "rows": rows[:ROWS],
        "next": rows[ROWS - 1].id if len(rows) > ROWS else None,
        "may_publish": True,
    }
    return render(request, "console/simulations.html", context)


@require_POST
@requires(Permission.PROGRAMME_PUBLISH)
def simulation_new(request: HttpRequest) -> HttpResponse:
    """Ask for a simulation of a draft; what is wrong with the question is told above the form."""
    _whole_chain(request)
    data = request.POST.copy()
    data["source"] = data.get("source", "").replace("\r\n", "\n")
    form = SimulateForm(data)
    if form.is_valid():
        given = form.cleaned_data
        try:
            row = start_simulation(
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                source=given["source"],
                since=start_of(given["first"]),
                until=end_of(given["last"]),
                note=given["note"],
            )
        except ShukeError as error:
            form.add_error({"from": "first", "to": "last"}.get(error.field or ""), str(error))
        else:
            messages.success(request, _("The simulation was started."))
            return redirect("console:simulation", row.id)
    return render(request, "console/simulation_new.html", {"form": form}, status=422)


@requires(Permission.PROGRAMME_PUBLISH)
def simulation(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    """One simulation: its progress, or its report; the whole report as JSON with `as=json`."""
    _whole_chain(request)
    row = _found(simulation_id)
    with_margin = staff_of(request).may(Permission.FINANCE_VIEW)
    if request.GET.get("as") == "json" and row.report is not None:
        report = row.report if with_margin else without_margin(row.report)
        download = JsonResponse(report, json_dumps_params={"ensure_ascii": False, "indent": 2})
        download["Content-Disposition"] = f'attachment; filename="simulation-{row.id}.json"'
        return download
    context: dict[str, Any] = {"row": row, "told": None, "last_day": row.until - timedelta(seconds=1)}
    if row.report is not None:
        documents = (version_by_number(row.against).document, validate(row.source))
        told = tell_report(
            row.report, documents, stores=dict(store_names().values()), with_margin=with_margin
        )
        context["told"] = told
    context["polled"] = "HX-Request" in request.headers  # then the pill in the page's head is brought along
    page = "console/simulation_state.html" if request.headers.get("HX-Request") else "console/simulation.html"
    answer = render(request, page, context)
    if request.headers.get("HX-Request") and not row.is_open:
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
@requires(Permission.PROGRAMME_PUBLISH)
def simulation_cancel(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    """Stop one that waits or runs."""
    _whole_chain(request)
    row = _found(simulation_id)
    try:
        cancel_simulation(actor=staff_of(request).as_actor(), now=clock.now(), simulation_id=row.id)
        messages.success(request, _("The simulation was cancelled."))
    except ShukeError as error:
        messages.error(request, str(error))
    return redirect("console:simulation", row.id)


def _found(simulation_id: UUID) -> Simulation:
    try:
        return get_simulation(simulation_id)
    except UnknownSimulation:
        raise Http404 from None
