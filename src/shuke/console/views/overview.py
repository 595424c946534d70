"""The overview: how the membership is doing. Shows the way to start while there is nothing to show."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shuke.console.access import requires
from shuke.core.values import Permission


@requires(Permission.OVERVIEW_VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """The page people land on after signing in."""
    return render(request, "console/overview.html")
