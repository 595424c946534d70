"""The JSON Schema of programme documents, for editors: told by the readers, so that it cannot differ from what is read.

It says shapes: keys, kinds of values, choices, ranges. How values relate to each other (a tier that exists, dates in order) is
checked when a document is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from shuke.loyalty.document import described
from shuke.loyalty.probes import Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORTH_SHARING = 160
"""A shape of fewer characters is clearer where it stands."""


@cache
def json_schema() -> Shape:
    """The schema (draft 2020-12). Shapes that come up again stand once, under `$defs`."""
    root = described()
    times: Counter[str] = Counter()
    named: dict[str, str] = {}
    for name, shape in _shapes(root, "document"):
        text = _text(shape)
        times[text] += 1
        if times[text] == 2 and len(text) > _WORTH_SHARING:
            taken = sum(each.rstrip("0123456789") == name for each in named.values())
            named[text] = name + (str(taken + 1) if taken else "")
    definitions = {name: _shared(json.loads(text), named, is_root=True) for text, name in named.items()}
    return {
        "$schema": DIALECT,
        "title": "Shuke programme",
        **_shared(root, named, is_root=True),
        "$defs": dict(sorted(definitions.items())),
    }


def _shapes(shape: Any, name: str) -> Iterator[tuple[str, Shape]]:
    """Every shape with the key that it stands under."""
    if not isinstance(shape, dict):
        return
    yield name, shape
    for key, each in shape.get("properties", {}).items():
        yield from _shapes(each, key)
    for each in shape.get("anyOf", ()):
        yield from _shapes(each, name)
    for part in ("items", "additionalProperties"):
        yield from _shapes(shape.get(part), name)


def _shared(shape: Any, named: dict[str, str], *, is_root: bool = False) -> Any:
    if not isinstance(shape, dict):
        return shape
    name = named.get(_text(shape))
    if name is not None and not is_root:
        return {"$ref": f"#/$defs/{name}"}
    made = dict(shape)
    if "properties" in made:
        made["properties"] = {key: _shared(each, named) for key, each in made["properties"].items()}
    if "anyOf" in made:
        made["anyOf"] = [_shared(each, named) for each in made["anyOf"]]
    for part in ("items", "additionalProperties"):
        if part in made:
            made[part] = _shared(made[part], named)
    return made


def _text(shape: Shape) -> str:
    return json.dumps(shape, ensure_ascii=False)
