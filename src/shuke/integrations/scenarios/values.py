"""What a scenario file holds once it is read, and what became of it once it was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shuke.kit.errors import ShukeError
from shuke.loyalty.errors import Problem
from shuke.loyalty.source import Node


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that expectations write in major units: "12.30"."""

    minor: int


@dataclass(frozen=True, slots=True)
class Frame:
    """How figures are read and shown: the programme's currency and zone, and the scenario's own names of things."""

    currency: str
    zone: ZoneInfo
    names: Mapping[str, str] = field(default_factory=dict)
    """Id (as text) → the name that the scenario gave it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act: `name` says which step handler runs it with `given`. An empty name only looks."""

    line: int
    number: int
    name: str
    given: Mapping[str, Any]
    at: datetime
    by: str
    alias: str
    digest: bytes
    """SHA-256 of what is asked for, as the API keeps it beside an idempotency key."""
    expect: Node | None


@dataclass(frozen=True, slots=True)
class Case:
    """One isolated run: its programme as JSON, what stands before the first step, and the steps."""

    file: Path
    line: int
    title: str
    programme: str
    currency: str
    zone: ZoneInfo
    begins: datetime
    catalog: Mapping[str, Any]
    members: Mapping[str, Mapping[str, Any]]
    staff: Mapping[str, Mapping[str, Any]]
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the engine did something else than the scenario says. `where` is a path such as `ann.points`."""

    line: int
    step: str
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: Case
    differences: Sequence[Difference]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.differences


class InvalidScenario(ShukeError):
    """A file that cannot be run; `problems` lists everything that is wrong with it."""

    code = "invalid_scenario"
    status = 422
    message = "The scenario cannot be run: %(first)s"

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__(first=self.problems[0])


class StepMistake(Exception):
    """A step names something that does not exist in the scenario; the message says what there is."""
