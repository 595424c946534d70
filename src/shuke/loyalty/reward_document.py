"""Reader of the document's section `rewards`: what points are exchanged for. Optional; absent, it stays absent."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.loyalty import source
from shuke.loyalty.readers import (
    Key,
    Notes,
    amount,
    choice,
    day,
    mapping,
    names,
    one_of,
    sequence,
    slug,
    text,
    whole,
)
from shuke.loyalty.source import Node, child

MAX_REWARDS = 1000
MAX_POINTS = 1_000_000_000
_GIVES = {"coupon": ("coupon",), "bonus": ("bonus",), "tier": ("tier",)}
_KEYS_OF_KINDS = ("coupon", "bonus", "tier", "months")


def read_rewards(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """The list of rewards, each code once."""
    found: list[dict[str, Any]] | None = sequence(_reward, most=MAX_REWARDS)(notes, node, path)
    if found is not None and isinstance(node, source.Sequence) and len(found) == len(node.items):
        seen: set[str] = set()
        for index, reward in enumerate(found):
            code = reward.get("code")
            if code in seen:
                line = _line(node.items[index], "code")
                notes.add(
                    "duplicate", f"{path}[{index}].code", line, _("“%(value)s” is given twice"), value=code
                )
            if code:
                seen.add(code)
    return found


def _reward(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    tier = one_of(notes.tiers, _("tier"))
    found: dict[str, Any] | None = mapping(
        {
            "code": Key(slug(longest=40), required=True),
            "name": Key(names, required=True),
            "kind": Key(choice("goods", "coupon", "bonus", "tier", "activity"), required=True),
            "points": Key(whole(0, MAX_POINTS), required=True),
            "cash": Key(amount(above_zero=False)),
            "tier_prices": Key(sequence(_tier_price, least=1, most=50)),
            "tiers": Key(sequence(tier, least=1, most=50, distinct=True)),
            "stores": Key(sequence(text(longest=40), least=1, most=5000, distinct=True)),
            "dates": Key(_dates),
            "stock": Key(whole(0, MAX_POINTS)),
            "limit": Key(_limit),
            "fulfilment": Key(choice("at_once", "pick_up", "delivery")),
            "collect_days": Key(whole(1, 366)),
            "uncollected": Key(choice("return", "keep")),
            "coupon": Key(one_of(notes.coupons, pgettext_lazy("programme", "coupon template"))),
            "bonus": Key(amount(above_zero=True)),
            "tier": Key(tier),
            "months": Key(whole(1, 120)),
        }
    )(notes, node, path)
    if found and "kind" in found and "points" in found:
        _check_kind(notes, node, path, found)
        _check_price(notes, node, path, found)
    return found


def _tier_price(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "tier": Key(one_of(notes.tiers, _("tier")), required=True),
            "points": Key(whole(0, MAX_POINTS), required=True),
            "cash": Key(amount(above_zero=False)),
        }
    )(notes, node, path)
    return found


def _dates(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping({"from": Key(day), "to": Key(day)})(notes, node, path)
    if found and "from" in found and "to" in found and found["to"] < found["from"]:
        notes.add("range_order", child(path, "to"), _line(node, "to"), _("must not be before “from”"))
    return found


def _limit(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "member": Key(whole(1, 1_000_000), required=True),
            "per": Key(choice("total", "day", "month", "year"), default="total"),
        }
    )(notes, node, path)
    return found


def _check_kind(notes: Notes, node: Node, path: str, found: dict[str, Any]) -> None:
    """What a kind needs is there, and nothing that belongs to another; its fulfilment follows."""
    kind = found["kind"]
    needed = _GIVES.get(kind, ())
    for key in _KEYS_OF_KINDS:
        if key in needed and key not in found:
            notes.add("missing_key", child(path, key), node.line, _("is required"))
        elif key in found and key not in needed and not (key == "months" and kind == "tier"):
            notes.add(
                "key_of_other_kind",
                child(path, key),
                _line(node, key),
                _("has no meaning for a reward of kind “%(kind)s”"),
                kind=kind,
            )
    if kind == "bonus" and "bonus" not in notes.assets:
        notes.add("unknown_reference", child(path, "kind"), _line(node, "kind"), _("needs the asset “bonus”"))
    if kind == "tier":
        found.setdefault("months", 12)
    at_once = kind in _GIVES
    fulfilment = found.setdefault("fulfilment", "at_once" if at_once else "pick_up")
    if at_once and fulfilment != "at_once":
        notes.add(
            "fulfilment_of_kind",
            child(path, "fulfilment"),
            _line(node, "fulfilment"),
            _("a reward of this kind is there at once: leave it out"),
        )
    for key in ("collect_days", "uncollected", "stores"):
        if key in found and fulfilment != "pick_up":
            notes.add(
                "key_of_other_kind",
                child(path, key),
                _line(node, key),
                _("has a meaning only for what is picked up"),
            )
    if "collect_days" in found:
        found.setdefault("uncollected", "return")


def _check_price(notes: Notes, node: Node, path: str, found: dict[str, Any]) -> None:
    prices = [(path, node, found)]
    listed = node.items.get("tier_prices") if isinstance(node, source.Mapping) else None
    if isinstance(listed, source.Sequence):
        items = listed.items
        given = found.get("tier_prices", [])
        if len(items) == len(given):
            prices += [
                (f"{child(path, 'tier_prices')}[{index}]", items[index], each)
                for index, each in enumerate(given)
            ]
            tiers = [each.get("tier") for each in given]
            for index, tier in enumerate(tiers):
                if tier in tiers[:index]:
                    here = f"{child(path, 'tier_prices')}[{index}].tier"
                    notes.add(
                        "duplicate", here, items[index].line, _("“%(value)s” is given twice"), value=tier
                    )
    for here, at, price in prices:
        if price.get("points") == 0 and not int(str(price.get("cash", "0")).replace(".", "")):
            notes.add(
                "reward_is_free",
                child(here, "points"),
                _line(at, "points"),
                _("a reward costs points or money; give it away as a benefit or a coupon instead"),
            )


def _line(node: Node, key: str) -> int:
    return node.items[key].line if isinstance(node, source.Mapping) and key in node.items else node.line
