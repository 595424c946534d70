"""The sections `budgets`, `earning`, `multipliers` and `accruals` of the programme document: what members get, and when.

Readers as in `readers.py`. `loyalty.programme` and `loyalty.conditions` compile exactly what is returned here.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.loyalty import source
from shuke.loyalty.asset_document import expiry, pending
from shuke.loyalty.conditions import DAY_MINUTES, WEEKDAYS
from shuke.loyalty.earning import CAPS
from shuke.loyalty.probes import MappingProbe, ScalarProbe
from shuke.loyalty.readers import (
    Key,
    Notes,
    Reader,
    amount,
    boolean,
    choice,
    day,
    decimal,
    mapping,
    names,
    one_of,
    scalar,
    sequence,
    shown,
    slug,
    text,
    whole,
)
from shuke.loyalty.source import Node, child

MAX_RULES = 1000
MAX_BUDGETS = 100
MAX_CONDITION_VALUES = 500
MAX_GIVE = 1_000_000
MAX_PRIORITY = 1_000_000
RESERVED_IDS = frozenset({"tier", "plan", "birthday_gift"})
"""Entries explain the tier's own multiplier under this id."""
ACCRUALS = ("registration", "profile_completed", "check_in", "survey", "referral", "review")
"""What a member can do, other than buying, that a programme may reward."""

_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.ASCII)


