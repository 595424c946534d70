"""Coupon templates with their figures and alarms, and unique codes in bulk: ordered, watched, downloaded, called back."""

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

from shuke.console import coupon_words as words
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.code_jobs import REASON_CHARS, codes_file, progress_part, reason_of
from shuke.console.forms_once import book_once
from shuke.console.refusals import attempt
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.clock import local_date
from shuke.kit.errors import ShukeError
from shuke.loyalty.coupon_books import order_coupon_codes
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.loyalty.words import localized
from shuke.rewards import operations
from shuke.rewards.errors import CodeJobUnknown
from shuke.rewards.models import Alarm, CodeJob, CodeJobStatus
from shuke.rewards.operations.codes import MAX_CODES
from shuke.rewards.queries import (
    Figures,
    JobPage,
    figures_of,
    get_code_job,
    list_alarms,
    list_code_jobs,
    touched_of,
)
from shuke.rewards.values import CouponTemplate

ROWS = 50
JOBS = 10


class CodesForm(forms.Form):
    """How many codes, and what for; a token makes one order of however many clicks."""

    count = forms.IntegerField(label=gettext_lazy("How many"), min_value=1, max_value=MAX_CODES, initial=1000)
    note = forms.CharField(
        label=gettext_lazy("What for"),
        max_length=REASON_CHARS,
        required=False,
        help_text=gettext_lazy("Such as the flyer or the partner."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].initial = uuid.uuid4().hex


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def coupons(request: HttpRequest) -> HttpResponse:
    """Every template of the programme in force, what became of it, and which limits come near their end."""
    in_force = programme_at(clock.now())
    templates = in_force.programme.coupons if in_force else {}
    currency = in_force.programme.currency if in_force else "CNY"
    figures = figures_of()
    after = request.GET.get("after", "")
    codes = [code for code in sorted(templates) if code > after]
    rows = [_row(templates[code], figures, in_force) for code in codes[:ROWS]] if in_force else []
    near = [
        {"template": templates[code], "name": localized(templates[code].name), "use": use}
        for code in sorted(templates)
        for use in words.limits_of(templates[code], figures.get(code) or Figures(code), currency)
        if use.tone
    ]
    address = reverse("console:coupons")
    context = {
        "rows": rows,
        "near": near,
        "currency": currency,
        "former": [figures[code] for code in sorted(figures) if code not in templates][:ROWS]
        if not after
        else [],
        "first_page": address if after else "",
        "next_page": f"{address}?after={codes[ROWS - 1]}" if len(codes) > ROWS else "",
    }
    return render(request, "console/coupons.html", context)


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def coupon(request: HttpRequest, code: str) -> HttpResponse:
    """One template: its terms, limits, alarms and figures, and its orders for unique codes; here new ones are placed."""
    in_force, template = _template(code)
    currency = in_force.programme.currency
    may_order = staff_of(request).may(Permission.COUPONS_CODES)
    form = CodesForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may_order:
            raise PermissionDenied
        if form.is_valid():
            made = attempt(form, lambda: _order(request, code, form))
            if made is not None:
                messages.success(request, _("Ordered: the codes are being made."))
                return redirect("console:coupon_codes", made)
    problem, page = _jobs(code, request.GET.get("cursor") or None)
    address = reverse("console:coupon", args=[code])
    context = {
        **_row(template, figures_of([code]), in_force),
        "currency": currency,
        "stacking": template.stacking,
        "alarms": [_alarm(each, currency) for each in list_alarms([code], limit=JOBS)],
        "jobs": [_job(each) for each in page.jobs],
        "problem": problem,
        "first_page": address if request.GET.get("cursor") else "",
        "next_page": f"{address}?cursor={page.next_cursor}" if page.next_cursor else "",
        "form": form if may_order else None,
        "most": MAX_CODES,
    }
    return render(request, "console/coupon.html", context, status=422 if form.errors else 200)


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def coupon_codes(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One order for codes: how far it is, and what became of them; the file, and calling them back."""
    return render(request, "console/coupon_codes.html", _job_context(request, _get(job_id)))


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def coupon_codes_progress(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """How far the job is, asked for every two seconds; when it has ended the page is drawn anew."""
    return progress_part(request, "console/coupon_codes_progress.html", _job(_get(job_id)))


@requires(Permission.COUPONS_CODES)
@require_POST
def coupon_codes_file(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """The codes as a file, one a line, made again while they are sent; who took them and why is on record."""
    job = _get(job_id)
    try:
        told = operations.download_codes(
            actor=staff_of(request).as_actor(), job_id=job.id, now=clock.now(), reason=reason_of(request)
        )
    except ShukeError as error:
        messages.error(request, str(error))
        return redirect("console:coupon_codes", job.id)
    return codes_file(told, of=job.template, ordered_at=job.created_at, job_id=job.id)


@requires(Permission.COUPONS_CODES)
@require_POST
def coupon_codes_void(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Call back the codes that nobody has touched."""
    job = _get(job_id)
    try:
        operations.void_codes(
            actor=staff_of(request).as_actor(), job_id=job.id, reason=reason_of(request), now=clock.now()
        )
    except ShukeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The codes that nobody had touched are called back."))
    return redirect("console:coupon_codes", job.id)


def _template(code: str) -> tuple[InForce, CouponTemplate]:
    in_force = programme_at(clock.now())
    template = in_force.programme.coupons.get(code) if in_force else None
    if in_force is None or template is None:
        raise Http404
    return in_force, template


def _get(job_id: UUID) -> CodeJob:
    try:
        return get_code_job(job_id)
    except CodeJobUnknown as error:
        raise Http404 from error


def _jobs(template: str, cursor: str | None) -> tuple[str, JobPage]:
    try:
        return "", list_code_jobs(template=template, cursor=cursor, limit=JOBS)
    except InvalidInput as error:
        return str(error), JobPage([], None)


def _order(request: HttpRequest, code: str, form: CodesForm) -> UUID:
    data, now = form.cleaned_data, clock.now()

    def work() -> str:
        made = order_coupon_codes(
            actor=staff_of(request).as_actor(), template=code, count=data["count"], note=data["note"], now=now
        )
        return str(made.id)

    return UUID(book_once(request, form, work, now=now))


def _row(template: CouponTemplate, figures: dict[str, Figures], in_force: InForce) -> dict[str, Any]:
    found = figures.get(template.code) or Figures(template.code)
    programme, currency = in_force.programme, in_force.programme.currency
    limits = words.limits_of(template, found, currency)
    return {
        "template": template,
        "name": localized(template.name),
        "kind": words.TYPES[template.type],
        "gives": words.gives(template, currency),
        "term": words.term(template),
        "state": words.state(template, limits, local_date(clock.now(), programme.zone)),
        "ways": words.ways(template, programme, version_by_id(in_force.version_id).document),
        "figures": found,
        "limits": limits,
    }


def _alarm(alarm: Alarm, currency: str) -> dict[str, Any]:
    return {
        "at": alarm.at,
        "limit": words.LIMITS[alarm.kind],
        "taken": words.taken_of(alarm.kind, alarm.taken, alarm.most, currency),
    }


def _job(job: CodeJob) -> dict[str, Any]:
    return {
        "job": job,
        "state": words.JOB_STATES[job.status],
        "kind": words.JOB_KINDS.get(job.status, ""),
        "running": job.status == CodeJobStatus.RUNNING,
        "percent": job.made * 100 // job.count,
    }


def _job_context(request: HttpRequest, job: CodeJob) -> dict[str, Any]:
    in_force = programme_at(clock.now())
    template = in_force.programme.coupons.get(job.template) if in_force else None
    touched = touched_of(job.id)
    people = people_of([job.actor])
    may = staff_of(request).may(Permission.COUPONS_CODES)
    return {
        **_job(job),
        "name": localized(template.name) if template else job.template,
        "known": template is not None,
        "ordered_by": words.who(job.actor, people),
        "untouched": job.count - sum(touched.values()) - job.ended_pieces,
        "touched": [(words.STATES[state], touched[state]) for state in words.STATES if touched.get(state)],
        # What ends with a day is good through the day before.
        "last": job.valid_until - timedelta(microseconds=1) if job.valid_until else None,
        "may_download": may and job.status == CodeJobStatus.DONE,
        "may_void": may and job.ended_at is None,
    }
