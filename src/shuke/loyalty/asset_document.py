"""The sections `assets`, `adjustments` and `transfers` of the programme document: what there is, and who may move it.

Readers as in `readers.py`. `loyalty.assets` and `loyalty.book_policies` compile exactly what is returned here.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.core.values import Role
from shuke.ledger.values import KEY_ROLE
from shuke.loyalty import source
from shuke.loyalty.assets import MONEY_KINDS, NEVER_BY_DEFAULT, RESERVED
from shuke.loyalty.probes import MappingProbe, describe
from shuke.loyalty.readers import (
    Key,
    Notes,
    Reader,
    boolean,
    choice,
    day,
    decimal,
    mapping,
    names,
    one_of,
    sequence,
    slug,
    tell_table,
    whole,
)
from shuke.loyalty.source import Node, child

MAX_ASSETS = 20
MAX_UNITS = 10**12

_NEVER = {"model": "never"}
_ROLLING = {"model": "rolling", "months": 12, "round_to": "month_end", "instant": "end_of_day"}

_TERM = {
    "months": Key(whole(1, 240)),
    "days": Key(whole(1, 3660)),
    "round_to": Key(choice("month_end", "quarter_end", "year_end", "none"), default="month_end"),
    "instant": Key(choice("end_of_day", "exact"), default="end_of_day"),
}
_EXPIRY_KEYS: dict[str, dict[str, Key]] = {
    "rolling": _TERM,
    "fixed_date": {"on": Key(day, required=True)},
    "end_of_year": {"years": Key(whole(0, 20), default=1)},
    "inactivity": _TERM,
    "never": {},
}
_PENDING_KEYS: dict[str, dict[str, Key]] = {
    "at_once": {},
    "after_days": {"days": Key(whole(1, 366), required=True)},
    "after_return_window": {},
    "on_event": {"event": Key(slug(longest=40), required=True)},
}


def assets(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """The assets by code. `points` must be among them; the kinds of reserved codes are fixed."""
    if isinstance(node, MappingProbe):
        own = {code: describe(_asset(code), Notes) for code in sorted(RESERVED)}
        tell_table(node, describe(_asset(""), Notes), own, required=["points"], most=MAX_ASSETS)
        return None
    if not isinstance(node, source.Mapping):
        notes.add("wrong_type", path, node.line, _("must be a mapping of keys to values"))
        return None
    if len(node.items) > MAX_ASSETS:
        notes.add(
            "too_many",
            path,
            node.line,
            _("has %(count)d items; at most %(most)d are allowed"),
            count=len(node.items),
            most=MAX_ASSETS,
        )
        return None
    code_reader = slug(longest=30)
    result: dict[str, Any] = {}
    for code, spec in node.items.items():
        here = child(path, code)
        valid = code_reader(notes, source.Scalar(node.key_lines[code], code, quoted=True), here)
        if valid is not None:
            notes.assets.add(code)
            result[code] = _asset(code)(notes, spec, here)
    if "points" not in node.items:
        notes.add("missing_key", child(path, "points"), node.line, _("is required"))
    return result


def _asset(code: str) -> Reader:
    reserved = RESERVED.get(code)

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        kind: str = reserved or "custom"
        if isinstance(node, source.Mapping) and "kind" in node.items and not reserved:
            given = node.items["kind"]
            kind = given.text if isinstance(given, source.Scalar) and given.text == "punch" else kind
        keys = {
            "kind": Key(choice(reserved) if reserved else choice("punch", "custom"), default=kind),
            "name": Key(names, required=True),
            "expiry": Key(expiry, default=_NEVER if kind in NEVER_BY_DEFAULT else _ROLLING),
            "pending": Key(pending, default={"usable": "at_once"}),
            "notice_days": Key(sequence(whole(1, 366), most=5, distinct=True), default=[30]),
        }
        if kind not in MONEY_KINDS:
            keys["decimals"] = Key(whole(0, 4), default=0)
        found: dict[str, Any] | None = mapping(keys)(notes, node, path)
        return found

    return read


def _by_model(key: str, variants: dict[str, dict[str, Key]], default: str) -> Reader:
    """A mapping whose `key` decides which other keys belong into it; one of another variant is named as such."""
    model_key = Key(choice(*variants), default=default)

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        if not isinstance(node, source.Mapping):
            mapping({key: model_key})(notes, node, path)
            return None
        model = default
        if key in node.items:
            chosen = model_key.reader(notes, node.items[key], child(path, key))
            if chosen is None:
                return None
            model = chosen
        own = variants[model]
        foreign = {name for keys in variants.values() for name in keys} - set(own)
        kept = {}
        for name, item in node.items.items():
            if name in foreign:
                notes.add(
                    "not_for_model",
                    child(path, name),
                    node.key_lines[name],
                    _("does not belong to the model “%(model)s”"),
                    model=model,
                )
            else:
                kept[name] = item
        found: dict[str, Any] | None = mapping({key: model_key, **own})(notes, node.with_items(kept), path)
        return found

    return read


def expiry(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """When units lapse; also for a rule that overrides its asset."""
    found: dict[str, Any] | None = _by_model("model", _EXPIRY_KEYS, "rolling")(notes, node, path)
    if found is None or found.get("model") not in ("rolling", "inactivity"):
        return found
    lines = node.items if isinstance(node, source.Mapping) else {}
    if "days" in found and "months" in found:
        notes.add(
            "either_or", child(path, "days"), lines["days"].line, _("give either months or days, not both")
        )
    elif "days" not in found and "months" not in lines:
        found["months"] = 12
    if found.get("instant") == "exact":
        if "round_to" in lines and found.get("round_to") != "none":
            notes.add(
                "not_with_exact",
                child(path, "round_to"),
                lines["round_to"].line,
                _("an exact instant is not rounded; leave one of the two out"),
            )
        found["round_to"] = "none"
    return found


pending: Reader = _by_model("usable", _PENDING_KEYS, "at_once")
"""When units become usable; also for a rule that overrides its asset."""


# Moves by hand ---------------------------------------------------------------------------------------

_LIMITS_DEFAULT = {"owner": 1_000_000, "admin": 1_000_000, "store_manager": 10_000, "service_agent": 2_000}
ADJUSTMENTS_DEFAULT = {
    "points": {
        "limits": _LIMITS_DEFAULT,
        "four_eyes_above": 5_000,
        "below_zero": "refuse",
        "request_days": 14,
    }
}


def adjustments(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """Per asset: who may add or take by hand, and from where on a second person must agree."""
    limit = Key(whole(1, MAX_UNITS))
    reader = mapping(
        {
            "limits": Key(mapping(dict.fromkeys((*Role.values, KEY_ROLE), limit)), default=_LIMITS_DEFAULT),
            "four_eyes_above": Key(whole(0, MAX_UNITS), default=5_000),
            "below_zero": Key(choice("refuse", "debt"), default="refuse"),
            "request_days": Key(whole(1, 366), default=14),
        }
    )
    found: dict[str, Any] | None = _by_asset(reader)(notes, node, path)
    return found


def transfers(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """Per asset: whether and how much members may give to each other. What is not named may not be given."""
    reader = mapping(
        {
            "allowed": Key(boolean, default=True),
            "minimum": Key(whole(1, MAX_UNITS), default=1),
            "maximum": Key(whole(1, MAX_UNITS)),
            "per_day": Key(whole(1, MAX_UNITS)),
            "fee_percent": Key(decimal("0", "100"), default="0"),
        }
    )

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = reader(notes, node, path)
        if found and "minimum" in found and found.get("maximum", MAX_UNITS) < found["minimum"]:
            notes.add(
                "maximum_below_minimum",
                child(path, "maximum"),
                node.line,
                _("must not be less than the minimum, %(minimum)d"),
                minimum=found["minimum"],
            )
        return found

    result: dict[str, Any] | None = _by_asset(read)(notes, node, path)
    return result


def _by_asset(reader: Reader) -> Reader:
    """A mapping whose keys are assets of the document."""

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        if isinstance(node, MappingProbe):
            tell_table(node, describe(reader, Notes))
            return None
        if not isinstance(node, source.Mapping):
            notes.add("wrong_type", path, node.line, _("must be a mapping of keys to values"))
            return None
        known = one_of(notes.assets, pgettext_lazy("programme", "asset"))
        result = {}
        for code, spec in node.items.items():
            here = child(path, code)
            if known(notes, source.Scalar(node.key_lines[code], code, quoted=True), here) is not None:
                result[code] = reader(notes, spec, here)
        return result

    return read
