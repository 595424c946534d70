"""Runs a case and takes everything back: one transaction for the case, a savepoint for each step, then a rollback.

Every case also proves the laws: after its last step the whole book must reconcile, every order must equal its lines and its
ledger entries, and no constraint may wait to fail.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from shuke.checkout.invariants import verify_orders
from shuke.core.models import OutboxEvent
from shuke.integrations.scenarios.compare import Event, differences, shown
from shuke.integrations.scenarios.registry import STEPS, THINGS, Act
from shuke.integrations.scenarios.values import Case, Difference, Outcome, Step, StepMistake
from shuke.integrations.scenarios.world import World
from shuke.kit.errors import ShukeError
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import verify_counters
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.source import Mapping as Tree
from shuke.loyalty.source import Scalar
from shuke.rewards.invariants import verify_coupons


def run_case(case: Case) -> Outcome:
    """Run one case against the database of this process and roll it back."""
    started = time.perf_counter()
    found: list[Difference] = []
    with transaction.atomic():
        try:
            found += _play(case)
        finally:
            transaction.set_rollback(True)
            forget_versions()
    return Outcome(case, found, time.perf_counter() - started)


def _play(case: Case) -> list[Difference]:
    try:
        with transaction.atomic():
            world = World.built_for(case)
    except (ShukeError, StepMistake) as error:
        return [
            Difference(
                case.line,
                "before the first step",
                "members, catalog, programme",
                "nothing refused",
                str(error),
            )
        ]
    found: list[Difference] = []
    for step in case.steps:
        made, goes_on = _take(world, step)
        found += made
        if not goes_on:
            return found
    return found + _broken_laws(case)


def _take(world: World, step: Step) -> tuple[list[Difference], bool]:
    """The differences that a step shows, and whether the next one can follow: not after an act that failed."""
    first = OutboxEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    answer: Mapping[str, Any] = {}
    refusal: ShukeError | None = None
    expects_refusal = isinstance(step.expect, Tree) and "refused" in step.expect.items
    try:
        with transaction.atomic():
            if step.name:
                answer = _act(world, step)
    except ShukeError as error:
        refusal = error
        if not expects_refusal:
            return [_difference(world, step, step.line, step.name, "an answer", _told(error))], False
    except StepMistake as mistake:
        return [_difference(world, step, step.line, step.name, "a step that can be run", str(mistake))], False
    except (DatabaseError, ArithmeticError, LookupError, TypeError, ValueError, AssertionError) as error:
        # The engine broke where it should have answered or refused: that is a finding, not the end of the run.
        told = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return [_difference(world, step, step.line, step.name, "an answer", f"a failure: {told}")], False
    return list(_looked_at(world, step, answer, refusal, first)), True


def _act(world: World, step: Step) -> Mapping[str, Any]:
    kind = STEPS[step.name]
    answer = kind.run(Act(world, step.given, world.actors[step.by], step.at, step.digest))
    if step.alias and answer.get("id"):
        world.name(step.alias, kind.makes, _uuid(answer["id"]))
    return answer


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def _looked_at(
    world: World, step: Step, answer: Mapping[str, Any], refusal: ShukeError | None, first: int
) -> Iterator[Difference]:
    if not isinstance(step.expect, Tree):
        return
    frame = world.frame()
    for key, wanted in step.expect.items.items():
        line = step.expect.key_lines[key]
        if key == "refused":
            if refusal is None:
                yield _difference(world, step, line, key, shown(wanted, frame), "an answer: it was done")
                continue
            found: Any = _refusal(refusal)
            if isinstance(wanted, Scalar):
                found = refusal.code
        elif key == "answer":
            found = answer
        elif key == "events":
            found = _events(first)
        elif key in world.things:
            kind, thing_id = world.things[key]
            found = THINGS[kind](world, thing_id, step.at)
        else:
            yield _difference(
                world, step, line, key, "to exist", "nothing: the act that names it was refused"
            )
            continue
        for where in differences(wanted, found, key, frame):
            yield Difference(where[0], _label(world, step), *where[1:])


def _refusal(error: ShukeError) -> dict[str, Any]:
    return {
        **error.params,
        "code": error.code,
        "status": error.status,
        "field": error.field,
        "message": str(error),
    }


def _told(error: ShukeError) -> str:
    field = f" ({error.field})" if error.field else ""
    return f"refused: {error.code}{field}: {error}"


def _events(after: int) -> list[Event]:
    rows = OutboxEvent.objects.filter(id__gt=after).order_by("id")
    return [Event({**row.payload, "name": row.name, "member": row.member_id}) for row in rows]


def _broken_laws(case: Case) -> list[Difference]:
    """The proofs that `shuke ledger reconcile` and `shuke orders verify` give, over what the case left behind."""
    end, told = case.steps[-1].line, "after the last step"
    try:
        with transaction.atomic():
            connection.check_constraints()
    except DatabaseError as error:
        return [Difference(end, told, "constraints", "all hold", str(error).splitlines()[0])]
    found = [
        Difference(end, told, f"ledger.{each.check}", each.expected, f"{each.found} ({each.subject})")
        for each in reconcile().differences
    ]
    _orders, wrong = verify_orders()
    found += [
        Difference(end, told, f"orders.{each.what}", str(each.said), f"{each.found} ({each.order_id})")
        for each in wrong
    ]
    found += [
        Difference(end, told, f"budgets.{each.budget}", str(each.said), f"{each.found} (from {each.period})")
        for each in verify_counters()
    ]
    found += [
        Difference(end, told, f"coupons.{each.what}", str(each.said), f"{each.found} ({each.subject})")
        for each in verify_coupons()[1]
    ]
    return found


def _difference(world: World, step: Step, line: int, where: str, expected: str, found: str) -> Difference:
    return Difference(line, _label(world, step), where, expected, found)


def _label(world: World, step: Step) -> str:
    local = step.at.astimezone(world.zone)
    return f"step {step.number}, {step.name or 'look'} at {local:%Y-%m-%d %H:%M}"
