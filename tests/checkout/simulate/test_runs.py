"""Simulations as jobs: asked for, carried out, taken up half-way, cancelled, and refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shuke.checkout.errors import SimulationNotOpen, UnknownSimulation
from shuke.checkout.simulate import operations, runs
from shuke.checkout.simulate.models import Simulation
from shuke.checkout.simulate.runs import (
    cancel_simulation,
    get_simulation,
    list_simulations,
    run_simulation,
    start_simulation,
)
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.kit import jobs
from shuke.loyalty.errors import InvalidProgramme
from tests.factories.checkout import START, TILL, make_shop, sell
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

UNTIL = START + timedelta(days=30)


@pytest.fixture
def deferred(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs, "defer", lambda name, /, **given: found.append({"name": name, **given}))
    return found


@pytest.fixture
def asked(deferred: list[dict[str, Any]]) -> Simulation:
    make_shop()
    for _ in range(4):
        sell(("A", 2), member=make_member(now=START), now=START + timedelta(days=1))
    return start()


def start(**more: Any) -> Simulation:
    draft = document(earning=[{"id": "base", "name": {"zh-Hans": "双倍"}, "give": 2, "per": "1.00"}])
    given = {
        "source": json.dumps(draft),
        "since": START,
        "until": UNTIL,
        "now": UNTIL,
        "note": "twice",
        **more,
    }
    return start_simulation(actor=TILL, **given)


def carry_out(row: Simulation) -> Simulation:
    run_simulation(simulation_id=row.id, clock=lambda: UNTIL + timedelta(minutes=1))
    return get_simulation(row.id)


def test_what_is_asked_for_is_carried_out_once_and_told(
    asked: Simulation, deferred: list[dict[str, Any]]
) -> None:
    assert deferred == [{"name": "checkout.simulate", "simulation_id": str(asked.id)}]
    assert asked.status == "waiting" and asked.against == 1
    done = carry_out(asked)
    assert (
        done.status == "done" and done.kept is None and (done.done, done.total, done.percent) == (4, 4, 100)
    )
    assert done.report["draft"]["points_issued"] == 2 * done.report["current"]["points_issued"] == 160
    assert (
        AuditEvent.objects.filter(action="checkout.simulation_asked.v1", object_id=str(asked.id)).count() == 1
    )
    told = OutboxEvent.objects.get(name="checkout.simulation_done.v1")
    assert told.payload["simulation_id"] == str(asked.id)
    assert carry_out(done).ended_at == done.ended_at
    assert OutboxEvent.objects.filter(name="checkout.simulation_done.v1").count() == 1


def test_an_interrupted_run_goes_on_from_its_last_batch(
    monkeypatch: pytest.MonkeyPatch, asked: Simulation
) -> None:
    whole = carry_out(start()).report
    monkeypatch.setattr(operations, "MEMBERS_PER_BATCH", 1)
    played: list[Any] = []
    close = operations._Pair.close

    def dying(pair: Any, run: Any) -> None:
        if len(played) == 2:
            played.append(pair)
            raise KeyboardInterrupt
        played.append(pair)
        close(pair, run)

    monkeypatch.setattr(operations._Pair, "close", dying)
    with pytest.raises(KeyboardInterrupt):
        carry_out(asked)
    half = get_simulation(asked.id)
    assert (half.status, half.done) == ("running", 2) and half.kept is not None
    assert carry_out(asked).report == whole
    assert len(played) == 5  # two before, the one it died at, and that one and the last again


def test_a_cancelled_one_stops_at_the_next_batch_and_cannot_be_cancelled_again(
    monkeypatch: pytest.MonkeyPatch, asked: Simulation
) -> None:
    monkeypatch.setattr(operations, "MEMBERS_PER_BATCH", 1)
    simulate = operations.simulate

    def meanwhile(*args: Any, **given: Any) -> Any:
        cancel_simulation(actor=TILL, now=UNTIL, simulation_id=asked.id)
        return simulate(*args, **given)

    monkeypatch.setattr(runs, "simulate", meanwhile)
    stopped = carry_out(asked)
    assert stopped.status == "cancelled" and stopped.report is None and stopped.done == 0
    with pytest.raises(SimulationNotOpen):
        cancel_simulation(actor=TILL, now=UNTIL, simulation_id=asked.id)


def test_a_draft_with_problems_is_not_taken_and_unknown_ones_are_told(asked: Simulation) -> None:
    with pytest.raises(InvalidProgramme):
        start(source="shuke: 1")
    assert [row.id for row in list_simulations(limit=5)] == [asked.id]
    assert list_simulations(limit=5, before=asked.id) == []
    with pytest.raises(UnknownSimulation):
        get_simulation(uuid4())
