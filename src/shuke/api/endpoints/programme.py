"""Read the programme and its versions."""

from __future__ import annotations

from typing import Any

from ninja import Router

from shuke.api.contracts.programme import DocumentSchema, VersionDetail, VersionList
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import BY_NUMBER, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.checkout.errors import NoProgramme
from shuke.checkout.operations import programme_in_force
from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Scope
from shuke.loyalty.errors import UnknownVersion
from shuke.loyalty.queries import VersionRow, list_versions, version_by_number
from shuke.loyalty.schema import json_schema

router = Router()


@endpoint(
    router,
    "GET",
    "/programme",
    scope=Scope.PROGRAMME_READ,
    answers={200: VersionDetail},
    tag="programme",
    refusals=(NoProgramme,),
)
def programme(call: Call) -> tuple[int, dict[str, Any]]:
    """Read the programme in force."""
    return 200, _detail(call, programme_in_force(call.now).number)


@endpoint(
    router,
    "GET",
    "/programme/versions",
    scope=Scope.PROGRAMME_READ,
    query=PageQuery,
    answers={200: VersionList},
    tag="programme",
    refusals=(InvalidInput,),
)
def programme_versions(call: Call, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List all versions, newest number first."""
    cursor = checked_cursor(query.cursor, BY_NUMBER)
    before = decode_cursor(cursor)[0] if cursor else None
    rows = [row for row in list_versions(call.now) if before is None or row.number < before]
    page, more = rows[: query.limit], len(rows) > query.limit
    return 200, {
        "versions": [_summary(row) for row in page],
        "next_cursor": encode_cursor([page[-1].number]) if more else None,
    }


@endpoint(
    router,
    "GET",
    "/programme/versions/{number}",
    scope=Scope.PROGRAMME_READ,
    answers={200: VersionDetail},
    tag="programme",
    refusals=(UnknownVersion,),
)
def programme_version(call: Call, number: int) -> tuple[int, dict[str, Any]]:
    """Read one version."""
    return 200, _detail(call, number)


@endpoint(
    router,
    "GET",
    "/programme/schema",
    scope=Scope.PROGRAMME_READ,
    answers={200: DocumentSchema},
    tag="programme",
)
def programme_schema(call: Call) -> tuple[int, dict[str, Any]]:
    """Read the JSON Schema of programme documents.

    Told by the readers that `apply` runs, so an editor that uses it accepts what can be published, shape by shape.
    """
    return 200, {"schema": json_schema()}


def _detail(call: Call, number: int) -> dict[str, Any]:
    row = next((row for row in list_versions(call.now) if row.number == number), None)
    if row is None:
        raise UnknownVersion
    return {**_summary(row), "document": dict(version_by_number(number).document)}


def _summary(row: VersionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "status": row.status,
        "effective_at": row.effective_at,
        "until": row.until,
        "published_at": row.published_at,
        "note": row.note,
        "digest": row.digest,
    }
