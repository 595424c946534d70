"""What a form sends back, put together again. The name of each input says where its value belongs and how it is written.

`s:earning.0.give` one value · `m:….weekdays` ticked values (`x:` one of them alone) · `l:….skus` one value a line · `o:….`
something that is there even when empty · `v:…` which of several forms a thing has. A part of digits is a place in a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shuke.console.editor.places import is_place, path_of

Posted = Mapping[str, Sequence[str]]

MAX_INPUTS = 20_000


def section_of(posted: Posted, section: str) -> Any:
    """The values of one section; None when nothing is left of it."""
    tree: dict[str, Any] = {}
    for name, values in list(posted.items())[:MAX_INPUTS]:
        kind, _colon, place = name.partition(":")
        path = path_of(place)
        if path[0] != section:
            continue
        match kind:
            case "s":
                _set(tree, path, values[-1].strip())
            case "m":
                _set(tree, path, [each for each in values if each])
            case "x":
                ticked = [each for each in values if each]
                _set(tree, path, ticked[0] if len(ticked) == 1 else ticked)
            case "l" | "w":
                lines = [line.strip() for line in values[-1].splitlines() if line.strip()]
                _set(tree, path, lines[0] if kind == "w" and len(lines) == 1 else lines)
            case "o":
                _open(tree, path, is_list=values[-1] == "list")
    return _clean(tree.get(section))


def _set(tree: dict[str, Any], path: list[str], value: Any) -> None:
    if value in ("", []):
        return
    at = tree
    for part in path[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            return
    at[path[-1]] = value


def _open(tree: dict[str, Any], path: list[str], *, is_list: bool) -> None:
    at = tree
    for part in path:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            return
    at["@list" if is_list else "@kept"] = ""


def _clean(value: Any) -> Any:
    """Lists of what has only places, without what is empty."""
    if not isinstance(value, dict):
        return value
    kept, listed = "@kept" in value, "@list" in value
    items = {key: each for key, each in value.items() if not key.startswith("@")}
    if listed or (items and all(is_place(key) for key in items)):
        return [
            found
            for key in sorted(filter(is_place, items), key=int)
            if (found := _clean(items[key])) is not None
        ]
    made = {key: found for key, each in items.items() if (found := _clean(each)) is not None}
    return made if made or kept else None


def without(value: Any, path: Sequence[str]) -> Any:
    """The values without what stands at `path`."""
    if not path:
        return None
    key = path[0]
    if isinstance(value, list) and is_place(key) and int(key) < len(value):
        rest = without(value[int(key)], path[1:])
        return (
            [each for index, each in enumerate(value) if index != int(key) or rest is not None]
            if rest is None
            else [rest if index == int(key) else each for index, each in enumerate(value)]
        )
    if isinstance(value, dict) and key in value:
        rest = without(value[key], path[1:])
        return {
            name: (rest if name == key else each)
            for name, each in value.items()
            if name != key or rest is not None
        }
    return value


def with_item(value: Any, path: Sequence[str], item: Any) -> Any:
    """The values with one more item in the list at `path`, or a new key."""
    if not path:
        return [*(value if isinstance(value, list) else []), item]
    key = path[0]
    if isinstance(value, list):
        return [
            with_item(each, path[1:], item) if str(index) == key else each for index, each in enumerate(value)
        ]
    whole = value if isinstance(value, dict) else {}
    return {**whole, key: with_item(whole.get(key), path[1:], item)}
