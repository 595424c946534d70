"""What the readers accept, told by themselves: nodes that hold nothing and hear what each reader asks of them.

A reader that is handed a probe of its kind says what it would take and returns None; so whatever is put together from
readers describes itself, and the JSON Schema and the forms of the editor can never differ from what is read. A mapping's probe
also hears which of its keys a reader looked at before it decided: those are tried with each of their values, and what then
differs becomes a variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shuke.loyalty import source

Shape = dict[str, Any]
"""A JSON Schema."""
Describe = Callable[[Any], Shape]

MAX_PRESET = 2
"""How many keys may decide a shape together."""


class ScalarProbe(source.Scalar):
    """A value that is there and says nothing."""

    def __init__(self) -> None:
        super().__init__(1, "", quoted=True)
        self.told: list[Shape] = []


class SequenceProbe(source.Sequence):
    """A list without items."""

    def __init__(self) -> None:
        super().__init__(1, [])
        self.told: list[Shape] = []


class _Items(dict[str, source.Node]):
    """The items of a probe; remembers which were asked for."""

    def __init__(self, preset: dict[str, str], asked: list[str]) -> None:
        super().__init__({name: source.Scalar(1, value, quoted=False) for name, value in preset.items()})
        self.asked = asked

    def _ask(self, name: object) -> None:
        if isinstance(name, str) and name not in self.asked:
            self.asked.append(name)

    def __contains__(self, name: object) -> bool:
        self._ask(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._ask(name)
        return super().get(name, default)


class MappingProbe(source.Mapping):
    """A mapping that holds only the preset keys."""

    def __init__(self, preset: dict[str, str], former: MappingProbe | None = None) -> None:
        self.asked: list[str] = former.asked if former else []
        super().__init__(1, _Items(preset, self.asked), dict.fromkeys(preset, 1))
        self.told: list[Shape] = former.told if former else []

    def with_items(self, items: dict[str, source.Node]) -> MappingProbe:
        """What is left of it tells the same listener."""
        preset = {name: node.text for name, node in items.items() if isinstance(node, source.Scalar)}
        return MappingProbe(preset, self)


def describe(reader: Callable[[Any, source.Node, str], Any], notes: Callable[[], Any]) -> Shape:
    """The JSON Schema of what a reader takes. `notes` makes fresh notes for each try."""
    shapes: list[Shape] = []
    for probe in (ScalarProbe(), SequenceProbe()):
        reader(notes(), probe, "$")
        shapes += probe.told
    shapes += list(_mappings(reader, notes, {}))
    return _any(shapes)


def _mappings(reader: Any, notes: Callable[[], Any], preset: dict[str, str]) -> Iterator[Shape]:
    """The shapes of a mapping: without any of the keys that decide, then with each of their values that changes it."""
    probe = MappingProbe(preset)
    reader(notes(), probe, "$")
    if not probe.told:
        return
    base: Shape | None = probe.told[0]
    plain, variants = probe.told[0], list[Shape]()
    for name in probe.asked if len(preset) < MAX_PRESET else ():
        if name in preset:
            continue
        choices = plain.get("properties", {}).get(name, {}).get("enum")
        same: list[str] = []
        for value in choices or ("1",):
            found = list(_mappings(reader, notes, {**preset, name: value}))
            if not found or _alike(found[0], plain, name):
                same.append(value)
                continue
            kept = [shape for shape in found if name in shape["properties"]]
            variants += [_given(shape, name, value if choices else None) for shape in kept]
        if base is not None and choices and len(same) < len(choices):
            base = _only(base, name, same)
    if base is not None:
        yield base
    yield from variants


def _only(base: Shape, name: str, values: list[str]) -> Shape | None:
    """The shape for the values of a key that change nothing; without any, for when the key is not there."""
    required = name in base.get("required", ())
    if values:
        return _given(base, name, None, values, is_required=required)
    if required:
        return None
    return {**base, "properties": {key: each for key, each in base["properties"].items() if key != name}}


def _alike(shape: Shape, base: Shape, name: str) -> bool:
    def bare(each: Shape) -> Shape:
        properties = {key: value for key, value in each["properties"].items() if key != name}
        return {"properties": properties, "required": sorted(set(each.get("required", ())) - {name})}

    return "properties" in shape and bare(shape) == bare(base)


def _given(
    shape: Shape, name: str, value: str | None, values: list[str] | None = None, *, is_required: bool = True
) -> Shape:
    """The shape for when a key has this value (None: any)."""
    own = dict(shape["properties"][name])
    if value is not None:
        own = {key: each for key, each in own.items() if key not in ("enum", "default")} | {"const": value}
    elif values is not None:
        own["enum"] = values
    required = [*shape.get("required", ())]
    if is_required and name not in required:
        required.append(name)
    return {**shape, "properties": {**shape["properties"], name: own}, "required": required}


def _any(shapes: list[Shape]) -> Shape:
    distinct: list[Shape] = []
    for shape in shapes:
        if shape not in distinct:
            distinct.append(shape)
    if not distinct:
        return {}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
