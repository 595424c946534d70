"""Ask for simulations of a draft, follow them, read their reports."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router

from shuke.analytics.errors import NeedsAllStores
from shuke.api.contracts.programme import (
    SimulationDetail,
    SimulationIn,
    SimulationList,
    SimulationSummary,
)
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.checkout.errors import NoProgramme, SimulationNotOpen, UnknownSimulation
from shuke.checkout.simulate.models import Simulation
from shuke.checkout.simulate.runs import (
    cancel_simulation,
    get_simulation,
    list_simulations,
    start_simulation,
)
from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Scope
from shuke.loyalty.errors import InvalidProgramme, UnknownVersion

BY_ID = (UUID,)

router = Router()


@endpoint(
    router,
    "POST",
    "/programme/simulations",
    scope=Scope.REPORTS_READ,
    body=SimulationIn,
    answers={202: SimulationSummary},
    tag="programme",
    keyed="once",
    refusals=(NeedsAllStores, InvalidProgramme, InvalidInput, NoProgramme, UnknownVersion),
)
def start_a_simulation(call: Call, body: SimulationIn) -> tuple[int, dict[str, Any]]:
    """Simulate a draft on the real sales of a period.

    A job replays them under the draft and under a published version. Nothing of the books changes; read the report when
    `status` is done.
    """
    _all_stores(call)
    row = start_simulation(
        actor=call.caller.as_actor(),
        now=call.now,
        source=body.document,
        since=body.since,
        until=body.until,
        against=body.against,
        note=body.note,
    )
    return 202, _summary(row)


@endpoint(
    router,
    "GET",
    "/programme/simulations",
    scope=Scope.REPORTS_READ,
    query=PageQuery,
    answers={200: SimulationList},
    tag="programme",
    refusals=(NeedsAllStores, InvalidInput),
)
def simulations(call: Call, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List simulations, newest first."""
    _all_stores(call)
    cursor = checked_cursor(query.cursor, BY_ID)
    before = decode_cursor(cursor)[0] if cursor else None
    rows = list_simulations(limit=query.limit + 1, before=before)
    page = rows[: query.limit]
    following = encode_cursor([page[-1].id]) if len(rows) > query.limit else None
    return 200, {"simulations": [_summary(row) for row in page], "next_cursor": following}


@endpoint(
    router,
    "GET",
    "/programme/simulations/{simulation_id}",
    scope=Scope.REPORTS_READ,
    answers={200: SimulationDetail},
    tag="programme",
    refusals=(NeedsAllStores, UnknownSimulation),
)
def simulation(call: Call, simulation_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read a simulation and its report."""
    _all_stores(call)
    row = get_simulation(simulation_id)
    return 200, {**_summary(row), "report": row.report}


@endpoint(
    router,
    "POST",
    "/programme/simulations/{simulation_id}/cancel",
    scope=Scope.REPORTS_READ,
    answers={200: SimulationSummary},
    tag="programme",
    keyed="once",
    refusals=(NeedsAllStores, UnknownSimulation, SimulationNotOpen),
)
def cancel_a_simulation(call: Call, simulation_id: UUID) -> tuple[int, dict[str, Any]]:
    """Stop a simulation that waits or runs."""
    _all_stores(call)
    row = cancel_simulation(actor=call.caller.as_actor(), now=call.now, simulation_id=simulation_id)
    return 200, _summary(row)


def _all_stores(call: Call) -> None:
    if call.stores is not None:
        raise NeedsAllStores


def _summary(row: Simulation) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "note": row.note,
        "from": row.since,
        "to": row.until,
        "against": row.against,
        "done": row.done,
        "total": row.total,
        "problem": row.problem,
        "asked_at": row.asked_at,
        "ended_at": row.ended_at,
    }
