"""The form of a section: groups, lists and fields, made from what its reader says it takes and from what the draft holds.

A key that this module has never heard of still gets a field; it is then named as in the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from shuke.console.editor.places import dotted, is_below, is_place, is_single, parts_of, shapes_at, value_at
from shuke.console.editor.words import EXAMPLES, MAIN, OFFERED, REFERENCES, choice_word, help_of, label_of
from shuke.loyalty.document import described
from shuke.loyalty.errors import Problem
from shuke.loyalty.probes import Shape
from shuke.loyalty.words import localized

_NAMED_BY = ("name", "code", "id")
_PLANS = ("plans", "upgrade_to")
LANGUAGES = ("zh-Hans", "zh-Hant", "en")


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `options` are (value, words, chosen); `values` of names are (language, text)."""

    kind: str
    name: str
    label: str
    help: str
    value: str = ""
    default: str = ""
    required: bool = False
    options: Sequence[tuple[str, str, bool]] = ()
    values: Sequence[tuple[str, str, str]] = ()
    problems: Sequence[str] = ()
    switches: bool = False
    """Another choice changes which fields there are."""
    sought: bool = False
    """The cursor goes there."""
    offers: str = ""
    """Which known codes can be chosen for it, see `known`."""

    @property
    def is_open(self) -> bool:
        """True when none of the options is chosen yet."""
        return not any(chosen for _value, _words, chosen in self.options)

    @property
    def id(self) -> str:
        """For its label."""
        return self.name.replace(":", "-").replace(".", "-")


@dataclass(slots=True)
class Group:
    """Fields that belong together; `more` are those that most programmes leave alone."""

    path: str
    label: str
    help: str = ""
    main: list[Any] = field(default_factory=list)
    more: list[Any] = field(default_factory=list)
    problems: Sequence[str] = ()
    open: bool = False
    more_open: bool = False
    bad: bool = False
    """Something within is wrong: it stands open even if it was closed."""
    required: bool = False
    removable: bool = False
    sought: bool = False
    kind: str = "group"

    @property
    def marker(self) -> str:
        """Keeps it when all its fields are empty."""
        return f"o:{self.path}"


@dataclass(slots=True)
class Items:
    """A list of groups, or a table of them by code."""

    path: str
    label: str
    help: str
    items: list[Group]
    problems: Sequence[str] = ()
    coded: bool = False
    known: Sequence[tuple[str, str]] = ()
    """Codes that can be added to a table, when only these can."""
    required: bool = False
    sought: bool = False
    kind: str = "items"

    @property
    def marker(self) -> str:
        """Keeps it when it has no items."""
        return f"o:{self.path}"

    @property
    def keeps(self) -> bool:
        """True for a list that is a whole section: it stays there when it is empty."""
        return not self.coded and "." not in self.path


@cache
def sections() -> dict[str, Shape]:
    """The shapes of the document's sections by key, as the readers tell them."""
    shape: Shape = described()
    return dict(shape["properties"])


@dataclass(frozen=True, slots=True)
class Context:
    """What fields look at beside their own value: the whole draft, its problems by path, the path to stand open, and the
    one that is looked for.
    """

    tree: Mapping[str, Any]
    problems: Mapping[str, Sequence[str]]
    opened: str = ""
    sought: str = ""

    def is_bad(self, path: str) -> bool:
        """True when something at or below a place is wrong."""
        return any(is_below(each, path) for each in self.problems)

    def must_open(self, path: str) -> bool:
        """True when something at or below a place is wrong, was just added or is looked for."""
        return is_below(self.opened, path) or is_below(self.sought, path) or self.is_bad(path)

    def of(self, path: str) -> Sequence[str]:
        """The problems of a place."""
        return self.problems.get(path, ())


def with_gaps(problems: Sequence[Problem], tree: Mapping[str, Any]) -> list[Problem]:
    """The problems with one word for a field that is empty: whether its key is there makes no difference in a form."""
    return [
        replace(each, code="missing_key", template=_("is required"), params={})
        if value_at(tree, dotted(each.path).split(".")) == ""
        else each
        for each in problems
    ]


def seen_problems(problems: Sequence[Problem], fresh: str, *, is_new: bool) -> list[Problem]:
    """Without those of what is just being filled in at `fresh`: nobody is told of gaps before having come to them.

    All of them when it `is_new`; then the gaps, as long as a field that is marked as needed is still empty.
    """
    own = [each for each in problems if is_below(dotted(each.path), fresh)]
    if not is_new:
        gaps = [each for each in own if each.code == "missing_key" or dotted(each.path) == fresh]
        own = gaps if any(_is_marked(each) for each in gaps) else []
    return [each for each in problems if each not in own]


