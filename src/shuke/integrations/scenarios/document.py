"""Reads a scenario file into cases, or says everything that is wrong with it, each with its line.

A file is one scenario, or several `cases` that share what stands above them: the programme, the catalogue, the members and
the first steps. A case may change the programme, which is how one story is told under each policy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shuke.core.values import Role
from shuke.integrations.scenarios import steps, words
from shuke.integrations.scenarios.programme import OFFERED, ScenarioNotes, canonical, read_programme
from shuke.integrations.scenarios.registry import STEPS
from shuke.integrations.scenarios.values import Case, InvalidScenario, Step
from shuke.loyalty import source
from shuke.loyalty.errors import InvalidProgramme
from shuke.loyalty.readers import Key, boolean, choice, did_you_mean, mapping, shown, text
from shuke.loyalty.source import Node, Scalar, child

steps.register()

ENDINGS = (".yaml", ".yml")
TILL, SYSTEM = "till", "system"
RESERVED = ("answer", "refused", "events")
STEP_KEYS = ("at", "by", "as", "note", "expect")
FILE_KEYS = ("scenario", "about", "source", "programme", "catalog", "members", "staff", "steps", "cases")
CASE_KEYS = ("case", "about", "programme", "catalog", "members", "staff", "steps")

_PRODUCT = words.short_or(
    "price",
    {
        "price": Key(words.money),
        "name": Key(words.words),
        "category": Key(text(longest=240)),
        "brand": Key(words.name),
        "active": Key(boolean),
    },
)
_CATALOG = mapping(
    {
        "stores": Key(words.named(mapping({"region": Key(words.name), "open": Key(boolean, default=True)}))),
        "channels": Key(words.list_of(words.name)),
        "products": Key(words.mapping_of(_PRODUCT)),
    }
)
_MEMBERS = words.named(
    mapping(
        {
            "joined": Key(words.moment),
            "birthday": Key(words.born),
            "store": Key(words.thing("store")),
            "channel": Key(words.name),
            "tags": Key(words.list_of(words.name)),
            "phone": Key(words.name),
            "email": Key(words.name),
            "cards": Key(words.list_of(words.name)),
            "external_ids": Key(words.mapping_of(words.word)),
        }
    )
)
_STAFF = words.named(
    mapping(
        {
            "role": Key(choice("till", *Role.values), default="owner"),
            "stores": Key(words.list_of(words.thing("store"))),
        }
    )
)


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """The scenario files at these paths, folders searched to their depth. What holds no `scenario:` is no scenario."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix in ENDINGS)
            found.update(dict.fromkeys(each for each in inside if _is_scenario(each)))
        else:
            found[path] = None
    return list(found)


def _is_scenario(path: Path) -> bool:
    """Bases of programmes lie beside the scenarios that use them."""
    return any(line.startswith(b"scenario:") for line in path.read_bytes().splitlines())


def read_cases(file: Path) -> list[Case]:
    """The cases of a file.

    :raises InvalidScenario: with every problem, each with its path and line.
    :raises OSError: when the file cannot be read.
    """
    notes = ScenarioNotes(file=file)
    try:
        root = source.read(file.read_bytes(), notes.problems)
    except InvalidProgramme as error:
        raise InvalidScenario(file, error.problems) from None
    cases = _cases(notes, root)
    if notes.problems:
        # Steps that cases share are read for each of them.
        once = {(problem.line, problem.path, problem.code): problem for problem in reversed(notes.problems)}
        raise InvalidScenario(file, list(once.values()))
    return cases


def _cases(notes: ScenarioNotes, root: Node) -> list[Case]:
    if not isinstance(root, source.Mapping):
        notes.add(
            "wrong_type", "", root.line, "must be a mapping with the keys %(keys)s", keys=", ".join(FILE_KEYS)
        )
        return []
    _only(notes, root, FILE_KEYS, "")
    title = words.words(notes, root.items["scenario"], "scenario") if "scenario" in root.items else None
    if title is None and "scenario" not in root.items:
        notes.add("missing_key", "scenario", root.line, "is required: one sentence that says what is shown")
    # What is wrong above does not keep from reading what follows: everything is told in one go.
    read_programme(notes, root.items.get("programme"), "programme", line=root.line)
    listed = root.items.get("cases")
    title = title or ""
    if listed is None:
        case = _case(notes, [root], title, "")
        return [case] if case else []
    if not isinstance(listed, source.Sequence) or not listed.items:
        notes.add("wrong_type", "cases", listed.line, "must be a list of cases")
        return []
    cases, standing, offered = [], (notes.tree, notes.programme, notes.currency, notes.zone), notes.offered
    broken = notes.broken
    for index, item in enumerate(listed.items):
        notes.tree, notes.programme, notes.currency, notes.zone = standing
        notes.offered, notes.broken = {kind: {*codes} for kind, codes in offered.items()}, broken
        path = f"cases[{index}]"
        if not isinstance(item, source.Mapping):
            notes.add(
                "wrong_type",
                path,
                item.line,
                "must be a mapping with the keys %(keys)s",
                keys=", ".join(CASE_KEYS),
            )
            continue
        _only(notes, item, CASE_KEYS, path)
        label = words.words(notes, item.items["case"], child(path, "case")) if "case" in item.items else None
        if label is None:
            notes.add(
                "missing_key",
                child(path, "case"),
                item.line,
                "is required: a few words that say what differs",
            )
        case = _case(notes, [root, item], f"{title}: {label}", path)
        if case:
            cases.append(case)
    return cases


