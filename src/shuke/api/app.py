"""The NinjaAPI instance: routers, and one place where every exception becomes a problem document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from shuke.api.endpoints import (
    accruals,
    catalog,
    checkout,
    coupons,
    entitlements,
    explain,
    members,
    moves,
    offline,
    plans,
    prepaid,
    programme,
    refunds,
    reports,
    rewards,
    service,
    simulations,
)
from shuke.api.errors import MethodNotAllowed
from shuke.api.problems import as_refusal, problem
from shuke.kit.errors import ShukeError

api = NinjaAPI(title="Shuke API", version="1", urls_namespace="api", docs_url=None, openapi_url=None)
# Addresses are tried in this order, so the tills' come first.
for room in (
    offline,
    checkout,
    refunds,
    prepaid,
    members,
    accruals,
    moves,
    coupons,
    explain,
    service,
    catalog,
    programme,
    simulations,
    reports,
    rewards,
    plans,
    entitlements,
):
    api.add_router("", room.router)


def refuse(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """The problem document of any exception, with the rate of the key when it is known."""
    error = error if isinstance(error, Exception) else error()
    spec = getattr(request, "endpoint", None)
    names = spec.query.names if spec is not None and spec.query is not None else frozenset()
    response = problem(request, as_refusal(error, request), query_fields=names)
    allowance = getattr(request, "allowance", None)
    if allowance is not None:
        for name, value in allowance.headers().items():
            response.headers.setdefault(name, value)
    return response


for kind in (Exception, ShukeError, HttpError, Http404, ValidationError):
    api.add_exception_handler(kind, refuse)


def guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view with nothing left that could answer otherwise than in JSON: wrong methods, and what ninja lets through."""

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Exception as error:  # the last place before Django's own HTML error pages
            return refuse(request, error)
        if isinstance(response, HttpResponseNotAllowed):
            refused = problem(request, MethodNotAllowed(method=(request.method or "")[:20]))
            refused.headers["Allow"] = ", ".join(sorted(response.headers["Allow"].split(", ")))
            return refused
        return response

    answer.csrf_exempt = True  # type: ignore[attr-defined]  # no cookie authenticates here
    return answer


def patterns() -> list[URLPattern]:
    """The addresses of all endpoints."""
    found = [
        pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern) and pattern.name != "api-root"
    ]
    for pattern in found:
        pattern.callback = guarded(pattern.callback)
    return found