def budgets(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """Stocks of units; read before the rules that draw on them."""
    found: list[dict[str, Any]] | None = sequence(_budget, most=MAX_BUDGETS)(notes, node, path)
    return found


def earning(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """What purchases give."""
    return _rules(notes, node, path, _earning)


def multipliers(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """What raises the units that purchases give."""
    return _rules(notes, node, path, _multiplier)


def accruals(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """What is given for something other than a purchase."""
    found: list[dict[str, Any]] | None = sequence(_accrual, most=MAX_RULES)(notes, node, path)
    return found


def check_budgets(notes: Notes, document: dict[str, Any], line: int) -> None:
    """A budget that nothing draws on would limit nothing: most likely its rule forgot to name it."""
    rules = [
        rule for section in ("earning", "multipliers", "accruals") for rule in document.get(section) or ()
    ]
    drawn = {rule.get("budget") for rule in rules}
    for index, budget in enumerate(document.get("budgets") or ()):
        if budget.get("covers") == "named" and budget.get("id") and budget["id"] not in drawn:
            notes.add(
                "budget_unused",
                f"budgets[{index}].id",
                line,
                _("no rule names the budget “%(value)s”"),
                value=budget["id"],
            )


# What every rule may say -----------------------------------------------------------------------------


def _rule_id(notes: Notes, node: Node, path: str) -> str | None:
    value: str | None = slug(longest=40)(notes, node, path)
    if value is None:
        return None
    if value in RESERVED_IDS:
        notes.add("reserved", path, node.line, _("“%(value)s” is reserved"), value=value)
    elif value in notes.ids:
        notes.add(
            "duplicate",
            path,
            node.line,
            _("“%(value)s” is already the id of %(other)s"),
            value=value,
            other=notes.ids[value],
        )
    else:
        notes.ids[value] = path.rpartition(".")[0]
        return value
    return None


def _asset(notes: Notes, node: Node, path: str) -> Any:
    return one_of(notes.assets, pgettext_lazy("programme", "asset"))(notes, node, path)


def _budget(notes: Notes, node: Node, path: str) -> Any:
    found = mapping(
        {
            "id": Key(_rule_id, required=True),
            "name": Key(names, required=True),
            "asset": Key(_asset, default="points"),
            "limit": Key(whole(1), required=True),
            "period": Key(choice("total", "year", "month", "day"), default="total"),
            "covers": Key(choice("named", "all"), default="named"),
            "when_short": Key(choice("give_rest", "give_nothing"), default="give_rest"),
        }
    )(notes, node, path)
    if found and "id" in found and "asset" in found:
        notes.budgets[found["id"]] = found["asset"]
    return found


def _terms(keys: dict[str, Key]) -> dict[str, Key]:
    """The keys of a rule, and those that every giving rule has."""
    return {
        "id": Key(_rule_id, required=True),
        "name": Key(names, required=True),
        "asset": Key(_asset, default="points"),
        **keys,
        "priority": Key(whole(-MAX_PRIORITY, MAX_PRIORITY), default=0),
        "budget": Key(_named_budget),
        "expiry": Key(expiry),
        "pending": Key(pending),
    }


def _named_budget(notes: Notes, node: Node, path: str) -> Any:
    return one_of(set(notes.budgets), pgettext_lazy("programme", "budget"))(notes, node, path)


def _caps(*kinds: str) -> Reader:
    return mapping({kind: Key(whole(1)) for kind in kinds})


_STACKING = Key(choice("stackable", "exclusive"), default="stackable")


def _read(notes: Notes, node: Node, path: str, keys: dict[str, Key]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(_terms(keys))(notes, node, path)
    if not found:
        return found
    if not found.get("caps", True):
        del found["caps"]
    budget, asset = found.get("budget"), found.get("asset")
    if budget and asset and notes.budgets[budget] != asset:
        notes.add(
            "budget_of_other_asset",
            child(path, "budget"),
            _line_of(node, "budget"),
            _("the budget “%(budget)s” holds %(other)s, the rule gives %(asset)s"),
            budget=budget,
            other=notes.budgets[budget],
            asset=asset,
        )
    return found


def _line_of(node: Node, key: str) -> int:
    return node.items[key].line if isinstance(node, source.Mapping) and key in node.items else node.line


# Rules of sales --------------------------------------------------------------------------------------


def _rules(notes: Notes, node: Node, path: str, reader: Reader) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] | None = sequence(reader, most=MAX_RULES)(notes, node, path)
    if found is not None and isinstance(node, source.Sequence) and len(found) == len(node.items):
        _check_priorities(notes, node, path, found)
    return found


def _check_priorities(notes: Notes, node: source.Sequence, path: str, rules: list[dict[str, Any]]) -> None:
    """Of two exclusive rules the priority decides: equal ones would leave it to chance which of them counts."""
    first: dict[tuple[str, int], str] = {}
    for index, rule in enumerate(rules):
        if rule.get("stacking") != "exclusive" or "asset" not in rule or "priority" not in rule:
            continue
        key = (rule["asset"], rule["priority"])
        if key in first:
            notes.add(
                "priority_taken",
                child(f"{path}[{index}]", "priority"),
                _line_of(node.items[index], "priority"),
                _("the exclusive rule “%(other)s” has the same priority, %(priority)d; give each its own"),
                other=first[key],
                priority=rule["priority"],
            )
        else:
            first[key] = rule.get("id", f"{path}[{index}]")


_RATE = {
    "give": Key(whole(1, MAX_GIVE), required=True),
    "per": Key(amount(above_zero=True), required=True),
    "rounding": Key(choice("floor", "half_up", "ceil"), default="floor"),
    "round_per": Key(choice("order", "line"), default="order"),
}
_FIXED = {
    "fixed": Key(whole(1, MAX_GIVE), required=True),
    "fixed_per": Key(choice("order", "unit"), default="order"),
}


def _earning(notes: Notes, node: Node, path: str) -> Any:
    is_fixed = isinstance(node, source.Mapping) and "fixed" in node.items
    own, foreign = (_FIXED, _RATE) if is_fixed else (_RATE, _FIXED)
    if isinstance(node, source.Mapping):
        node = _without(notes, node, path, foreign, fixed=is_fixed)
    return _read(
        notes,
        node,
        path,
        {
            **own,
            "stacking": _STACKING,
            "multiplied": Key(boolean, default=not is_fixed),
            "caps": Key(_caps(*CAPS)),
            "when": Key(conditions),
        },
    )


def _without(
    notes: Notes, node: source.Mapping, path: str, foreign: dict[str, Key], *, fixed: bool
) -> source.Mapping:
    """The rule without the keys of the other effect, each of which is named as misplaced."""
    kept = {}
    for name, item in node.items.items():
        if name not in foreign:
            kept[name] = item
        elif fixed:
            notes.add(
                "not_for_effect",
                child(path, name),
                node.key_lines[name],
                _("does not belong to a rule that gives a fixed number"),
            )
        else:
            notes.add(
                "not_for_effect",
                child(path, name),
                node.key_lines[name],
                _("belongs to a rule that gives a fixed number; this one gives by amount"),
            )
    return node.with_items(kept)


def _multiplier(notes: Notes, node: Node, path: str) -> Any:
    return _read(
        notes,
        node,
        path,
        {
            "factor": Key(decimal("1", "100"), required=True),
            "stacking": _STACKING,
            "caps": Key(_caps(*CAPS)),
            "when": Key(conditions),
        },
    )


def _accrual(notes: Notes, node: Node, path: str) -> Any:
    found = _read(
        notes,
        node,
        path,
        {
            "kind": Key(choice(*ACCRUALS), required=True),
            "give": Key(whole(1, MAX_GIVE), required=True),
            "caps": Key(_caps("day", "month", "member")),
            "when": Key(member_conditions),
        },
    )
    if found and found.get("asset") == "growth" and notes.tiers_by_growth:
        notes.add(
            "growth_from_purchases",
            child(path, "asset"),
            _line_of(node, "asset"),
            _("tiers are reached by growth, which comes from purchases only; give points instead"),
        )
    return found


# Conditions ------------------------------------------------------------------------------------------


def _some(reader: Reader) -> Key:
    return Key(sequence(reader, least=1, most=MAX_CONDITION_VALUES, distinct=True))


def _tier(notes: Notes, node: Node, path: str) -> Any:
    return one_of(notes.tiers, pgettext_lazy("programme", "tier"))(notes, node, path)


def category(notes: Notes, node: Node, path: str) -> str | None:
    """A category by its path from the top."""
    value: str | None = text(longest=240)(notes, node, path)
    if value is not None and any(part != part.strip() or not part for part in value.split("/")):
        notes.add(
            "bad_category",
            path,
            node.line,
            _("“%(value)s” is no category path such as FOOD/FRUIT"),
            value=shown(value),
        )
        return None
    return value


def _range(reader: Reader) -> Reader:
    """{from, to}: both included, one of them enough."""

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = mapping({"from": Key(reader), "to": Key(reader)})(notes, node, path)
        if found and "from" in found and "to" in found and _size(found["to"]) < _size(found["from"]):
            notes.add(
                "range_reversed",
                child(path, "to"),
                _line_of(node, "to"),
                _("must not be less than %(first)s"),
                first=found["from"],
            )
        if isinstance(node, MappingProbe):
            node.told[-1]["minProperties"] = 1
        if found == {} and isinstance(node, source.Mapping) and not node.items:
            notes.add("missing_value", path, node.line, _("has no value"))
        return found or None

    return read


def _size(value: str | int) -> int:
    # Amounts of one currency have equally many decimals: without the point they compare as integers.
    return int(str(value).replace(".", ""))


def _dates(notes: Notes, node: Node, path: str) -> dict[str, str] | None:
    found: dict[str, str] | None = mapping({"from": Key(day), "to": Key(day)})(notes, node, path)
    if found and "from" in found and "to" in found and found["to"] < found["from"]:
        notes.add(
            "dates_reversed",
            child(path, "to"),
            node.line,
            _("must not be before %(first)s"),
            first=found["from"],
        )
    return found or None


def _hour(notes: Notes, node: Node, path: str) -> str | None:
    if isinstance(node, ScalarProbe):
        node.told.append({"type": "string", "pattern": f"^({_HOUR.pattern})$"})
        return None
    found = scalar(notes, node, path)
    if found is None:
        return None
    if not _HOUR.fullmatch(found.text):
        notes.add(
            "bad_hour",
            path,
            node.line,
            _("“%(value)s” is no time of day such as 07:30"),
            value=shown(found.text),
        )
        return None
    return found.text


def hours(notes: Notes, node: Node, path: str) -> list[dict[str, str]] | None:
    """Parts of the day; none may overlap another."""
    one = mapping({"from": Key(_hour, required=True), "to": Key(_hour, required=True)})
    found: list[dict[str, str]] | None = sequence(one, least=1, most=24)(notes, node, path)
    if found is None or not isinstance(node, source.Sequence) or len(found) != len(node.items):
        return found
    taken: dict[int, str] = {}
    for index, part in enumerate(found):
        if "from" not in part or "to" not in part:
            continue
        minutes = _minutes_of(part)
        other = next((taken[minute] for minute in minutes if minute in taken), None)
        if other is not None:
            notes.add(
                "hours_overlap",
                f"{path}[{index}]",
                node.items[index].line,
                _("overlaps %(other)s"),
                other=other,
            )
        taken.update(dict.fromkeys(minutes, f"{part['from']}–{part['to']}"))
    return found


def _minutes_of(part: dict[str, str]) -> list[int]:
    """The minutes of the day in a part; one that ends where or before it begins runs over midnight."""
    start, end = (int(part[key][:2]) * 60 + int(part[key][3:]) for key in ("from", "to"))
    if end <= start:
        end += DAY_MINUTES
    return [minute % DAY_MINUTES for minute in range(start, end)]


_GOODS = {
    "categories": _some(category),
    "skus": _some(text(longest=64)),
    "brands": _some(text(longest=80)),
}
_MEMBER = {
    "tiers": _some(_tier),
    "tags": _some(text(longest=40)),
    "segments": _some(slug(longest=40)),
    "plans": _some(slug(longest=40)),
    "birthday": Key(choice("day", "week", "month")),
    "tenure_days": Key(_range(whole(0, 100_000))),
}
_TIME = {
    "weekdays": _some(choice(*WEEKDAYS)),
    "month_days": _some(whole(1, 31)),
    "hours": Key(hours),
    "dates": Key(_dates),
}
_SALE = {
    "stores": _some(text(longest=40)),
    "channels": _some(text(longest=40)),
    "tenders": _some(slug(longest=30)),
    "first_purchase": Key(boolean),
    "birthday_month": Key(boolean),
    "order_amount": Key(_range(amount(above_zero=False))),
    "lines_amount": Key(_range(amount(above_zero=False))),
    **_GOODS,
    "except": Key(mapping(_GOODS)),
}


def conditions(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """The section `when` of a rule of sales."""
    found: dict[str, Any] | None = mapping({**_MEMBER, **_TIME, **_SALE})(notes, node, path)
    if not found:
        return None
    # The first release knew only this form; documents that still say so mean birthday: month.
    if found.pop("birthday_month", False):
        if found.get("birthday", "month") != "month":
            notes.add(
                "either_or",
                child(path, "birthday_month"),
                _line_of(node, "birthday_month"),
                _("give either birthday or birthday_month, not both"),
            )
        found["birthday"] = "month"
    if not found.get("except", True):
        del found["except"]
    return found or None


def member_conditions(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """The section `when` of an accrual: there is no sale to look at."""
    found: dict[str, Any] | None = mapping({**_MEMBER, **_TIME})(notes, node, path)
    return found or None
