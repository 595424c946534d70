"""Every refusal as application/problem+json (RFC 9457), in the caller's language, with the request id."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import pgettext_lazy

from shuke.api.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Fault,
    InternalError,
    InvalidRequest,
    MalformedRequest,
    UnknownPath,
)
from shuke.checkout.errors import CouponNotUsable
from shuke.core.errors import RateLimited
from shuke.core.requests import current_request_id, log_unknown_error
from shuke.kit.connection import is_database_away
from shuke.kit.errors import ShukeError

CONTENT_TYPE = "application/problem+json"
DOCS_PATH = "/api/v1/docs"
BODY_LIMIT = 2 * 1024 * 1024

TITLES = {
    400: pgettext_lazy("problem", "Bad request"),
    401: pgettext_lazy("problem", "Not authenticated"),
    403: pgettext_lazy("problem", "Not allowed"),
    404: pgettext_lazy("problem", "Not found"),
    405: pgettext_lazy("problem", "Method not allowed"),
    409: pgettext_lazy("problem", "Conflict"),
    410: pgettext_lazy("problem", "Gone"),
    413: pgettext_lazy("problem", "Body too large"),
    415: pgettext_lazy("problem", "Unsupported media type"),
    422: pgettext_lazy("problem", "Unusable input"),
    429: pgettext_lazy("problem", "Too many requests"),
    500: pgettext_lazy("problem", "Internal error"),
    503: pgettext_lazy("problem", "Not available"),
}

_json = msgspec.json.Encoder()


def language_of(request: HttpRequest) -> str:
    """The language to answer in: the console's choice in a browser, else Accept-Language, else the house's."""
    if "HTTP_COOKIE" in request.META:
        return translation.get_language_from_request(request)
    return _accepted(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))


@lru_cache(maxsize=1024)
def _accepted(header: str) -> str:
    bare = HttpRequest()
    bare.META["HTTP_ACCEPT_LANGUAGE"] = header
    return translation.get_language_from_request(bare)


def as_refusal(error: Exception, request: HttpRequest) -> ShukeError:
    """The refusal that an exception amounts to. What nobody anticipated is logged and becomes an internal error."""
    match error:
        case ShukeError():
            return error
        case Http404():
            return UnknownPath()
        case RequestDataTooBig():
            return BodyTooLarge(limit=BODY_LIMIT)
        case SuspiciousOperation() | BadRequest():
            return MalformedRequest()
    log_unknown_error(error, method=request.method or "", path=request.path)
    return DatabaseUnavailable() if is_database_away(error) else InternalError()


def problem(
    request: HttpRequest, error: ShukeError, *, query_fields: frozenset[str] = frozenset()
) -> HttpResponse:
    """The answer for a refusal. `query_fields` are the names that mean a parameter and not a place in the body."""
    language = language_of(request)
    with translation.override(language):
        body: dict[str, Any] = {
            "type": f"{DOCS_PATH}#{error.code}",
            "title": str(TITLES.get(error.status, TITLES[400])),
            "status": error.status,
            "code": error.code,
            "detail": str(error),
            "instance": request.path,
            "request_id": current_request_id(),
            "errors": [_item(fault) for fault in _faults(error, query_fields)],
        }
    response = HttpResponse(_json.encode(body), status=error.status, content_type=CONTENT_TYPE)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = "no-store"
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="shuke"'
    if isinstance(error, RateLimited | DatabaseUnavailable):
        for name, value in error.headers.items():
            response.headers[name] = value
    return response


def _faults(error: ShukeError, query_fields: frozenset[str]) -> tuple[Fault, ...]:
    if isinstance(error, InvalidRequest):
        return error.faults
    if not error.field:
        return ()
    if error.field == "Idempotency-Key":
        return (Fault("header", (error.field,), error.code, str(error)),)
    if error.field in query_fields:
        return (Fault("query", (error.field,), error.code, str(error)),)
    place = tuple(int(part) if part.isdigit() else part for part in error.field.split("/"))
    # A coupon is refused for one of many stable causes: the program that called goes by it, not by the sentence.
    cause = error.params["cause"] if isinstance(error, CouponNotUsable) else error.code
    return (Fault("body", place, str(cause), str(error)),)


def _item(fault: Fault) -> dict[str, str]:
    match fault.where:
        case "query":
            where = {"parameter": str(fault.place[0])}
        case "header":
            where = {"header": str(fault.place[0])}
        case _:
            where = {"pointer": fault.pointer}
    return {**where, "code": fault.code, "message": str(fault.message)}
