"""The WSGI entry point: one process serves the console and the API, each with its own middleware."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shuke.config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402

from shuke.config.supervisor import SUPERVISED, leave_with_parent  # noqa: E402
from shuke.kit.connection import trust_connection  # noqa: E402

if SUPERVISED in os.environ:
    leave_with_parent()  # a worker must not outlive the web server that forked it


class ApiHandler(WSGIHandler):
    """Django's handler with the short middleware list of the API."""

    def load_middleware(self, is_async: bool = False) -> None:
        console = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.API_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = console

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """The response with its length, which the console's middleware adds there: else the server must chunk it.

        The connection is not asked whether it lives: the API's first statement finds out and heals it.
        """
        trust_connection()
        response = super().get_response(request)
        if isinstance(response, HttpResponse) and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
        return response


_api = ApiHandler()
_console = WSGIHandler()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send /api/… to the API handler and everything else to the console's."""
    handler = _api if environ.get("PATH_INFO", "").startswith("/api/") else _console
    return handler(environ, start_response)
