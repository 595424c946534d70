"""The programme's editor by forms: one section at a time, the whole draft travelling along, nothing kept until it is published.

Whatever a form changes is written back as the same YAML that the other view shows; a section that was not changed keeps its
text, comments included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from shuke.console.access import requires
from shuke.console.editor.fields import (
    Context,
    chosen_variant,
    fitting,
    problems_by_path,
    section_form,
    sections,
    seen_problems,
    with_gaps,
)
from shuke.console.editor.known import known_codes
from shuke.console.editor.places import (
    BASICS,
    dotted,
    is_place,
    parts_of,
    path_of,
    said_place,
    section_at,
    value_at,
)
from shuke.console.editor.posted import section_of, with_item, without
from shuke.console.editor.sample import not_priced_yet, sample_form, tried
from shuke.console.editor.tree import rewritten, tree_of
from shuke.console.editor.words import label_of, section_help
from shuke.console.views.programme import SourceForm, review_source, show_source, source_in_force
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.loyalty import queries
from shuke.loyalty.document import problems_of
from shuke.loyalty.errors import InvalidProgramme, Problem

FIRST = ("assets", "earning", "multipliers", "accruals", "tiers", "redemption", "coupons", "rewards", "plans")
HIDDEN = ("shuke",)


def section_keys() -> list[str]:
    """The sections in the order in which one builds a programme; those this page has never heard of come last."""
    known = [key for key in sections() if key not in (*BASICS, *HIDDEN)]
    return ["basics", *(key for key in FIRST if key in known), *(key for key in known if key not in FIRST)]


def now_of(tree: dict[str, Any]) -> datetime:
    """The present in the draft's zone; in the site's while the draft names none that exists."""
    zone = tree.get("time_zone")
    try:
        return clock.now().astimezone(ZoneInfo(zone if isinstance(zone, str) else ""))
    except (ValueError, LookupError, OSError):
        return timezone.localtime(clock.now())


@requires(Permission.PROGRAMME_PUBLISH)
def programme_edit(request: HttpRequest) -> HttpResponse:
    """Take in the section that was sent, do what was asked for, and show a section again. First: what is in force."""
    if request.method != "POST":
        return edit(
            request, {"source": source_in_force(), "do": f"go:{request.GET.get('section', 'basics')}"}
        )
    return edit(request, request.POST)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is wrong with the draft, and the places with a part in the page: what is being filled in (`is_new`: only just
    added), what to open, and where the cursor goes.
    """

    problems: list[Problem]
    fresh: str
    is_new: bool
    opened: str
    sought: str


def edit(request: HttpRequest, posted: QueryDict | dict[str, str]) -> HttpResponse:
    """The form of one section of the draft in `posted`."""
    text = str(posted.get("source", "")).replace("\r\n", "\n").replace("\x00", "")
    section = str(posted.get("section", ""))
    try:
        tree = tree_of(text)
    except InvalidProgramme as error:
        return show_source(request, SourceForm(initial={"source": text}), error.problems)
    if not isinstance(tree, dict):
        return show_source(request, SourceForm(initial={"source": text}), problems_of(text))
    if isinstance(posted, QueryDict) and section in section_keys():
        tree = _taken(tree, section, posted)
    action, _colon, place = str(posted.get("do", "")).partition(":")
    sought = place if action == "find" else ""
    fresh = str(posted.get("fresh", "")) if action in ("", "refresh", "add") else ""
    opened = ""
    if action == "add":
        tree, opened = _added(tree, place, posted)
        fresh = fresh if fresh and f"{opened}.".startswith(f"{fresh}.") else opened
    elif action == "remove":
        tree = without(tree, path_of(place))
    elif action == "go" and place in section_keys():
        section = place
    elif action == "find" and section_at(place) in section_keys():
        section = section_at(place)
    before = tree_of(text)
    if before != tree:
        text = rewritten(text, before, tree)
    if action == "yaml":
        return show_source(request, SourceForm(initial={"source": text}), problems_of(text))
    if action == "check":
        return review_source(request, text, by_forms=True)
    section = section if section in section_keys() else "basics"
    seen = Seen(
        with_gaps(problems_of(text), tree), fresh, is_new=action == "add", opened=opened, sought=sought
    )
    return _page(request, tree, text, section, seen, posted)