def _only(notes: ScenarioNotes, node: source.Mapping, known: tuple[str, ...], path: str) -> None:
    for key in node.items:
        if key not in known:
            _unknown(notes, key, child(path, key), node.key_lines[key], known, "key")


def _unknown(notes: ScenarioNotes, word: str, path: str, line: int, known: Iterable[str], kind: str) -> None:
    guess, there_are = did_you_mean(word, known), ", ".join(sorted(known)) or "none"
    hint = "did you mean “%(guess)s”?" if guess else "there are: %(known)s"
    notes.add(
        f"unknown_{kind.replace(' ', '_')}", path, line, f"there is no {kind.replace('_', ' ')} “%(word)s”; {hint}",
        word=shown(word), guess=guess, known=there_are,
    )  # fmt: skip


def _case(notes: ScenarioNotes, layers: list[source.Mapping], title: str, path: str) -> Case | None:
    """One case out of the file's top (first layer) and its own part (second)."""
    if len(layers) > 1 and "programme" in layers[1].items:
        own = layers[1].items["programme"]
        read_programme(notes, own, child(path, "programme"), line=own.line)
    # Steps that publish go on changing the tree while they are read; the case begins with what stands now.
    programme, currency, zone = notes.programme, notes.currency, notes.zone
    catalog: dict[str, Any] = {"stores": {}, "channels": [], "products": {}}
    members: dict[str, Any] = {}
    staff: dict[str, Any] = {}
    for layer, where in zip(layers, ("", path), strict=False):
        for name, reader, into in (("members", _MEMBERS, members), ("staff", _STAFF, staff)):
            if name in layer.items:
                into.update(reader(notes, layer.items[name], child(where, name)) or {})
        if "catalog" in layer.items:
            read = _CATALOG(notes, layer.items["catalog"], child(where, "catalog")) or {}
            for name, value in read.items():
                catalog[name] = (
                    [*catalog[name], *value] if isinstance(value, list) else {**catalog[name], **value}
                )
    _check_names(notes, layers[-1].line, members, staff)
    known = Known(
        things=dict.fromkeys(members, "member"),
        goods={"store": {*(catalog["stores"] or ("S1",))}, "product": {*catalog["products"]}},
        actors={TILL, SYSTEM, *staff},
    )
    _check_named(notes, known, refused=False)
    made: list[Step] = []
    for layer, where in zip(layers, ("", path), strict=False):
        _steps(notes, layer.items.get("steps"), child(where, "steps"), made, known)
    if not any("steps" in layer.items for layer in layers) or not (made or notes.problems):
        notes.add(
            "missing_key",
            child(path, "steps"),
            layers[-1].line,
            "is required: what happens, and what is expected",
        )
    if not made:
        return None
    return Case(
        file=notes.file,
        line=layers[-1].line,
        title=title,
        programme=programme,
        currency=currency,
        zone=zone,
        begins=made[0].at,
        catalog=catalog,
        members=members,
        staff=staff,
        steps=made,
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What a step can name: things by their kind ("" where the step that makes it could not be read), goods, actors."""

    things: dict[str, str]
    goods: Mapping[str, set[str]]
    actors: set[str]


def _check_named(notes: ScenarioNotes, known: Known, *, refused: bool) -> None:
    """Whether what was named since the last look is there. What the engine itself refuses may be what a step shows."""
    for each in notes.named:
        if each.kind in known.goods or each.kind in OFFERED.values():
            there = known.goods.get(each.kind, notes.offered.get(each.kind, set()))
            if refused or (each.kind not in known.goods and notes.broken) or each.name in there:
                continue
        else:
            if known.things.get(each.name) in (each.kind, ""):
                continue
            there = {name for name, kind in known.things.items() if kind == each.kind}
        _unknown(notes, each.name, each.path, each.line, there, each.kind)
    notes.named.clear()


def _check_names(notes: ScenarioNotes, line: int, members: Iterable[str], staff: Iterable[str]) -> None:
    for name in (*members, *staff):
        if name in RESERVED or name in (TILL, SYSTEM):
            notes.add(
                "reserved", "members", line, "“%(name)s” means something else; choose another name", name=name
            )


def _steps(notes: ScenarioNotes, node: Node | None, path: str, made: list[Step], known: Known) -> None:
    if node is None:
        return
    if not isinstance(node, source.Sequence):
        notes.add("wrong_type", path, node.line, "must be a list of steps")
        return
    for index, item in enumerate(node.items):
        here = f"{path}[{index}]"
        if not isinstance(item, source.Mapping):
            notes.add(
                "wrong_type", here, item.line, "must be a mapping such as {at: …, commit: {…}, expect: {…}}"
            )
            continue
        made.append(_step(notes, item, here, made, known))


def _step(notes: ScenarioNotes, node: source.Mapping, path: str, made: list[Step], known: Known) -> Step:
    """The step. One with something wrong in it still tells when it happens and what it names, for those that follow."""
    acts, strange = [], False
    for key in node.items:
        if key in STEPS:
            acts.append(key)
        elif key not in STEP_KEYS:
            _unknown(notes, key, child(path, key), node.key_lines[key], [*STEPS, *STEP_KEYS], "step")
            strange = True
    if len(acts) > 1 or not (acts or strange or "expect" in node.items):
        notes.add(
            "one_act", path, node.line, "needs exactly one act, or only `expect`; it has: %(acts)s", acts=acts
        )
    at = _at(notes, node, path, made)
    by = words.name(notes, node.items["by"], child(path, "by")) if "by" in node.items else TILL
    if by is not None and by not in known.actors:
        _unknown(notes, by, child(path, "by"), node.key_lines["by"], known.actors, "actor")
    name = acts[0] if acts else ""
    given: dict[str, Any] = {}
    argument: Node = source.Mapping(node.line, {}, {})
    if name:
        asked = node.items[name]
        argument = argument if isinstance(asked, Scalar) and asked.is_null else asked
        given = STEPS[name].read(notes, argument, child(path, name)) or {}
    expect = node.items.get("expect")
    _check_named(notes, known, refused=isinstance(expect, source.Mapping) and "refused" in expect.items)
    alias = words.name(notes, node.items["as"], child(path, "as")) if "as" in node.items else ""
    if alias:
        if alias in RESERVED or alias in known.things:
            notes.add("reserved", child(path, "as"), node.key_lines["as"], "“%(name)s” is taken", name=alias)
        if not strange and (not name or not STEPS[name].makes):
            notes.add(
                "not_for_step", child(path, "as"), node.key_lines["as"], "this step makes nothing to name"
            )
        known.things[alias] = STEPS[name].makes if name and not strange else ""
    if expect is not None:
        _check_expected(notes, expect, child(path, "expect"), known.things)
    digest = hashlib.sha256(json.dumps(canonical(argument), sort_keys=True).encode()).digest()
    return Step(node.line, len(made) + 1, name, given, at, by or TILL, alias or "", digest, expect)


def _at(notes: ScenarioNotes, node: source.Mapping, path: str, made: list[Step]) -> datetime:
    """When the step happens; where that is wrong, when it would without saying."""
    before = made[-1].at if made else None
    silent = words.next_minute(before) if before else words.start_of_time(notes.zone)
    if "at" not in node.items:
        return silent
    at = words.instant(node.items["at"], notes.zone, before)
    line, here = node.key_lines["at"], child(path, "at")
    if at is None:
        notes.add(
            "bad_instant",
            here,
            line,
            "is neither an instant such as 2026-03-01 10:00 nor a gap such as +90 days",
        )
    elif before is not None and at < before:
        notes.add("time_runs_back", here, line, "lies before the step above; steps go forward in time")
    return at or silent


def _check_expected(notes: ScenarioNotes, node: Node, path: str, known: Collection[str]) -> None:
    if not isinstance(node, source.Mapping):
        notes.add(
            "wrong_type",
            path,
            node.line,
            "must be a mapping of `answer`, `refused`, `events` or a name to figures",
        )
        return
    for key in node.items:
        if key not in known and key not in RESERVED:
            _unknown(notes, key, child(path, key), node.key_lines[key], [*known, *RESERVED], "name")