def _is_marked(problem: Problem) -> bool:
    """True for a single field that is empty: its mark tells so by itself."""
    section, *path = dotted(problem.path).split(".")
    return any(map(is_single, shapes_at([sections().get(section, {})], path)))


def problems_by_path(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """The messages by the path of fields: `earning[0].give` is `earning.0.give` there."""
    found: dict[str, list[str]] = {}
    for each in problems:
        found.setdefault(dotted(each.path), []).append(str(each.message))
    return found


def section_form(section: str, context: Context) -> Any:
    """The form of one section."""
    return build(sections()[section], context.tree.get(section), section, context, required=True)


def build(shape: Shape, value: Any, path: str, context: Context, *, required: bool) -> Any:
    """A field, a group or items for a value of this shape."""
    made = _built(shape, value, path, context, required=required)
    if isinstance(made, Field):
        is_here = bool(context.sought) and is_below(context.sought, path)
        return replace(made, sought=True) if is_here else made
    made.required = required
    made.sought = context.sought == path
    if isinstance(made, Group):
        made.open = made.open or required
    return made


def _built(shape: Shape, value: Any, path: str, context: Context, *, required: bool) -> Any:
    if shape.get("format") == "names":
        return _names(value, path, context, required=required)
    variants = _objects(shape)
    if variants:
        return _group(variants, value, path, context, usual=shape.get("default"), required=required)
    if shape.get("type") == "object":
        return _table(shape, value, path, context)
    lists = [each for each in parts_of(shape) if each.get("type") == "array"]
    if lists:
        items = lists[0]["items"]
        if _objects(items):
            return _items(items, value, path, context)
        return _many(items, value, path, context, single=len(lists) < len(parts_of(shape)), required=required)
    return _field(shape, value, path, context, label=_label(path), required=required)


def _help(path: str) -> str:
    """The help of a place: a key may mean something else elsewhere."""
    return help_of(*_key_and_holder(path))


def _label(path: str) -> str:
    """What the key of a place is called there."""
    return label_of(*_key_and_holder(path))


def _key_and_holder(path: str) -> tuple[str, str]:
    keys = [each for each in path.split(".") if not is_place(each)]
    return keys[-1], keys[-2] if len(keys) > 1 else ""


def _objects(shape: Shape) -> list[Shape]:
    return [
        each
        for each in parts_of(shape)
        if each.get("type") == "object" and each.get("additionalProperties") is False and "format" not in each
    ]


# Groups ----------------------------------------------------------------------------------------------


def _group(
    variants: list[Shape],
    value: Any,
    path: str,
    context: Context,
    *,
    usual: Any = None,
    required: bool = True,
) -> Group:
    """The fields of a thing; `usual` is what counts where nothing of it is given."""
    own = value if isinstance(value, dict) else {}
    absent = usual if not own and isinstance(usual, dict) else {}
    chosen = _variant(variants, own or absent)
    switches = _switches(variants)
    is_open = bool(own) or context.must_open(path)
    group = Group(path, _label(path), _help(path), problems=context.of(path), open=is_open)
    group.bad = context.is_bad(path)
    for name, shape in _asked(variants, chosen, switches, own).items():
        if name in switches:
            usually = absent.get(name, shape.get("default", chosen.get("default")))
            shape = {"enum": switches[name], "default": usually}
        made = build(
            shape, own.get(name), f"{path}.{name}", context, required=name in chosen.get("required", ())
        )
        if isinstance(made, Field) and name in switches:
            made = replace(made, switches=True)
            if not (own or absent or required):
                made = replace(made, default=pgettext("editor", "as for the unit"))
        is_main = name in chosen.get("required", ()) or name in switches or name in MAIN
        (group.main if is_main else group.more).append(made)
        group.more_open = group.more_open or (not is_main and context.must_open(f"{path}.{name}"))
    if len(variants) > 1 and not switches:
        group.main.insert(0, _effect(variants, chosen, path))
    if not group.main:
        group.main, group.more = group.more, []
    return group


def _asked(
    variants: list[Shape], chosen: Shape, switches: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Shape]:
    """The keys to ask for: only what all variants have, as long as a choice among them is needed and not made."""
    asked: dict[str, Shape] = chosen["properties"]
    if any(name in chosen.get("required", ()) and not own.get(name) for name in switches):
        return {
            name: shape
            for name, shape in asked.items()
            if all(name in variant["properties"] for variant in variants)
        }
    return asked


def _switches(variants: list[Shape]) -> dict[str, list[str]]:
    """The keys whose value decides the variant, with all their values in the readers' order."""
    found: dict[str, list[str]] = {}
    if len(variants) < 2:
        return found
    for variant in variants:
        for name, shape in variant["properties"].items():
            if "const" in shape:
                found.setdefault(name, [])
    for name, values in found.items():
        for variant in variants:
            shape = variant["properties"].get(name, {})
            for each in [shape["const"]] if "const" in shape else shape.get("enum", ()):
                if each not in values:
                    values.append(each)
    return found


def _variant(variants: list[Shape], own: Mapping[str, Any]) -> Shape:
    """The variant that the values fit best: by the keys that decide, then by how many of the other keys it knows."""

    def fits(variant: Shape) -> tuple[int, int, int]:
        decided = 0
        for name, shape in variant["properties"].items():
            allowed = [shape["const"]] if "const" in shape else shape.get("enum")
            if allowed is None or name not in own:
                continue
            decided += 1 if own[name] in allowed else -1
        missing = sum(
            name not in own and "const" in variant["properties"][name] for name in variant.get("required", ())
        )
        return decided, sum(name in variant["properties"] for name in own), -missing

    return max(variants, key=fits)


def _effect(variants: list[Shape], chosen: Shape, path: str) -> Field:
    """Which of several forms a rule has, where no key of the document says it: by what each needs."""
    common = set.intersection(*(set(each.get("required", ())) for each in variants))
    options = []
    for index, variant in enumerate(variants):
        needs = next((name for name in variant.get("required", ()) if name not in common), "")
        options.append((str(index), label_of(needs), variant is chosen))
    return Field(
        "select", f"v:{path}", label_of("@effect"), "", options=options, required=True, switches=True
    )


def chosen_variant(shape: Shape, index: int, own: Mapping[str, Any]) -> dict[str, Any]:
    """The values that still have a meaning in another form; what it needs starts empty."""
    variants = _objects(shape)
    if not 0 <= index < len(variants):
        return dict(own)
    kept = {name: each for name, each in own.items() if name in variants[index]["properties"]}
    for name in variants[index].get("required", ()):
        kept.setdefault(name, "")
    return kept


def fitting(shape: Shape, own: Any) -> Any:
    """The values without keys that have no meaning beside the others: what another choice left behind."""
    if isinstance(own, list):
        items: Shape = next((each["items"] for each in parts_of(shape) if each.get("type") == "array"), {})
        return [fitting(items, each) for each in own]
    variants = _objects(shape)
    if not isinstance(own, dict):
        return own
    if not variants:
        free = shape.get("additionalProperties")
        if not isinstance(free, dict):
            return own
        return {key: fitting(shape["properties"].get(key, free), each) for key, each in own.items()}
    chosen = _variant(variants, own)
    known = {name for variant in variants for name in variant["properties"]}
    return {
        name: fitting(chosen["properties"].get(name, {}), each)
        for name, each in own.items()
        if name in chosen["properties"] or name not in known
    }


# Lists and tables ------------------------------------------------------------------------------------


def _items(shape: Shape, value: Any, path: str, context: Context) -> Items:
    groups = []
    for index, each in enumerate(value if isinstance(value, list) else ()):
        group = _group(_objects(shape), each, f"{path}.{index}", context)
        has_name = any(name in variant["properties"] for variant in _objects(shape) for name in _NAMED_BY)
        group.label = _title(each, pgettext("editor", "New…") if has_name else str(index + 1))
        group.removable = True
        group.open = context.must_open(group.path)
        group.sought = context.sought == group.path
        groups.append(group)
    return Items(path, _label(path), _help(path), groups, context.of(path))


def _table(shape: Shape, value: Any, path: str, context: Context) -> Items:
    key = path.rpartition(".")[2]
    groups = []
    own = value if isinstance(value, dict) else {}
    for code, each in own.items():
        variants = _objects(shape["properties"].get(code, shape["additionalProperties"]))
        group = _group(variants, each, f"{path}.{code}", context)
        group.label = _title(each, code)
        group.removable = True
        group.open = code == "points" or context.must_open(group.path)
        group.sought = context.sought == group.path
        groups.append(group)
    known = () if key == "assets" else [option[:2] for option in _references("asset", "", context)]
    left = [each for each in known if each[0] not in own]
    return Items(path, _label(path), _help(path), groups, context.of(path), coded=True, known=left)


def _title(value: Any, otherwise: str) -> str:
    names = value.get("name") if isinstance(value, dict) else None
    if isinstance(names, dict) and any(names.values()):
        return localized({key: each for key, each in names.items() if each})
    code = (value.get("code") or value.get("id")) if isinstance(value, dict) else ""
    return str(code or otherwise)


# Single fields ---------------------------------------------------------------------------------------


def _names(value: Any, path: str, context: Context, *, required: bool) -> Field:
    own = value if isinstance(value, dict) else {}
    values = [(language, f"s:{path}.{language}", str(own.get(language, ""))) for language in LANGUAGES]
    problems = [*context.of(path), *(each for lang in LANGUAGES for each in context.of(f"{path}.{lang}"))]
    return Field(
        "names", f"s:{path}", label_of("name"), "", values=values, required=required, problems=problems
    )


def _many(items: Shape, value: Any, path: str, context: Context, *, single: bool, required: bool) -> Field:
    key = path.rpartition(".")[2]
    own = value if isinstance(value, list) else [value] if value else []
    chosen = [str(each) for each in own]
    problems = [*context.of(path), *(e for i in range(len(chosen)) for e in context.of(f"{path}.{i}"))]
    options: list[tuple[str, str, bool]] = []
    if "enum" in items:
        options = [(each, choice_word(key, each), each in chosen) for each in items["enum"]]
    elif items.get("format") == "reference" or key in _PLANS:
        options = [(code, words, code in chosen) for code, words in _references(key, "", context)]
        options += [(each, each, True) for each in chosen if each not in {option[0] for option in options}]
    about: dict[str, Any] = {
        "label": _label(path),
        "help": _help(path),
        "required": required,
        "problems": problems,
    }
    if options:
        return Field("ticks", f"{'x' if single else 'm'}:{path}", options=options, **about)
    prefix = "w" if single else "l"
    return Field("lines", f"{prefix}:{path}", value="\n".join(chosen), offers=OFFERED.get(key, ""), **about)


def _field(shape: Shape, value: Any, path: str, context: Context, *, label: str, required: bool) -> Field:
    key = path.rpartition(".")[2]
    text = value if isinstance(value, str) else ""
    default = shape.get("default")
    shown = choice_word(key, str(default).lower()) if isinstance(default, bool) else str(default or "")
    about: dict[str, Any] = {
        "name": f"s:{path}",
        "label": label,
        "help": _help(path),
        "value": text,
        "required": required and default is None,
        "problems": context.of(path),
    }
    kind = shape.get("format", "")
    if "const" in shape:
        return Field("hidden", **{**about, "value": str(shape["const"])})
    if kind == "boolean":
        meant = {"yes": "true", "no": "false"}.get(text.lower(), text.lower())
        options = [
            (text if meant == each else each, choice_word(key, each), meant == each)
            for each in ("true", "false")
        ]
        return Field("select", options=options, default=shown, **about)
    if "enum" in shape:
        words = choice_word(key, str(default)) if default is not None else ""
        options = [(str(each), choice_word(key, str(each)), str(each) == text) for each in shape["enum"]]
        return Field("select", options=options, default=words, **about)
    if kind == "reference" or key == "tier":
        found = _references(key, text, context)
        if found:
            words = dict(found).get(str(default), shown)
            return Field("select", options=[(c, w, c == text) for c, w in found], default=words, **about)
    return Field(
        kind if kind in ("whole", "decimal", "amount", "date", "code") else "text",
        default=shown or EXAMPLES.get(_key_and_holder(path)[::-1], ""),
        **about,
    )


def _references(key: str, value: str, context: Context) -> list[tuple[str, str]]:
    """(code, name) of what a key can refer to in the draft."""
    place = REFERENCES.get(key)
    if place is None:
        return []
    at: Any = context.tree
    for part in place:
        at = at.get(part, {}) if isinstance(at, dict) else {}
    if isinstance(at, dict):
        found = [(code, _title(each, code)) for code, each in at.items()]
    else:
        rows = [each for each in at if isinstance(each, dict)]
        found = [(str(each.get("code") or each.get("id") or ""), _title(each, "")) for each in rows]
    found = [each for each in found if each[0]]
    if value and value not in dict(found):
        found.append((value, value))
    return found
