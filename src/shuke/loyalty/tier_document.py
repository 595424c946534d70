"""How the sections `tiers` and `tracks` of a programme document are read: levels, metric, terms, limits, and how they join."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.core.values import Role
from shuke.ledger.values import KEY_ROLE
from shuke.loyalty import source
from shuke.loyalty.benefit_document import read_benefits
from shuke.loyalty.readers import (
    Key,
    Notes,
    Reader,
    amount,
    choice,
    decimal,
    mapping,
    names,
    one_of,
    sequence,
    slug,
    whole,
)
from shuke.loyalty.source import Node, child

MAX_LEVELS = 50
MAX_TRACKS = 10
OVERRIDES_DEFAULT: dict[str, dict[str, Any]] = {
    "owner": {},
    "admin": {},
    "store_manager": {"days": 92},
    "service_agent": {"days": 31},
}
"""Who may set a tier by hand where the document does not say: for how many days."""

_METRICS = ("spend", "growth", "orders", "points", "none")


def read_tiers(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """The main track."""
    found: dict[str, Any] | None = _track(notes, node, path, {})
    return found


def read_tracks(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """The further tracks; their codes and the codes of all levels are unique."""
    codes: set[str] = set()

    def code(notes: Notes, node: Node, path: str) -> str | None:
        value: str | None = slug(longest=30)(notes, node, path)
        if value is not None and value in codes:
            notes.add("duplicate", path, node.line, _("“%(value)s” is given twice"), value=value)
            return None
        codes.add(value or "")
        return value

    def track(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        joins = choice("ignore", "best", "add")
        found = _track(
            notes,
            node,
            path,
            {
                "code": Key(code, required=True),
                "name": Key(names, required=True),
                "discount": Key(joins, default="ignore"),
                "multiplier": Key(joins, default="ignore"),
            },
        )
        if found is not None:
            _check_joined(notes, node, path, found)
        return found

    found: list[dict[str, Any]] | None = sequence(track, most=MAX_TRACKS)(notes, node, path)
    return found


def _track(notes: Notes, node: Node, path: str, own: dict[str, Key]) -> dict[str, Any] | None:
    metric, window = _given(node, "metric"), _given(node, "window") or "rolling"
    _check_metric(notes, node, path, metric)
    own_codes: list[str] = []

    def code(notes: Notes, node: Node, path: str) -> str | None:
        value: str | None = slug(longest=30)(notes, node, path)
        if value is not None and value in notes.tiers:
            notes.add("duplicate", path, node.line, _("“%(value)s” is given twice"), value=value)
            return None
        if value is not None:
            notes.tiers.append(value)
            own_codes.append(value)
        return value

    def up_to(notes: Notes, node: Node, path: str) -> Any:
        return one_of(own_codes, pgettext_lazy("programme", "tier"))(notes, node, path)

    keys = {
        **own,
        "metric": Key(choice(*_METRICS), required=True),
        "window": Key(choice("rolling", "calendar_year", "anniversary"), default="rolling"),
        "window_months": Key(whole(1, 120), default=12 if window == "rolling" else None),
        "valid_months": Key(whole(1, 120), default=12),
        "grace_days": Key(whole(0, 366), default=0),
        "downgrade": Key(choice("one_level", "to_qualified", "never", "at_once"), default="one_level"),
        "on_change": Key(choice("upgrade", "keep", "reassess"), default="upgrade"),
        "warn_days": Key(sequence(whole(1, 366), most=5, distinct=True), default=[30]),
        "levels": Key(_levels(metric, code, is_main=not own), required=True),
        "overrides": Key(
            mapping(
                {
                    role: Key(mapping({"days": Key(whole(1, 3660)), "up_to": Key(up_to)}))
                    for role in (*Role.values, KEY_ROLE)
                }
            ),
            default=OVERRIDES_DEFAULT,
        ),
    }
    found: dict[str, Any] | None = mapping(keys)(notes, node, path)
    if found is not None and "window_months" in found and window != "rolling":
        notes.add(
            "not_rolling",
            child(path, "window_months"),
            _line_of(node, "window_months"),
            _("a window of the calendar year or the anniversary has no months; leave this out"),
        )
    return found


def _given(node: Node, key: str) -> str | None:
    """A value needed before its mapping is read."""
    given = node.items.get(key) if isinstance(node, source.Mapping) else None
    return given.text if isinstance(given, source.Scalar) else None


def _check_metric(notes: Notes, node: Node, path: str, metric: str | None) -> None:
    if metric != "growth":
        return
    notes.tiers_by_growth = True
    if "growth" not in notes.assets:
        line = _line_of(node, "metric")
        notes.add("unknown_reference", child(path, "metric"), line, _("needs the asset “growth”"))


def _levels(metric: str | None, code: Reader, *, is_main: bool) -> Reader:
    threshold = amount(above_zero=False) if metric in ("spend", None) else whole(0)
    by_hand = metric == "none"
    level = mapping(
        {
            "code": Key(code, required=True),
            "name": Key(names, required=True),
            **({} if by_hand else {"threshold": Key(threshold, required=True)}),
            "discount_percent": Key(decimal("0", "100"), default="0"),
            "multiplier": Key(decimal("1", "100"), default="1"),
            **({"benefits": Key(read_benefits(with_price=False))} if is_main else {}),
        }
    )

    def read(notes: Notes, node: Node, path: str) -> Any:
        found = sequence(level, least=1, most=MAX_LEVELS)(notes, node, path)
        if by_hand or found is None or not isinstance(node, source.Sequence):
            return found
        # Where a level could not be read at all, that is reported already.
        if len(found) == len(node.items):
            _check_thresholds(notes, node, path, found)
        return found

    return read


def _check_thresholds(notes: Notes, node: source.Sequence, path: str, levels: list[dict[str, Any]]) -> None:
    """Thresholds begin at zero and rise strictly: equal or falling ones would overlap."""
    highest: tuple[Decimal, str, str] | None = None
    for index, level in enumerate(levels):
        shown_threshold = level.get("threshold")
        if shown_threshold is None:
            continue
        value = Decimal(str(shown_threshold))
        here = child(f"{path}[{index}]", "threshold")
        line = _line_of(node.items[index], "threshold")
        if index == 0 and value != 0:
            notes.add("threshold_not_zero", here, line, _("must be 0: everyone starts at the lowest tier"))
        if highest is not None and value <= highest[0]:
            notes.add(
                "threshold_order",
                here,
                line,
                _("must be greater than %(other)s (%(tier)s)"),
                other=highest[1],
                tier=highest[2],
            )
        if highest is None or value > highest[0]:
            highest = (value, str(shown_threshold), level.get("code", f"levels[{index}]"))


def _check_joined(notes: Notes, node: Node, path: str, track: dict[str, Any]) -> None:
    """A benefit that the track says to ignore would be a promise that nobody keeps."""
    levels = node.items.get("levels") if isinstance(node, source.Mapping) else None
    if not isinstance(levels, source.Sequence):
        return
    for index, item in enumerate(levels.items):
        for key, joins in (("discount_percent", "discount"), ("multiplier", "multiplier")):
            if isinstance(item, source.Mapping) and key in item.items and track.get(joins) == "ignore":
                notes.add(
                    "track_ignored",
                    child(f"{child(path, 'levels')}[{index}]", key),
                    item.items[key].line,
                    _("does not count: say “%(key)s: best” or “%(key)s: add” on the track"),
                    key=joins,
                )


def check_tracks(notes: Notes, document: dict[str, Any], line: int) -> None:
    """Discounts that are added up must not give more than the price."""
    most = _most(document.get("tiers"))
    for index, track in enumerate(document.get("tracks", ())):
        if track.get("discount") != "add":
            continue
        most += _most(track)
        if most > 100:
            notes.add(
                "discounts_exceed_price",
                f"tracks[{index}].discount",
                line,
                _("the highest discounts of all tracks add up to %(percent)s%%, more than the price"),
                percent=f"{most:f}",
            )


def _most(track: dict[str, Any] | None) -> Decimal:
    levels = (track or {}).get("levels", ())
    return max((Decimal(level.get("discount_percent", "0")) for level in levels), default=Decimal(0))


def _line_of(node: Node, key: str) -> int:
    return node.items[key].line if isinstance(node, source.Mapping) and key in node.items else node.line
