"""The WSGI entry point: one process serves the console and the API, each with its own middleware."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shuke.config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402
from django.urls import ResolverMatch  # noqa: E402

from shuke.config.supervisor import SUPERVISED, leave_with_parent  # noqa: E402
from shuke.kit.connection import trust_connection  # noqa: E402
from shuke.kit.pinyin import syllables  # noqa: E402

if SUPERVISED in os.environ:
    leave_with_parent()  # a worker must not outlive the web server that forked it


class ApiHandler(WSGIHandler):
    """Django's handler with the short middleware list of the API, and only the housekeeping that an API call needs."""

    def __init__(self) -> None:
        super().__init__()
        self._fixed: dict[str, ResolverMatch] = {}

    def load_middleware(self, is_async: bool = False) -> None:
        console = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.API_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = console

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # type: ignore[override]  # WSGI asks no more
        """One call. Django's signals around a request are left out: of what they do, only the connection matters here.

        The connection is not asked whether it lives: the API's first statement finds out and heals it.
        """
        trust_connection()
        request = WSGIRequest(environ)
        try:
            response = self.get_response(request)
            if response.streaming:
                raise TypeError("the API answers whole documents, not streams")
            body: bytes = response.content  # type: ignore[attr-defined]
            response.headers["Content-Length"] = str(len(body))
            status = f"{response.status_code} {response.reason_phrase}"
            start_response(status, [*response.items()])
            return [body]
        finally:
            request.close()
            if (
                not connection.in_atomic_block
            ):  # a caller in this process may be amid a transaction of its own
                connection.close_if_unusable_or_obsolete()

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """The response, without Django's own log line for refusals: the access log has one for every call."""
        answer: HttpResponseBase = self._middleware_chain(request)  # type: ignore[attr-defined]
        return answer

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The view of a path. One without variables is searched for once per process."""
        match = self._fixed.get(request.path_info)
        if match is None:
            match = super().resolve_request(request)
            if not match.kwargs and not match.args:
                self._fixed[request.path_info] = match  # as many as there are endpoints
        request.resolver_match = match
        return match


_api = ApiHandler()
_console = WSGIHandler()

syllables("熟客")  # the dictionary is read now, not in somebody's first search

# What was loaded lives as long as the process: the collector need not look at it again and again.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send /api/… to the API handler and everything else to the console's."""
    handler = _api if environ.get("PATH_INFO", "").startswith("/api/") else _console
    return handler(environ, start_response)
