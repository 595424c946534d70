"""The words that scenarios know: a step is a few lines that call one public operation, a kind of thing has figures.

A new operation gets its step where it belongs under `steps/`, by the decorator `step`; nothing else has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shuke.core.values import Actor
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.values import StepMistake
from shuke.kit.money import to_minor
from shuke.loyalty.assets import MONEY_KINDS, RESERVED
from shuke.loyalty.readers import Key, Reader, mapping

if TYPE_CHECKING:
    from shuke.integrations.scenarios.world import World


@dataclass(frozen=True, slots=True)
class Act:
    """What a step handler is handed: what the scenario asks for, who acts, and when."""

    world: World
    given: Mapping[str, Any]
    actor: Actor
    now: datetime
    digest: bytes

    def ref(self, key: str, kind: str) -> UUID:
        """The id of the thing that the step names under `key`. Raises StepMistake."""
        return self.world.ref(self.given[key], kind)

    def maybe_ref(self, key: str, kind: str) -> UUID | None:
        """The same, or None when the step does not name one."""
        return self.world.ref(self.given[key], kind) if key in self.given else None

    def units(self, key: str, *, asset: str = "") -> int:
        """The amount of an asset that the step states under `key`. Raises StepMistake."""
        text, of = self.given[key], asset or self.given["asset"]
        try:
            return to_minor(text, self.world.currency) if RESERVED.get(of) in MONEY_KINDS else int(text)
        except ValueError:
            raise StepMistake(f"{text} is no amount of {of}") from None


Handler = Callable[[Act], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StepKind:
    """One word for an act. `makes`: the kind of thing that `as` names, by the answer's `id`."""

    read: Reader
    run: Handler
    makes: str


STEPS: dict[str, StepKind] = {}
THINGS: dict[str, Callable[[World, UUID, datetime], Figures]] = {}
"""Kind of thing → the figures that expectations may look at, at an instant."""


def step(name: str, keys: Mapping[str, Key] | Reader, *, makes: str = "") -> Callable[[Handler], Handler]:
    """Register a step: its word, and the keys that it takes (or a reader of its own)."""
    read = keys if callable(keys) else mapping(dict(keys))

    def register(run: Handler) -> Handler:
        STEPS[name] = StepKind(read, run, makes)
        return run

    return register


def figures_of(
    kind: str,
) -> Callable[[Callable[[World, UUID, datetime], Figures]], Callable[[World, UUID, datetime], Figures]]:
    """Register what can be expected of a kind of thing."""

    def register(
        read: Callable[[World, UUID, datetime], Figures],
    ) -> Callable[[World, UUID, datetime], Figures]:
        THINGS[kind] = read
        return read

    return register
