"""Programmes to start from: one for each kind of business, with the story that it tells and what it asks of a member's file.

`index.yaml` says which there are. Each is an ordinary programme document, kept as a text that an owner can read and change;
its story is a scenario in `stories/` that plays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Starter:
    """One of them. Names and sentences by language; `attributes` are arguments of `members.operations.define_attribute`."""

    code: str
    name: Mapping[str, str]
    about: Mapping[str, str]
    attributes: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def programme(self) -> str:
        """The programme document, YAML with comments."""
        return (FOLDER / f"{self.code}.yaml").read_text(encoding="utf-8")

    @property
    def story(self) -> str:
        """The scenario that plays it; its programme is `../CODE.yaml`, seen from where it lies here."""
        return (FOLDER / "stories" / f"{self.code}.yaml").read_text(encoding="utf-8")


@cache
def starters() -> Mapping[str, Starter]:
    """All of them by code, in the order in which they are offered."""
    listed = yaml.safe_load((FOLDER / "index.yaml").read_text(encoding="utf-8"))
    return {
        each["code"]: Starter(each["code"], each["name"], each["about"], tuple(each.get("attributes", ())))
        for each in listed
    }
