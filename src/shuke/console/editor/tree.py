"""A programme's source as plain values and back to YAML. Every scalar stays the text that it was, so nothing is rounded."""

from __future__ import annotations

import re
from typing import Any

import yaml

from shuke.loyalty import source

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)
_WIDE = 150
_SHORT = 110
"""What is shorter stands in one line."""


def tree_of(text: str) -> Any:
    """Mappings, lists and text. Raises InvalidProgramme for what is no YAML."""
    return _value(source.read(text))


def _value(node: source.Node) -> Any:
    if isinstance(node, source.Mapping):
        return {name: _value(item) for name, item in node.items.items()}
    if isinstance(node, source.Sequence):
        return [_value(item) for item in node.items]
    return "" if node.is_null else node.text


class _Dumper(yaml.SafeDumper):
    """Numbers and true and false without quotes, short mappings in one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if _PLAIN_NUMBER.fullmatch(value):
        tag = "tag:yaml.org,2002:float" if "." in value else "tag:yaml.org,2002:int"
        return dumper.represent_scalar(tag, value)
    if value in ("true", "false"):
        return dumper.represent_scalar("tag:yaml.org,2002:bool", value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.MappingNode:
    return dumper.represent_mapping(
        "tag:yaml.org,2002:map", value.items(), flow_style=_length(value) < _SHORT
    )


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    flow = all(isinstance(each, str) for each in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


def _length(value: Any) -> int:
    """About how long it is in one line; a list of mappings is never written in one."""
    if isinstance(value, dict):
        return sum(len(key) + _length(each) + 4 for key, each in value.items())
    if isinstance(value, list):
        return sum(_length(each) + 2 for each in value) + (
            _SHORT if any(isinstance(e, dict) for e in value) else 0
        )
    return sum(2 if ord(character) > 0x2E80 else 1 for character in value)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)


def _yaml(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDE))


def source_of_tree(tree: Any) -> str:
    """The YAML of plain values: sections in their order, an empty line between them."""
    if not isinstance(tree, dict):
        return _yaml(tree)
    return "".join(_section(key, value) for key, value in tree.items())


def evenly(text: str) -> str:
    """The same values as the forms write them, comments left out: what was not touched looks the same in two such texts."""
    return source_of_tree(tree_of(text))


def _section(key: str, value: Any) -> str:
    if isinstance(value, str):
        return _yaml({key: value}).strip().strip("{}") + "\n"
    if _length(value) < _SHORT - 10 and not isinstance(value, list):
        return f"{key}: {_yaml(value).strip()}\n"
    whole = _yaml(value)
    body = "".join(f"  {line}\n" for line in whole.splitlines())
    return f"\n{key}:\n{body}" if not whole.startswith(("[", "{")) else f"{key}: {whole.strip()}\n"


def rewritten(text: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """The source with the sections that changed written anew; all others keep their lines, comments included."""
    root = source.read(text)
    if not isinstance(root, source.Mapping):
        return source_of_tree(after)
    lines = text.splitlines(keepends=True)
    starts = sorted((line - 1, key) for key, line in root.key_lines.items())
    parts = ["".join(lines[: starts[0][0]])] if starts else []
    for place, (start, key) in enumerate(starts):
        end = starts[place + 1][0] if place + 1 < len(starts) else len(lines)
        own = "".join(lines[start:end])
        if key not in after:
            continue
        if before.get(key) != after[key]:
            # Comments and empty lines before the next section are its own.
            tail = end
            while (
                tail > start + 1
                and lines[tail - 1].lstrip().startswith(("#", "\n"))
                and lines[tail - 1][:1] != " "
            ):
                tail -= 1
            own = _section(key, in_order_of(before.get(key), after[key])).lstrip("\n") + "".join(
                lines[tail:end]
            )
        parts.append(own if own.endswith("\n") else own + "\n")
    parts += [_section(key, value) for key, value in after.items() if key not in root.key_lines]
    return "".join(parts)


def in_order_of(before: Any, after: Any) -> Any:
    """The same values with their keys in the order in which they stood."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*(key for key in before if key in after), *(key for key in after if key not in before)]
        return {key: in_order_of(before.get(key), after[key]) for key in keys}
    if isinstance(before, list) and isinstance(after, list):
        return [
            in_order_of(before[index] if index < len(before) else None, each)
            for index, each in enumerate(after)
        ]
    return after
