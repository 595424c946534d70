"""Reader of the document's section `coupons`: the templates, with what each type needs and what it cannot say.

Optional; absent, it stays absent. `loyalty.coupons` compiles exactly what is returned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from shuke.loyalty import source
from shuke.loyalty.conditions import WEEKDAYS
from shuke.loyalty.earning_document import category, hours
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
    sequence,
    shown,
    slug,
    text,
    whole,
)
from shuke.loyalty.source import Node, Scalar, child
from shuke.rewards.values import COUPON_TYPES

MAX_COUPONS = 1000
MAX_SCOPE_VALUES = 5000
MAX_STEPS = 20
MAX_PIECES = 1000
MAX_PRIORITY = 1_000_000
MAX_COUNT = 10**12
RESERVED_CODE = "BEST"
"""What a till says instead of codes when it wants the best combination."""
OCCASIONS = ("registration", "birthday", "tier_up", "first_purchase", "profile_completed", "referral")
"""On which a coupon is handed out by itself."""

_PERCENT = Key(decimal("0.001", "100"), required=True)
_PIECE_PERCENT = Key(decimal("0.001", "100"), default="100")
_AMOUNT = Key(amount(above_zero=True), required=True)
_TIMES = Key(whole(1, MAX_PIECES))
_CAP = Key(amount(above_zero=True))
_SPREAD = Key(choice("amount", "quantity"), default="amount")


def _several(reader: Reader) -> Key:
    return Key(sequence(reader, least=1, most=MAX_SCOPE_VALUES, distinct=True))


_GOODS = {
    "skus": _several(text(longest=64)),
    "categories": _several(category),
    "brands": _several(text(longest=80)),
}
_GOT = Key(mapping(_GOODS), required=True)

VALUES: dict[str, dict[str, Key]] = {
    "amount_off": {
        "amount": _AMOUNT,
        "per": Key(choice("order", "unit"), default="order"),
        "spread": _SPREAD,
        "cap": _CAP,
    },
    "threshold": {
        "amount": Key(amount(above_zero=True)),
        "steps": Key(
            sequence(
                mapping({"spend": _AMOUNT, "amount": _AMOUNT}),
                least=1,
                most=MAX_STEPS,
            )
        ),
        "repeat": Key(boolean, default=False),
        "spread": _SPREAD,
        "cap": _CAP,
    },
    "percent_off": {"percent": _PERCENT, "cap": _CAP},
    "fixed_price": {
        "price": Key(amount(above_zero=False), required=True),
        "buy": Key(whole(1, MAX_PIECES), default=1),
        "times": _TIMES,
        "cap": _CAP,
    },
    "nth_item": {"nth": Key(whole(2, MAX_PIECES), required=True), "percent": _PERCENT, "times": _TIMES, "cap": _CAP},
    "buy_x_get_y": {
        "buy": Key(whole(1, MAX_PIECES), required=True),
        "get": Key(whole(1, MAX_PIECES), default=1),
        "get_goods": Key(mapping(_GOODS)),
        "percent": _PIECE_PERCENT,
        "times": _TIMES,
        "cap": _CAP,
    },
    "cheapest_free": {
        "buy": Key(whole(1, MAX_PIECES), default=2),
        "get": Key(whole(1, MAX_PIECES), default=1),
        "percent": _PIECE_PERCENT,
        "times": Key(whole(1, MAX_PIECES), default=1),
        "cap": _CAP,
    },
    "gift_item": {"gift": _GOT, "get": Key(whole(1, MAX_PIECES), default=1), "cap": _CAP},
    "free_shipping": {"shipping": Key(mapping(_GOODS)), "cap": _CAP},
    "exchange": {
        "get": Key(whole(1, MAX_PIECES), default=1),
        "price": Key(amount(above_zero=False), default="0"),
        "cap": _CAP,
    },
}  # fmt: skip
"""What each type says of its value. A key of one type has no meaning for the others."""


def read_coupons(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """The list of templates: each code once, each public code once, and nothing that excludes itself."""
    found: list[dict[str, Any]] | None = sequence(_coupon, most=MAX_COUPONS)(notes, node, path)
    if found is not None and isinstance(node, source.Sequence) and len(found) == len(node.items):
        for key in ("code", "public_code"):
            _once(notes, node.items, path, found, key)
        _check_stacking(notes, node.items, path, found)
    notes.coupons.extend(each["code"] for each in found or () if each.get("code"))
    return found


def _coupon(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    kind = _type_of(node)
    value = VALUES.get(kind, {})
    if isinstance(node, source.Mapping) and kind in VALUES:
        node = _without_foreign(notes, node, path, kind, value)
    every = {key: Key(each.reader) for own in VALUES.values() for key, each in own.items()}
    found: dict[str, Any] | None = mapping(
        {
            "code": Key(slug(longest=40), required=True),
            "name": Key(names, required=True),
            "type": Key(choice(*COUPON_TYPES), required=True),
            **(value or every),
            "minimum_spend": Key(amount(above_zero=True), required=_needs_spend(node, kind)),
            "minimum_quantity": Key(whole(1, 1_000_000)),
            "scope": Key(_scope),
            "validity": Key(_validity),
            "limits": Key(_limits),
            "stacking": Key(_stacking),
            "transferable": Key(boolean, default=False),
            "public_code": Key(_public_code),
            "auto_issue": Key(_auto_issue),
        }
    )(notes, node, path)
    if found and found.get("type") == "threshold":
        _check_threshold(notes, node, path, found)
    return found


def _type_of(node: Node) -> str:
    kind = node.items.get("type") if isinstance(node, source.Mapping) else None
    return kind.text if isinstance(kind, Scalar) else ""


def _needs_spend(node: Node, kind: str) -> bool:
    """A threshold without steps is one step, from `minimum_spend`."""
    return kind == "threshold" and isinstance(node, source.Mapping) and "steps" not in node.items


def _without_foreign(
    notes: Notes, node: source.Mapping, path: str, kind: str, own: dict[str, Key]
) -> source.Mapping:
    """The template without the keys of other types, each of which is named as misplaced."""
    foreign = {key for value in VALUES.values() for key in value} - own.keys()
    kept = {}
    for name, item in node.items.items():
        if name in foreign:
            notes.add(
                "key_of_other_type",
                child(path, name),
                node.key_lines[name],
                _("has no meaning for a coupon of type “%(type)s”"),
                type=kind,
            )
        else:
            kept[name] = item
    return node.with_items(kept)


def _check_threshold(notes: Notes, node: Node, path: str, found: dict[str, Any]) -> None:
    """One step by `minimum_spend` and `amount`, or several by `steps`; rising, and never more off than spent."""
    if ("steps" in found) == ("amount" in found):
        notes.add(
            "either_or",
            child(path, "amount"),
            _line(node, "amount"),
            _("give either “amount” with “minimum_spend”, or “steps”"),
        )
        return
    if "steps" in found and found.get("repeat") and len(found["steps"]) > 1:
        notes.add(
            "repeat_one_step",
            child(path, "repeat"),
            _line(node, "repeat"),
            _("only a single step can be repeated"),
        )
    steps = [(f"{child(path, 'steps')}[{index}]", step) for index, step in enumerate(found.get("steps", ()))]
    if "steps" not in found:
        steps = [(path, {"spend": found.get("minimum_spend"), "amount": found["amount"]})]
    before = 0
    for here, step in steps:
        if not step.get("spend") or not step.get("amount"):
            continue
        spend, off = _minor(step["spend"]), _minor(step["amount"])
        if off > spend:
            notes.add(
                "more_off_than_spent",
                child(here, "amount"),
                _line(node, "amount"),
                _("takes off more than has to be spent, %(spend)s"),
                spend=step["spend"],
            )
        if spend <= before:
            notes.add("steps_order", child(here, "spend"), node.line, _("steps must rise"))
        before = spend


def _minor(value: str) -> int:
    # Amounts of one currency have equally many decimals: without the point they compare as integers.
    return int(value.replace(".", ""))


def _scope(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            **_GOODS,
            **{f"exclude_{kind}": key for kind, key in _GOODS.items()},
            "stores": _several(text(longest=40)),
            "channels": _several(text(longest=40)),
            "day_parts": Key(hours),
            "weekdays": _several(choice(*WEEKDAYS)),
            "tenders": _several(slug(longest=30)),
        }
    )(notes, node, path)
    if found:
        for kind in _GOODS:
            both = set(found.get(kind, ())) & set(found.get(f"exclude_{kind}", ()))
            if both:
                notes.add(
                    "included_and_excluded",
                    child(path, f"exclude_{kind}"),
                    _line(node, f"exclude_{kind}"),
                    _("“%(value)s” is both included and excluded"),
                    value=shown(sorted(both)[0]),
                )
    return found or None


def _validity(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "from": Key(day),
            "until": Key(day),
            "days_after_issue": Key(whole(0, 36_600)),
            "starts_after_days": Key(whole(0, 3_660)),
        }
    )(notes, node, path)
    if found and "from" in found and "until" in found and found["until"] < found["from"]:
        notes.add(
            "dates_reversed",
            child(path, "until"),
            _line(node, "until"),
            _("must not be before %(first)s"),
            first=found["from"],
        )
    return found or None


def _limits(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "stock": Key(whole(1, MAX_COUNT)),
            "per_member": Key(whole(1, 1_000_000)),
            "per_member_per": Key(choice("day", "week", "month", "all")),
            "per_order": Key(whole(1, 20), default=1),
            "budget_count": Key(whole(1, MAX_COUNT)),
            "budget": Key(amount(above_zero=True)),
            "alarm_percent": Key(whole(1, 100)),
        }
    )(notes, node, path)
    if not found:
        return None
    if "per_member_per" in found and "per_member" not in found:
        notes.add("missing_key", child(path, "per_member"), _line(node, "per_member_per"), _("is required"))
    if "alarm_percent" in found and not {"stock", "budget_count", "budget"} & found.keys():
        notes.add(
            "alarm_without_limit",
            child(path, "alarm_percent"),
            _line(node, "alarm_percent"),
            _("needs a stock or a budget to look at"),
        )
    return found


def _stacking(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "group": Key(slug(longest=40)),
            "exclusive": Key(boolean, default=False),
            "with": Key(_with, default="all"),
            "priority": Key(whole(-MAX_PRIORITY, MAX_PRIORITY), default=0),
        }
    )(notes, node, path)
    return found


def _with(notes: Notes, node: Node, path: str) -> Any:
    if isinstance(node, Scalar) and not node.is_null:
        return choice("all", "none")(notes, node, path)
    return sequence(slug(longest=40), least=1, most=200, distinct=True)(notes, node, path)


def _public_code(notes: Notes, node: Node, path: str) -> str | None:
    """What members type in, small and capital letters alike; kept in capitals."""
    value: str | None = text(longest=30)(notes, node, path)
    if value is None:
        return None
    code = value.upper()
    if code == RESERVED_CODE or len(code) < 3 or not code.isascii() or not code.replace("-", "").isalnum():
        notes.add(
            "bad_public_code",
            path,
            node.line,
            _("“%(value)s” is no code such as LUNCH20: 3 to 30 letters a–z, digits and hyphens"),
            value=shown(value),
        )
        return None
    return code


def _auto_issue(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping({"on": Key(_occasions, required=True)})(notes, node, path)
    return found


def _occasions(notes: Notes, node: Node, path: str) -> list[str] | None:
    """`on: birthday` means the list of that one."""
    one = choice(*OCCASIONS)
    if isinstance(node, Scalar):
        single = one(notes, node, path)
        return [single] if single else None
    found: list[str] | None = sequence(one, least=1, most=len(OCCASIONS), distinct=True)(notes, node, path)
    return found


# What is wrong between templates ---------------------------------------------------------------------


def _once(notes: Notes, items: Sequence[Node], path: str, found: list[dict[str, Any]], key: str) -> None:
    seen: set[str] = set()
    for index, coupon in enumerate(found):
        value = coupon.get(key)
        if value in seen:
            notes.add(
                "duplicate",
                child(f"{path}[{index}]", key),
                _line(items[index], key),
                _("“%(value)s” is given twice"),
                value=value,
            )
        if value:
            seen.add(value)


def _check_stacking(notes: Notes, items: Sequence[Node], path: str, found: list[dict[str, Any]]) -> None:
    """A template that names a group wants to go with its coupons; it is an error when none of them would have it.

    Where such wishes run in a circle (a names b, b names c, c names a) nobody is ever allowed: that is told as such.
    """
    stacking = [coupon.get("stacking") or {} for coupon in found]
    wishes: dict[str, set[str]] = {}
    for each in stacking:
        if isinstance(each.get("with"), list) and each.get("group"):
            wishes.setdefault(each["group"], set()).update(each["with"])
    for index, own in enumerate(stacking):
        listed, group = own.get("with"), own.get("group", "")
        if not isinstance(listed, list):
            continue
        here = child(child(f"{path}[{index}]", "stacking"), "with")
        line = _line(items[index], "stacking")
        if own.get("exclusive"):
            notes.add(
                "exclusive_with_others", here, line, _("an exclusive coupon stands alone; leave “with” out")
            )
            continue
        for place, wanted in enumerate(listed):
            others = [each for each in stacking if each.get("group") == wanted]
            problem: tuple[str, Any] | None = None
            if wanted == group:
                problem = ("group_with_itself", _("two coupons of one group are never used together"))
            elif not others:
                problem = ("unknown_reference", _("no coupon has the group “%(group)s”"))
            elif not any(_admits(each, group) for each in others):
                if _leads_to(wishes, wanted, group):
                    problem = (
                        "circular_exclusion",
                        _(
                            "the groups name each other in a circle: “%(group)s” does not name “%(own)s” itself, so neither"
                            " is ever used with the other"
                        ),
                    )
                else:
                    problem = (
                        "contradictory_exclusion",
                        _("no coupon of the group “%(group)s” may be used with this one"),
                    )
            if problem:
                notes.add(problem[0], f"{here}[{place}]", line, problem[1], group=wanted, own=group)


def _admits(other: dict[str, Any], group: str) -> bool:
    allowed = other.get("with", "all")
    return not other.get("exclusive") and (
        allowed == "all" or (isinstance(allowed, list) and group in allowed)
    )


def _leads_to(wishes: dict[str, set[str]], start: str, goal: str) -> bool:
    seen, ahead = {start}, [start]
    while ahead:
        for each in wishes.get(ahead.pop(), ()):
            if each == goal:
                return True
            if each not in seen:
                seen.add(each)
                ahead.append(each)
    return False


def _line(node: Node, key: str) -> int:
    return node.items[key].line if isinstance(node, source.Mapping) and key in node.items else node.line
