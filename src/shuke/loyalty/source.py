"""Reads YAML into a plain tree whose scalars are still text, so that no number ever passes through a float.

Refused before anything is built: more than 1 MB, other encodings than UTF-8, several documents, aliases (and with
them "billion laughs"), custom tags, deep nesting, and a key given twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.loyalty.errors import InvalidProgramme, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 12
MAX_NODES = 60_000

_QUOTING = frozenset("'\"|>")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Scalar:
    """Text as it stands in the source; `quoted` tells "1" from 1."""

    line: int
    text: str
    quoted: bool

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in _NULLS


@dataclass(slots=True)
class Mapping:
    line: int
    items: dict[str, Node]
    key_lines: dict[str, int]

    def with_items(self, items: dict[str, Node]) -> Mapping:
        """The same place in the source with other items."""
        return Mapping(self.line, items, self.key_lines)


@dataclass(slots=True)
class Sequence:
    line: int
    items: list[Node]


Node = Scalar | Mapping | Sequence


@dataclass(slots=True)
class _Open:
    """A collection still being read, with the key that waits for its value."""

    node: Mapping | Sequence
    path: str
    key: str | None = None


def read(source: str | bytes, doubled: list[Problem] | None = None) -> Node:
    """The tree of a YAML document. `doubled` collects keys that are given twice, where the rest shall be read all the same.

    :raises InvalidProgramme: with one problem: too_large, not_utf8, yaml_syntax, yaml_feature, too_deep, duplicate_key, empty.
    """
    text = _decode(source)
    try:
        root = _build(text, doubled)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = mark.line + 1 if mark else 1
        raise _problem(
            "yaml_syntax", "", where, _("not valid YAML: %(why)s"), why=error.problem or error.context
        ) from None
    except yaml.YAMLError as error:
        raise _problem("yaml_syntax", "", 1, _("not valid YAML: %(why)s"), why=str(error)[:200]) from None
    if root is None:
        raise _problem("empty", "", 1, _("the document is empty"))
    return root


def _decode(source: str | bytes) -> str:
    try:
        raw = source.encode() if isinstance(source, str) else source
        if len(raw) > MAX_BYTES:
            raise _problem("too_large", "", 1, _("larger than %(limit)d bytes"), limit=MAX_BYTES)
        return raw.decode("utf-8-sig")
    except UnicodeError:
        raise _problem("not_utf8", "", 1, _("not UTF-8 text: save the file as UTF-8")) from None


def _build(text: str, doubled: list[Problem] | None) -> Node | None:
    root: Node | None = None
    stack: list[_Open] = []
    documents = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _problem("yaml_feature", "", line, _("only one YAML document is allowed in a file"))
        elif isinstance(event, yaml.AliasEvent):
            raise _problem(
                "yaml_feature",
                _here(stack),
                line,
                _("YAML aliases (*%(name)s) are not allowed"),
                name=event.anchor,
            )
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            nodes += 1
            if nodes > MAX_NODES:
                raise _problem("too_large", "", line, _("more than %(limit)d values"), limit=MAX_NODES)
            if event.tag not in (None, "!") and not _is_standard(event.tag):
                raise _problem(
                    "yaml_feature",
                    _here(stack),
                    line,
                    _("YAML tags (%(tag)s) are not allowed"),
                    tag=event.tag,
                )
            node = _node(event, line)
            path = _attach(stack, node, line, doubled)
            if not stack and root is None:
                root = node
            if not isinstance(node, Scalar):
                if len(stack) >= MAX_DEPTH:
                    raise _problem(
                        "too_deep", path, line, _("nested deeper than %(limit)d levels"), limit=MAX_DEPTH
                    )
                stack.append(_Open(node, path))
    return root


def _is_standard(tag: str) -> bool:
    return tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _node(event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> Node:
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(line, event.value, quoted=event.style in _QUOTING or event.tag is not None)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping(line, {}, {})
    return Sequence(line, [])


def _attach(stack: list[_Open], node: Node, line: int, doubled: list[Problem] | None) -> str:
    """Put a node into the open collection; returns the node's path."""
    if not stack:
        return ""
    top = stack[-1]
    if isinstance(top.node, Sequence):
        top.node.items.append(node)
        return f"{top.path}[{len(top.node.items) - 1}]"
    if top.key is None:
        if not isinstance(node, Scalar):
            raise _problem("yaml_feature", top.path, line, _("a key must be plain text"))
        if node.text in top.node.items or node.text in top.node.key_lines:
            path = child(top.path, node.text)
            first = top.node.key_lines[node.text]
            refusal = _problem(
                "duplicate_key", path, line, _("given twice, first in line %(first)d"), first=first
            )
            if doubled is None:
                raise refusal
            doubled += refusal.problems
        top.key = node.text
        top.node.key_lines[node.text] = line
        return top.path
    path = child(top.path, top.key)
    top.node.items[top.key] = node
    top.key = None
    return path


def child(path: str, key: str) -> str:
    """The path of a key; what is no plain word is quoted and shortened."""
    name = key if key.replace("-", "_").isidentifier() and len(key) <= 60 else repr(key[:60])
    return f"{path}.{name}" if path else name


def _here(stack: list[_Open]) -> str:
    if not stack:
        return ""
    top = stack[-1]
    if isinstance(top.node, Sequence):
        return f"{top.path}[{len(top.node.items)}]"
    return child(top.path, top.key) if top.key is not None else top.path


def _problem(code: str, path: str, line: int, template: str | Promise, **params: object) -> InvalidProgramme:
    return InvalidProgramme([Problem(code, path, line, template, params)])
