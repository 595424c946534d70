"""What the HTTP layer itself refuses, before any room is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: `place` within the body, the query string or the headers."""

    where: Literal["body", "query", "header"]
    place: tuple[str | int, ...]
    code: str
    message: str | Promise

    @property
    def pointer(self) -> str:
        """JSON Pointer (RFC 6901) of a place in the body; "" is the whole document."""
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.place)


class InvalidRequest(ShukeError):
    """Parameters or body do not have the documented shape; `faults` lists everything that is wrong."""

    code = "invalid_request"
    status = 422
    message = _("The request does not have the documented shape. See errors for each place.")

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


class MalformedJson(ShukeError):
    """The body is no JSON at all. `reason` is a sentence."""

    code = "malformed_json"
    status = 400
    message = _("The body is not valid JSON: %(reason)s")

    def __init__(self, *, reason: str | Promise) -> None:
        super().__init__(reason=reason)


class MalformedRequest(ShukeError):
    code = "malformed_request"
    status = 400
    message = _("The request could not be understood.")


class BodyTooLarge(ShukeError):
    code = "body_too_large"
    status = 413
    message = _("The body is larger than %(limit)s bytes. Use the import for large batches.")


class UnsupportedMediaType(ShukeError):
    code = "unsupported_media_type"
    status = 415
    message = _("Send the body as Content-Type: application/json in UTF-8.")


class UnknownPath(ShukeError):
    code = "unknown_path"
    status = 404
    message = _("There is nothing at this address. See /api/v1/docs for what there is.")


class MethodNotAllowed(ShukeError):
    code = "method_not_allowed"
    status = 405
    message = _("This address does not take %(method)s.")


class InternalError(ShukeError):
    """Our fault. What happened is in the log under the request id."""

    code = "internal_error"
    status = 500
    message = _("Something went wrong on our side. Try again with the same Idempotency-Key.")


class DatabaseUnavailable(ShukeError):
    """The database is down, starting or full. A write that was under way may have been kept: its key tells."""

    code = "database_unavailable"
    status = 503
    message = _("The database cannot be reached just now. Try again shortly with the same Idempotency-Key.")
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}