def _taken(tree: dict[str, Any], section: str, posted: QueryDict) -> dict[str, Any]:
    """The draft with the section as it was sent."""
    lists = {name: posted.getlist(name) for name in posted}
    made = dict(tree)
    for key in BASICS if section == "basics" else (section,):
        shape = sections()[key]
        value = section_of(lists, key)
        for name in lists:
            kind, _colon, place = name.partition(":")
            if kind == "v" and place.split(".")[0] == key:
                form = lists[name][-1]
                chosen = int(form) if form.isascii() and form.isdigit() and len(form) < 4 else 0
                value = _varied(value, place.split(".")[1:], shape, chosen)
        value = fitting(shape, value)
        if value is None:
            made.pop(key, None)
        else:
            made[key] = value
    return made


def _varied(value: Any, path: list[str], shape: dict[str, Any], index: int) -> Any:
    """The value with the thing at `path` in its chosen form; nothing changes when it already has it."""
    if not path:
        return _in_form(value, shape, index)
    if isinstance(value, list) and is_place(path[0]):
        items = next(each["items"] for each in shape.get("anyOf", [shape]) if each.get("type") == "array")
        return [
            _varied(each, path[1:], items, index) if str(place) == path[0] else each
            for place, each in enumerate(value)
        ]
    return value


def _in_form(value: Any, shape: dict[str, Any], index: int) -> Any:
    return chosen_variant(shape, index, value if isinstance(value, dict) else {})


def _added(tree: dict[str, Any], place: str, posted: Any) -> tuple[dict[str, Any], str]:
    """The draft with one more item at `place` (a list), or with the code that was typed (a table), or a whole section."""
    path = path_of(place)
    at = value_at(tree, path)
    code = str(posted.get(f"k:{place}", "")).strip()
    if code:
        return with_key(tree, path, code), f"{place}.{code}"
    if f"k:{place}" in posted:
        return tree, ""
    is_list = any(part.get("type") == "array" for part in parts_of(sections().get(path[0], {})))
    if len(path) == 1 and not is_list:
        return {**tree, path[0]: at if isinstance(at, dict) else {}}, path[0]
    count = len(at) if isinstance(at, list) else 0
    made: dict[str, Any] = with_item(tree, path, {})
    return made, f"{place}.{count}"


def with_key(value: Any, path: list[str], code: str) -> Any:
    """The values with one more code in the table at `path`."""
    whole = value if isinstance(value, dict) else {}
    if not path:
        return {**whole, code: whole.get(code, {})}
    return {**whole, path[0]: with_key(whole.get(path[0]), path[1:], code)}


def _page(
    request: HttpRequest, tree: dict[str, Any], text: str, section: str, seen: Seen, posted: Any
) -> HttpResponse:
    problems = seen_problems(seen.problems, seen.fresh, is_new=seen.is_new)
    context = Context(tree, problems_by_path(problems), seen.opened, seen.sought)
    keys = BASICS if section == "basics" else (section,)
    parts = [section_form(key, context) for key in keys]
    counts: dict[str, int] = {}
    for each in problems:
        counts[section_at(each.path)] = counts.get(section_at(each.path), 0) + 1
    sample = sample_form(posted, tree, now_of(tree))
    # Judged with what was only just added, which the page itself does not hold against anybody yet.
    unfinished = [_said(each, tree) for each in seen.problems]
    page = {
        "source": text,
        "section": section,
        "changed": text.strip() != source_in_force().replace("\r\n", "\n").strip(),
        "title": _("Basics") if section == "basics" else label_of(section),
        "help": section_help(section),
        "parts": parts,
        "is_there": section == "basics" or section in tree,
        "required": section in ("basics", "assets", "tiers"),
        "section_nav": [
            (
                key,
                _("Basics") if key == "basics" else label_of(key),
                counts.get(key, 0),
                key == "basics" or bool(tree.get(key)),
            )
            for key in section_keys()
        ],
        "problems": [_said(each, tree) for each in problems],
        "fresh": seen.fresh,
        "sought": seen.sought,
        "sample": sample,
        "tried": not_priced_yet(unfinished) if unfinished else tried(text, sample),
        "in_force": queries.programme_at(clock.now()),
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/editor_body.html", page)
    return render(request, "console/programme_editor.html", {**page, "known": known_codes()})


def _said(problem: Problem, tree: dict[str, Any]) -> dict[str, str]:
    """A problem as the forms name its place, and the place itself, to be led to."""
    return {
        "find": dotted(problem.path),
        "place": said_place(problem.path, tree, sections()),
        "message": problem.message,
    }
