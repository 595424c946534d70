"""Where something stands in a draft, in the words of the forms: “Multipliers · item 2 · Conditions · Hours 1 · From”.

A problem's path (`multipliers[1].when.hours[0].from`) is for programmers; the forms show labels, numbers and names instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import pgettext

from shuke.console.editor.words import label_of
from shuke.loyalty.probes import Shape
from shuke.loyalty.words import localized

BASICS = ("code", "name", "currency", "time_zone")
_LANGUAGES = {"zh-Hans": "简体", "zh-Hant": "繁體", "en": "English"}
"""Each in its own language, as the forms show them."""
MOST_DEPTH = 40
MOST_DIGITS = 6


def dotted(path: str) -> str:
    """A problem's path as the forms write it: `earning[0].give` is `earning.0.give`."""
    return path.replace("[", ".").replace("]", "")


def section_at(path: str) -> str:
    """The section of the editor in which a place stands."""
    head = dotted(path).partition(".")[0]
    return "basics" if head in BASICS else head


def is_place(key: str) -> bool:
    """True for a part of a path that is a place in a list."""
    return key.isascii() and key.isdigit() and len(key) <= MOST_DIGITS


def path_of(place: str) -> list[str]:
    """The parts of a place as a form writes it; what is deeper than any document is cut off there."""
    return place.split(".", MOST_DEPTH)[:MOST_DEPTH]


def is_below(path: str, place: str) -> bool:
    """True for the place itself and for all within it; both are written with dots."""
    return bool(place) and f"{path}.".startswith(f"{place}.")


def parts_of(shape: Shape) -> list[Shape]:
    """The forms that a value may have."""
    return shape["anyOf"] if "anyOf" in shape and "format" not in shape else [shape]


def shapes_at(shapes: Sequence[Shape], path: Sequence[str]) -> list[Shape]:
    """What may stand at a path below shapes."""
    for key in path:
        found: list[Shape] = []
        for part in (each for shape in shapes for each in parts_of(shape)):
            if part.get("type") == "array" and is_place(key):
                found.append(part["items"])
            elif key in part.get("properties", {}):
                found.append(part["properties"][key])
            elif isinstance(part.get("additionalProperties"), dict):
                found.append(part["additionalProperties"])
        shapes = found
    return list(shapes)


def is_single(shape: Shape) -> bool:
    """True for what the forms draw as one field, which shows by itself that it has to be filled."""
    return shape.get("format") == "names" or not any(
        each.get("type") in ("object", "array") and "format" not in each for each in parts_of(shape)
    )


def value_at(tree: Any, path: Sequence[str]) -> Any:
    """What stands at a path of a draft; None when nothing does."""
    for key in path:
        if isinstance(tree, list) and is_place(key) and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def said_place(path: str, tree: Any, sections: dict[str, Shape]) -> str:
    """A path in the words of the forms, with the names that things have in the draft."""
    keys = dotted(path).split(".")
    words: list[str] = []
    for index, key in enumerate(keys):
        shapes = [sections[keys[0]]] if keys[0] in sections else []
        holders = shapes_at(shapes, keys[1:index]) if index else []
        at = value_at(tree, keys[: index + 1])
        if is_place(key) and index == 1:
            words.append(_item(int(key) + 1, _name(at)))
        elif is_place(key) and index:
            words[-1] = pgettext("editor place", "%(list)s %(number)d") % {
                "list": words[-1],
                "number": int(key) + 1,
            }
        elif any(part.get("type") == "array" for part in holders):
            continue  # what is no longer there is called by its code, not by its number; the message names it
        elif index and any(isinstance(part.get("additionalProperties"), dict) for part in holders):
            words.append(_name(at) or _name((tree.get("assets") or {}).get(key)) or label_of(key))
        else:
            holder = next((each for each in reversed(keys[:index]) if not each.isdigit()), "")
            words.append(_LANGUAGES.get(key) or label_of(key, holder))
    return pgettext("editor place", " · ").join(words)


def _item(number: int, name: str) -> str:
    if not name:
        return pgettext("editor place", "item %(number)d") % {"number": number}
    return pgettext("editor place", "item %(number)d “%(name)s”") % {"number": number, "name": name}


def _name(value: Any) -> str:
    names = value.get("name") if isinstance(value, dict) else None
    given = {key: each for key, each in names.items() if each} if isinstance(names, dict) else {}
    return localized(given) if given else ""
