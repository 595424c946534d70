"""The programme of a scenario: a base, and what the scenario changes in it, merged and checked like any other programme.

Every problem is reported at the scenario's own line, also one that comes from the base.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shuke.integrations.scenarios.words import Named, Names
from shuke.loyalty import source
from shuke.loyalty.document import validate
from shuke.loyalty.errors import InvalidProgramme, Problem
from shuke.loyalty.source import Node, Scalar, child

PLAIN = Path(__file__).parent / "plain.yaml"
NAMED_LISTS = (
    "budgets", "earning", "multipliers", "accruals", "rewards", "coupons", "plans", "tracks"
)  # fmt: skip

OFFERED = {"coupons": "coupon template", "plans": "plan", "rewards": "reward"}
"""Section of a programme → what steps name its codes as."""


@dataclass(slots=True)
class ScenarioNotes(Names):
    """What the readers of one file share: problems, and the programme under which the next step is read."""

    file: Path = PLAIN
    tree: Node | None = None
    programme: str = ""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    named: list[Named] = field(default_factory=list)
    broken: bool = False
    """Something is wrong with the programme: what builds on it cannot be judged, everything else can."""
    offered: dict[str, set[str]] = field(default_factory=dict)
    """Plans, rewards and coupon templates of every programme that was in force so far."""


def read_programme(notes: ScenarioNotes, node: Node | None, path: str, *, line: int) -> str | None:
    """Merge a `programme:` (a path, or changes over a base) and make it the one that counts. Returns it as JSON."""
    if notes.broken:
        return None
    changes: Node = source.Mapping(line, {}, {}) if node is None or _is_null(node) else node
    tree: Node | None
    if isinstance(changes, Scalar):
        tree = _base(notes, changes, path)
    else:
        tree = notes.tree or _relined(_plain(), line)
        if isinstance(changes, source.Mapping) and "base" in changes.items:
            tree = _base(notes, changes.items["base"], child(path, "base"))
            changes = _without(changes, "base")
        if tree is not None:
            tree = _merged(tree, changes)
    if tree is None:
        notes.broken = True
        return None
    _name_what_has_none(tree)
    text = json.dumps(_plain_values(tree), ensure_ascii=False)
    checked = _check(text)
    if not isinstance(checked, dict):
        for problem in checked:
            here = f"{path}.{problem.path}" if problem.path else path
            notes.add(problem.code, here, _line_of(tree, problem.path), problem.template, **problem.params)
        notes.broken = True
        named = tree.items.get("currency") if isinstance(tree, source.Mapping) else None
        if isinstance(named, Scalar) and not any(problem.path == "currency" for problem in checked):
            notes.currency = named.text  # amounts of the steps are read by it
        return None
    notes.tree, notes.programme = tree, text
    notes.currency, notes.zone = checked["currency"], ZoneInfo(checked["time_zone"])
    for section, kind in OFFERED.items():
        notes.offered.setdefault(kind, set()).update(each["code"] for each in checked.get(section, ()))
    return text


@lru_cache(maxsize=256)
def _check(text: str) -> dict[str, Any] | tuple[Problem, ...]:
    try:
        return validate(text)
    except InvalidProgramme as error:
        return error.problems


@lru_cache(maxsize=1)
def _plain() -> Node:
    return source.read(PLAIN.read_bytes())


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _base(notes: ScenarioNotes, node: Node, path: str) -> Node | None:
    """The tree of a base file, named by its path from the scenario's folder."""
    if not isinstance(node, Scalar):
        notes.add("wrong_type", path, node.line, "must be the path of a programme file")
        return None
    try:
        tree = source.read((notes.file.resolve().parent / node.text).read_bytes())
    except OSError as error:
        notes.add("no_file", path, node.line, "%(file)s: %(why)s", file=node.text, why=error.strerror)
        return None
    except InvalidProgramme as error:
        first = error.problems[0]
        notes.add("bad_base", path, node.line, "%(file)s: %(why)s", file=node.text, why=first)
        return None
    return _relined(tree, node.line)


def _relined(node: Node, line: int) -> Node:
    """A copy whose lines all are the scenario's line that brought it in."""
    if isinstance(node, Scalar):
        return Scalar(line, node.text, node.quoted)
    if isinstance(node, source.Sequence):
        return source.Sequence(line, [_relined(item, line) for item in node.items])
    items = {key: _relined(item, line) for key, item in node.items.items()}
    return source.Mapping(line, items, dict.fromkeys(items, line))


def _without(node: source.Mapping, name: str) -> source.Mapping:
    return source.Mapping(node.line, {k: v for k, v in node.items.items() if k != name}, node.key_lines)


def _merged(base: Node, changes: Node) -> Node:
    """Mappings are merged, everything else replaces; an empty value takes a key out."""
    if not isinstance(base, source.Mapping) or not isinstance(changes, source.Mapping):
        return changes
    items, lines = dict(base.items), dict(base.key_lines)
    for key, change in changes.items.items():
        if _is_null(change):
            items.pop(key, None)
            continue
        items[key] = _merged(items[key], change) if key in items else change
        lines[key] = changes.key_lines[key]
    return source.Mapping(changes.line, items, lines)


def _name_what_has_none(tree: Node) -> None:
    """A scenario need not name its rules, tiers and assets: their codes do."""
    if not isinstance(tree, source.Mapping):
        return
    assets = tree.items.get("assets")
    if isinstance(assets, source.Mapping):
        for asset, spec in assets.items.items():
            _name(spec, asset)
    lists = [tree.items.get(name) for name in NAMED_LISTS]
    for section, name in (("tiers", "levels"), ("taxes", "rates"), ("stored_value", "bonuses")):
        within = tree.items.get(section)
        if isinstance(within, source.Mapping):
            lists.append(within.items.get(name))
    tracks = tree.items.get("tracks")
    if isinstance(tracks, source.Sequence):
        lists += [each.items.get("levels") for each in tracks.items if isinstance(each, source.Mapping)]
    for each in lists:
        if isinstance(each, source.Sequence):
            for item in each.items:
                code = (
                    item.items.get("id", item.items.get("code")) if isinstance(item, source.Mapping) else None
                )
                if isinstance(code, Scalar):
                    _name(item, code.text)


def _name(node: Node, code: str) -> None:
    if isinstance(node, source.Mapping) and "name" not in node.items:
        named = Scalar(node.line, code, quoted=True)
        node.items["name"] = source.Mapping(node.line, {"zh-Hans": named}, {"zh-Hans": node.line})
        node.key_lines["name"] = node.line


def _plain_values(node: Node) -> Any:
    if isinstance(node, source.Mapping):
        return {key: _plain_values(item) for key, item in node.items.items()}
    if isinstance(node, source.Sequence):
        return [_plain_values(item) for item in node.items]
    return None if node.is_null else node.text


def _line_of(tree: Node, path: str) -> int:
    """The line of a path such as `tiers.levels[2].threshold`, or of the nearest thing above it."""
    line = tree.line
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if isinstance(tree, source.Mapping) and key in tree.items:
            line, tree = tree.key_lines[key], tree.items[key]
        elif isinstance(tree, source.Sequence) and index and int(index) < len(tree.items):
            tree = tree.items[int(index)]
            line = tree.line
        else:
            break
    return line


def canonical(node: Node) -> Mapping[str, Any]:
    """A node as plain values, for hashing."""
    return {"asked": _plain_values(node)}
