"""The programme and small service answers on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shuke.api.contracts.shared import In, NextCursor, Out


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
    """One page of the versions, newest number first."""

    versions: list[VersionSummary]
    next_cursor: NextCursor


class DocumentSchema(Out):
    """The JSON Schema (draft 2020-12) of programme documents."""

    schema: dict[str, Any]


class SimulationIn(In):
    """A draft and a period that is over. The period begins at `from` (inclusive) and ends at `to` (exclusive)."""

    document: Annotated[
        str, Meta(min_length=1, max_length=1_000_000, description="The draft, as YAML or JSON.")
    ]
    since: Annotated[datetime, Meta(tz=True)] = msgspec.field(name="from")
    until: Annotated[datetime, Meta(tz=True)] = msgspec.field(name="to")
    against: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Number of the version to compare with; null: the one in force."),
    ] = None
    note: Annotated[str, Meta(max_length=120)] = ""


class SimulationSummary(Out):
    """A simulation that was asked for; `done` of `total` parts are through."""

    id: UUID
    status: Literal["waiting", "running", "done", "failed", "cancelled"]
    note: str
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    against: int
    done: int
    total: int
    problem: Annotated[str, Meta(description="Why it failed; empty otherwise.")]
    asked_at: datetime
    ended_at: datetime | None


class SimulationDetail(SimulationSummary):
    """A simulation with its report, once it is done: whole numbers only, the same for the same question and books."""

    report: dict[str, Any] | None


class SimulationList(Out):
    """The newest first."""

    simulations: list[SimulationSummary]
    next_cursor: NextCursor


class Pong(Out):
    """Nothing: the call was authenticated."""


class Health(Out):
    """The process answers."""

    status: Literal["ok"]
