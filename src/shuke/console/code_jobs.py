"""Codes that a job makes in the background, of coupons or of plans as gifts: how far it is, and the file of what it made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

REASON_CHARS = 300
_LINES_AT_ONCE = 2000


def progress_part(request: HttpRequest, template: str, told: dict[str, Any]) -> HttpResponse:
    """The part of a page that asks for itself every two seconds; a job that is no more `running` has the page drawn anew."""
    answer = render(request, template, told)
    if not told["running"]:
        answer["HX-Refresh"] = "true"
    return answer


def reason_of(request: HttpRequest) -> str:
    """Why somebody takes the codes or calls them back, as typed."""
    return " ".join(request.POST.get("reason", "").replace("\x00", "").split())[:REASON_CHARS]


def codes_file(codes: Iterator[str], *, of: str, ordered_at: datetime, job_id: UUID) -> StreamingHttpResponse:
    """The codes as CSV, one a line, made while they are sent."""
    answer = StreamingHttpResponse(_lines(codes), content_type="text/csv; charset=utf-8")
    name = f"{of}-{ordered_at:%Y%m%d}-{str(job_id)[-6:]}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _lines(codes: Iterator[str]) -> Iterator[str]:
    """Many lines at a time: each piece of an answer costs the server a write."""
    held = ["code\n"]
    for code in codes:
        held.append(f"{code}\n")
        if len(held) >= _LINES_AT_ONCE:
            yield "".join(held)
            held.clear()
    yield "".join(held)
