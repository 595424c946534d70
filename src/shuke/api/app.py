"""The addresses of the API, and one place where every exception becomes a problem document.

django-ninja's routers collect the addresses. Nothing that it does around a call is used (msgspec decodes and encodes, one place
authenticates and refuses), so a call does not pass through it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from ninja.operation import PathView

from shuke.api.endpoints import (
    accruals,
    catalog,
    checkout,
    coupons,
    entitlements,
    explain,
    impact,
    members,
    moves,
    offline,
    plan_gift_orders,
    plans,
    prepaid,
    programme,
    refunds,
    reports,
    rewards,
    service,
    simulations,
    tiers,
)
from shuke.api.errors import MethodNotAllowed
from shuke.api.problems import as_refusal, problem

ROOMS = (
    offline,
    checkout,
    refunds,
    prepaid,
    members,
    tiers,
    accruals,
    moves,
    coupons,
    explain,
    service,
    catalog,
    programme,
    simulations,
    impact,
    reports,
    rewards,
    plans,
    plan_gift_orders,
    entitlements,
)
"""Addresses are tried in this order, so the tills' come first."""


_PLACE = re.compile(r"\{([^}]+)\}")


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


def guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view with nothing left that could answer otherwise than in JSON: refusals, faults and wrong methods."""

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


def _by_method(found: PathView) -> Callable[..., HttpResponseBase]:
    views: dict[str, Callable[..., HttpResponseBase]] = {
        method: operation.view_func for operation in found.operations for method in operation.methods
    }

    def answer(request: HttpRequest, **place: str) -> HttpResponseBase:
        view = views.get(request.method or "")
        return view(request, **place) if view else HttpResponseNotAllowed(list(views))

    return answer


def patterns() -> list[URLPattern]:
    """The addresses of all endpoints."""
    return [
        path(_PLACE.sub(r"<\1>", address).lstrip("/"), guarded(_by_method(found)))
        for room in ROOMS
        for address, found in room.router.path_operations.items()
    ]
