"""Shapes that several endpoints share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MAX_MINOR = 10**15
MAX_PAGE = 200


class In(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request body or a query string."""


class Out(msgspec.Struct, kw_only=True):
    """An answer."""


Code = Annotated[str, Meta(min_length=1, max_length=40)]
Sku = Annotated[str, Meta(min_length=1, max_length=64)]
Amount = Annotated[int, Meta(ge=0, le=MAX_MINOR, description="Whole minor units of the currency.")]
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1000,
        description="next_cursor of the page before; filters stay as they were.",
    ),
]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="How many rows a page has at most.")]
SearchText = Annotated[str, Meta(min_length=1, max_length=200)]
NextCursor = Annotated[str | None, Meta(description="Send it as cursor for the next page; null on the last.")]


class PageQuery(In):
    """Which page of a list."""

    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = 50


class ProblemItem(Out):
    """One place of the request that is at fault: in the body (pointer), the query string (parameter) or a header."""

    code: Annotated[str, Meta(description="Stable, for programs.")]
    message: Annotated[str, Meta(description="A sentence in the language of Accept-Language.")]
    pointer: (
        Annotated[str, Meta(description="JSON Pointer (RFC 6901) into the body.")] | msgspec.UnsetType
    ) = msgspec.UNSET
    parameter: str | msgspec.UnsetType = msgspec.UNSET
    header: str | msgspec.UnsetType = msgspec.UNSET


class Problem(Out):
    """A refusal (RFC 9457)."""

    type: Annotated[str, Meta(description="Address of the explanation of this code.")]
    title: str
    status: int
    code: Annotated[str, Meta(description="Stable, for programs.")]
    detail: Annotated[
        str, Meta(description="What happened and what to do, in the language of Accept-Language.")
    ]
    instance: str
    request_id: str
    errors: list[ProblemItem]
