"""Is the service there, and is my key good?"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from shuke.api.contracts.programme import Pong
from shuke.api.endpoint import JSON, Call, Reply, endpoint

router = Router()


@endpoint(router, "GET", "/ping", scope=None, answers={200: Pong}, tag="service")
def ping(call: Call) -> Reply:
    """Check the key.

    Answers an empty object to every valid key, whatever its scopes.
    """
    return Reply(200, b"{}")


def health(request: HttpRequest) -> HttpResponse:
    """Liveness for load balancers: the process answers. No key, no details, no database."""
    response = HttpResponse(b'{"status":"ok"}', content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response
