"""The impact of a draft on the check page: whom it lifts and lowers, what a month of it costs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from shuke.analytics.errors import NeedsAllStores
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.console.access import requires, staff_of
from shuke.console.impact_words import tell_impact
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.document import validate


@require_POST
@requires(Permission.PROGRAMME_PUBLISH)
def programme_impact(request: HttpRequest) -> HttpResponse:
    """The panel, asked for by the check page once it stands: every member is looked at, which may take a while.

    It tells of the whole chain, as a simulation does, and is for people who cover it.
    """
    if not staff_of(request).all_stores:
        raise PermissionDenied(str(NeedsAllStores()))
    context: dict[str, Any] = {"told": None, "problem": ""}
    try:
        document = validate(request.POST.get("source", "").replace("\r\n", "\n"))
        question = ask_impact(document=document, now=clock.now())
        context["told"] = tell_impact(assess_impact(question), (question.against.document, document))
    except ShukeError as error:
        context["problem"] = str(error)
    return render(request, "console/impact.html", context)
