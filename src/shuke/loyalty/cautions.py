"""What a draft would do that is allowed but must be confirmed: the warnings beside the errors.

Each room that knows of such a thing registers a check when it starts (`register_check` in its `apps.ready`), so that this
room asks all of them and knows none. A warning is confirmed by its key, so that what was seen is what was agreed to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise

from shuke.loyalty.programme import Programme

ALL: Final = frozenset({"*"})
"""Confirms whatever there is: for set-up, scenarios and tests, where nobody is asked."""


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing to confirm: `code` is stable, `path` its place in the draft, `message` is in the active language."""

    code: str
    path: str
    template: str | Promise
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """By which it is confirmed."""
        return f"{self.code}:{self.path}"

    @property
    def message(self) -> str:
        return str(self.template) % self.params if self.params else str(self.template)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Draft:
    """What a check looks at: the checked document, compiled, against what is in force when it begins (None: nothing)."""

    document: Mapping[str, Any]
    programme: Programme
    before: Mapping[str, Any] | None
    starts: datetime
    now: datetime
    may_count: bool = True
    """False where somebody waits for a page: nobody looks at every member of a large book then."""


Check = Callable[[Draft], Iterable[Caution]]

_checks: dict[str, Check] = {}


def register_check(name: str, check: Check) -> None:
    """Ask `check` of every draft from now on. A name registered again replaces the former check."""
    _checks[name] = check


def cautions_of(draft: Draft) -> tuple[Caution, ...]:
    """Everything to confirm before the draft is published, by registered check and then as each check tells."""
    return tuple(caution for name in sorted(_checks) for caution in _checks[name](draft))


def unconfirmed(cautions: Iterable[Caution], accepted: Collection[str]) -> tuple[Caution, ...]:
    """Those that `accepted` keys do not cover."""
    return () if "*" in accepted else tuple(each for each in cautions if each.key not in accepted)
