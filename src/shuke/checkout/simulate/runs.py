"""Simulations as jobs: asked for, carried out in the background, cancelled, taken up again after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from shuke.checkout.errors import SimulationNotOpen, UnknownSimulation
from shuke.checkout.simulate.models import OPEN, Simulation, SimulationStatus
from shuke.checkout.simulate.operations import Progress, ask, simulate
from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit import jobs
from shuke.kit.crew import cores
from shuke.kit.errors import ShukeError
from shuke.loyalty.document import validate

JOB = "checkout.simulate"


class _Stopped(Exception):
    """Somebody cancelled the run."""


def start_simulation(
    *,
    actor: Actor,
    now: datetime,
    source: str,
    since: datetime,
    until: datetime,
    against: int | None = None,
    note: str = "",
) -> Simulation:
    """Ask for a simulation of a draft over [since, until); a job carries it out.

    Raises InvalidProgramme for the draft, and what `ask` does for the question.
    """
    if len(note) > 120 or not note.isprintable():
        raise InvalidInput(field="note", reason="Give a note of at most 120 characters on one line.")
    question = ask(document=validate(source), since=since, until=until, now=now, against=against)
    with transaction.atomic():
        row = Simulation.objects.create(
            source=source,
            note=note,
            since=since,
            until=until,
            against=question.against.number,
            asked_at=now,
            asked_by=actor.name,
        )
        record_audit(
            actor=actor,
            action="checkout.simulation_asked.v1",
            now=now,
            object_type="simulation",
            object_id=row.id,
            reason=note,
            data={"from": since.isoformat(), "to": until.isoformat(), "against": row.against},
        )
        jobs.defer(JOB, simulation_id=str(row.id))
    return row


def run_simulation(*, simulation_id: UUID, clock: Callable[[], datetime]) -> None:
    """Carry it out, from where an earlier run was interrupted. One that is over or was cancelled is left as it is."""
    waiting = Simulation.objects.filter(id=simulation_id, status__in=OPEN)
    if not waiting.update(status=SimulationStatus.RUNNING):
        return
    row = Simulation.objects.get(id=simulation_id)

    def watch(progress: Progress) -> None:
        if not running.update(done=progress.done, total=progress.total, kept=progress.kept):
            raise _Stopped

    running = Simulation.objects.filter(id=simulation_id, status=SimulationStatus.RUNNING)
    try:
        question = ask(
            document=validate(row.source),
            since=row.since,
            until=row.until,
            now=row.asked_at,
            against=row.against,
        )
        # The tills of this machine keep a core for themselves.
        report = simulate(question, watch=watch, kept=row.kept, processes=cores() - 1)
    except _Stopped:
        return
    except ShukeError as error:
        running.update(status=SimulationStatus.FAILED, problem=str(error)[:300], ended_at=clock(), kept=None)
        return
    with transaction.atomic():
        ended = clock()
        if running.update(status=SimulationStatus.DONE, report=report, ended_at=ended, kept=None):
            publish_event(
                name="checkout.simulation_done.v1",
                member_id=None,
                occurred_at=ended,
                payload={"simulation_id": str(simulation_id), "difference": report["difference"]["cost"]},
            )


def cancel_simulation(*, actor: Actor, now: datetime, simulation_id: UUID) -> Simulation:
    """Stop one that waits or runs. Raises UnknownSimulation, SimulationNotOpen."""
    with transaction.atomic():
        row = get_simulation(simulation_id)
        stopped = Simulation.objects.filter(id=simulation_id, status__in=OPEN)
        if not stopped.update(status=SimulationStatus.CANCELLED, ended_at=now, kept=None):
            raise SimulationNotOpen
        record_audit(
            actor=actor,
            action="checkout.simulation_cancelled.v1",
            now=now,
            object_type="simulation",
            object_id=row.id,
        )
    return get_simulation(simulation_id)


def get_simulation(simulation_id: UUID) -> Simulation:
    """One simulation. Raises UnknownSimulation."""
    row = Simulation.objects.filter(id=simulation_id).first()
    if row is None:
        raise UnknownSimulation
    return row


def list_simulations(*, limit: int, before: UUID | None = None) -> list[Simulation]:
    """The newest first, without their reports."""
    rows = Simulation.objects.order_by("-id").defer("report", "kept", "source")
    return list(rows.filter(id__lt=before)[:limit] if before else rows[:limit])
