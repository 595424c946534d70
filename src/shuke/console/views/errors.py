"""The pages for errors: what happened in plain words, the way out, and the request id to quote. Never an exception."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.console.access import open_to_all
from shuke.console.context import frame


@open_to_all
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request could not be understood."""
    return _page(
        request,
        400,
        _("This request could not be understood"),
        _("Go back, check what you entered, and try again."),
    )


@open_to_all
def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not entitled."""
    if getattr(request, "user", None) is not None and request.user.is_authenticated:
        return render(request, "console/forbidden.html", {"why": str(exception)}, status=403)
    return _page(request, 403, _("You may not open this page"), _("Sign in with an account that may."))


@open_to_all
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was sent without a valid token, nearly always because the page had been open for too long."""
    return _page(
        request,
        403,
        _("This page was open for too long"),
        _("Nothing was changed. Load the page again and repeat the last step."),
    )


@open_to_all
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: no such page."""
    return _page(
        request,
        404,
        _("This page does not exist"),
        _("The address is wrong, or what it showed has been removed."),
    )


@open_to_all
def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. Drawn without session, user or database, because one of them may be what failed."""
    return _page(
        request,
        500,
        _("Something went wrong on our side"),
        _(
            "Your last step may not have been saved. Try again in a moment; if it happens again, pass on the number below."
        ),
    )


def _page(request: HttpRequest, code: int, title: str | Promise, text: str | Promise) -> HttpResponse:
    # No request is given to the template, so that no context processor runs.
    body = render_to_string(
        "console/error.html", {**frame(request), "code": code, "title": title, "text": text}
    )
    return HttpResponse(body, status=code)
