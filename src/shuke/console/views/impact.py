"""The impact of a draft on the check page: whom it lifts and lowers, what a month of it costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from shuke.analytics.errors import NeedsAllStores
from shuke.checkout.errors import ImpactNotCounted, UnknownImpact
from shuke.checkout.impact.models import ImpactRun
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.checkout.impact.runs import follow_impact, is_large_book, start_impact
from shuke.console.access import requires, staff_of
from shuke.console.editor.fields import sections
from shuke.console.editor.places import said_place
from shuke.console.impact_words import tell_impact
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.document import validate
from shuke.loyalty.operations import warnings_of
from shuke.loyalty.queries import version_by_number


@require_POST
@requires(Permission.PROGRAMME_PUBLISH)
def programme_impact(request: HttpRequest) -> HttpResponse:
    """The panel, asked for by the check page once it stands: every member is looked at, which may take a while.

    It tells of the whole chain, as a simulation does, and is for people who cover it.
    """
    _whole_chain(request)
    context: dict[str, Any] = {"told": None, "problem": "", "row": None}
    source = request.POST.get("source", "").replace("\r\n", "\n")
    against = request.POST.get("against", "")
    number = int(against) if against.isdecimal() and len(against) < 10 else None
    try:
        if is_large_book():
            actor = staff_of(request).as_actor()
            return _followed(
                request, start_impact(actor=actor, now=clock.now(), source=source, against=number)
            )
        document = validate(source)
        question = ask_impact(document=document, now=clock.now(), against=number)
        context["told"] = tell_impact(assess_impact(question), (question.against.document, document))
    except ShukeError as error:
        context["problem"] = str(error)
    return render(request, "console/impact.html", context)


@requires(Permission.PROGRAMME_PUBLISH)
def programme_impact_run(request: HttpRequest, impact_id: UUID) -> HttpResponse:
    """The same panel while a job looks at the members of a large book, and with what has to be confirmed when it is done."""
    _whole_chain(request)
    try:
        return _followed(request, follow_impact(impact_id=impact_id, now=clock.now()))
    except UnknownImpact:
        raise Http404 from None


def _followed(request: HttpRequest, row: ImpactRun) -> HttpResponse:
    context: dict[str, Any] = {"told": None, "problem": row.problem, "row": row}
    if row.report is not None:
        document = validate(row.source)
        against = version_by_number(row.against)
        context["told"] = tell_impact(row.report, (against.document, document))
        context["counted"] = True
        starts = max(clock.now(), against.effective_at)
        context |= told_cautions(document, starts)
    return render(request, "console/impact.html", context)


def told_cautions(document: Mapping[str, Any], begins: datetime | None = None) -> dict[str, Any]:
    """What has to be confirmed before a draft is published, each with its place in words, and whether the members have still
    to be looked at for it.
    """
    try:
        found = warnings_of(document, clock.now(), begins, may_count=False)
    except ImpactNotCounted:
        return {"cautions": (), "uncounted": True}
    told = [(each, said_place(each.path, document, sections())) for each in found]
    return {"cautions": told, "uncounted": False}


def _whole_chain(request: HttpRequest) -> None:
    """Raises PermissionDenied for people who have some stores only."""
    if not staff_of(request).all_stores:
        raise PermissionDenied(str(NeedsAllStores()))
