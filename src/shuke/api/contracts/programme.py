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


class ImpactIn(In):
    """A draft, and the days whose sales tell the cost."""

    document: Annotated[
        str, Meta(min_length=1, max_length=1_000_000, description="The draft, as YAML or JSON.")
    ]
    days: Annotated[int, Meta(ge=1, le=366)] = 90
    against: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Number of the version to compare with; null: the one in force."),
    ] = None


class TierStep(Out):
    """Members who come from one level to another; an empty level: the programme has no such track."""

    from_: str = msgspec.field(name="from")
    to: str
    members: int
    direction: Literal["up", "down", "unchanged"]


class LevelCount(Out):
    """How many members stand on a level."""

    code: str
    before: int
    after: int


class TrackView(Out):
    """Members of a track in one view."""

    up: int
    down: int
    unchanged: int
    moves: list[TierStep]
    levels: list[LevelCount]


class TrackImpact(Out):
    """A track in both views; the main one has an empty code."""

    track: str
    at_once: TrackView
    in_time: TrackView


class CostBy(Out):
    """Minor units by what becomes of the members on the main track."""

    up: int
    down: int
    unchanged: int


class MonthlyCost(Out):
    """More (+) or less (−) than under the other programme, for a month of 30 days."""

    discount_minor: int
    points: int
    points_minor: Annotated[int, Meta(description="At what points are worth at the till.")]
    total_minor: int
    by: CostBy


class CostViews(Out):
    """The cost in both views."""

    at_once: MonthlyCost
    in_time: MonthlyCost


class ImpactReport(Out):
    """What a draft does to the members: whole numbers, the same for the same question and books."""

    schema: int
    at: datetime
    days: int
    currency: str
    programmes: Annotated[
        dict[str, dict[str, int | str]], Meta(description="Version and digest of the two programmes.")
    ]
    members: int
    buyers: Annotated[int, Meta(description="Of them, who bought in these days.")]
    sales_minor: int
    tracks: list[TrackImpact]
    cost: CostViews
    notes: list[Literal["final_prices", "points_without_worth", "other_benefits"]]
    sales: Annotated[int, Meta(description="How many sales these were.")] = 0
    final_sales: Annotated[
        int, Meta(description="Of them, those with final prices: they are left out of the cost of discounts.")
    ] = 0


class ImpactProgress(Out):
    """A look at all members that a job carries out; `done` of `total` members are through. Poll it until it is over."""

    id: UUID
    status: Literal["waiting", "running", "done", "failed"]
    against: int
    days: int
    done: int
    total: int
    problem: Annotated[str, Meta(description="Why it failed; empty otherwise.")]
    asked_at: datetime
    ended_at: datetime | None


class ImpactDetail(ImpactProgress):
    """The look with its report, once it is done."""

    report: ImpactReport | None


class Pong(Out):
    """Nothing: the call was authenticated."""


class Health(Out):
    """The process answers."""

    status: Literal["ok"]
