"""The programme and small service answers on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from shuke.api.contracts.shared import Out


class VersionSummary(Out):
    """A published version; it counts from `effective_at` (inclusive) to `until` (exclusive; null: open)."""

    id: UUID
    number: int
    status: Literal["in_force", "scheduled", "superseded", "cancelled", "never"]
    effective_at: datetime
    until: datetime | None
    published_at: datetime
    note: str
    digest: Annotated[str, Meta(description="SHA-256 of the document, in hex.")]


class VersionDetail(VersionSummary):
    """A version with its document, as `shuke programme apply` takes it."""

    document: dict[str, Any]


class VersionList(Out):
    """All versions, newest number first."""

    versions: list[VersionSummary]


class DocumentSchema(Out):
    """The JSON Schema (draft 2020-12) of programme documents."""

    schema: dict[str, Any]


class Pong(Out):
    """Nothing: the call was authenticated."""


class Health(Out):
    """The process answers."""

    status: Literal["ok"]
