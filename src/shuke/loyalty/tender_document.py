"""Readers of the document's sections on money: taxes, stored value, gift cards, legal card limits, offline sales.

All five are optional. A section that is absent stays absent, so that the digest of an older document does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from shuke.loyalty import source
from shuke.loyalty.probes import ScalarProbe
from shuke.loyalty.readers import (
    Key,
    Notes,
    amount,
    boolean,
    choice,
    decimal,
    mapping,
    names,
    one_of,
    sequence,
    slug,
    text,
    whole,
)
from shuke.loyalty.source import Node, Scalar, child

MAX_RATES = 50
MAX_RATE_PRODUCTS = 5000
MAX_BONUSES = 50
MAX_MONTHS = 240


def read_taxes(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """Rates, whether prices contain them, and how they are rounded."""
    found: dict[str, Any] | None = mapping(
        {
            "prices": Key(choice("inclusive", "exclusive"), default="inclusive"),
            "rates": Key(sequence(_rate, least=1, most=MAX_RATES), required=True),
            "default": Key(slug(longest=30)),
            "rounding": Key(choice("floor", "half_up", "ceil"), default="half_up"),
            "round_per": Key(choice("rate", "line"), default="rate"),
            "points_reduce_tax": Key(boolean, default=True),
            "tax_earns": Key(boolean, default=True),
        }
    )(notes, node, path)
    if found and "rates" in found and isinstance(node, source.Mapping):
        codes = [rate.get("code") for rate in found["rates"]]
        for key in ("code", "categories", "skus"):
            _once(notes, node.items["rates"], child(path, "rates"), found["rates"], key)
        if "default" in found and found["default"] not in codes:
            one_of({code for code in codes if code}, _("tax rate"))(
                notes, node.items["default"], child(path, "default")
            )
    return found


def _rate(notes: Notes, node: Node, path: str) -> Any:
    def several(longest: int) -> Key:
        return Key(sequence(text(longest=longest), least=1, most=MAX_RATE_PRODUCTS, distinct=True))

    return mapping(
        {
            "code": Key(slug(longest=30), required=True),
            "name": Key(names, required=True),
            "percent": Key(decimal("0", "100"), required=True),
            "categories": several(240),
            "skus": several(64),
        }
    )(notes, node, path)


def _once(notes: Notes, node: Node, path: str, rates: list[dict[str, Any]], key: str) -> None:
    """A code names one rate; a category or product has one."""
    seen: set[str] = set()
    for index, rate in enumerate(rates):
        values = [rate[key]] if isinstance(rate.get(key), str) else rate.get(key, [])
        for value in values:
            if value in seen:
                notes.add(
                    "duplicate",
                    child(f"{path}[{index}]", key),
                    node.line,
                    _("“%(value)s” is given twice"),
                    value=value,
                )
            seen.add(value)


def read_stored_value(notes: Notes, node: Node, path: str) -> Any:
    """How prepaid money is topped up, in which order it is spent, what its return does to bonus money."""
    return mapping(
        {
            "spend_order": Key(
                choice("principal_first", "bonus_first", "proportional"), default="proportional"
            ),
            "max_percent": Key(decimal("0.001", "100"), default="100"),
            "bonus_max_percent": Key(decimal("0", "100"), default="100"),
            "earns": Key(boolean, default=True),
            "top_up_least": Key(amount(above_zero=True)),
            "top_up_most": Key(amount(above_zero=True)),
            "bonuses": Key(sequence(_bonus, most=MAX_BONUSES), default=[]),
            "returnable": Key(boolean, default=True),
            "spent_bonus_on_return": Key(choice("deduct", "keep"), default="deduct"),
        }
    )(notes, node, path)


def _bonus(notes: Notes, node: Node, path: str) -> Any:
    if isinstance(node, source.Mapping) and not {"give", "percent"} & node.items.keys():
        notes.add("missing_key", child(path, "give"), node.line, _("is required"))
    return mapping(
        {
            "id": Key(slug(longest=40), required=True),
            "name": Key(names, required=True),
            "from": Key(amount(above_zero=True), required=True),
            "give": Key(amount(above_zero=True)),
            "percent": Key(decimal("0.001", "100")),
            "instalments": Key(whole(1, 60), default=1),
            "every": Key(choice("day", "week", "month"), default="month"),
            "valid_months": Key(whole(0, MAX_MONTHS), default=0),
        }
    )(notes, node, path)


def read_gift_cards(notes: Notes, node: Node, path: str) -> Any:
    """What a gift card may hold and for how long."""
    return mapping(
        {
            "least": Key(amount(above_zero=True)),
            "most": Key(amount(above_zero=True)),
            "valid_months": Key(whole(0, MAX_MONTHS), default=0),
            "max_percent": Key(decimal("0.001", "100"), default="100"),
            "earns": Key(boolean, default=True),
            # Optional, so that the digest of an older document does not change.
            "returnable": Key(boolean),
        }
    )(notes, node, path)


def read_card_limits(notes: Notes, node: Node, path: str) -> Any:
    """The law's limits where they differ from the defaults; "none" lifts one."""
    return mapping(
        {
            "registered_most": Key(_limit),
            "bearer_most": Key(_limit),
            "name_required_from": Key(_limit),
            "no_cash_from": Key(_limit),
            "no_cash_from_organisation": Key(_limit),
            "bearer_months_least": Key(whole(0, MAX_MONTHS)),
        }
    )(notes, node, path)


def _limit(notes: Notes, node: Node, path: str) -> Any:
    if isinstance(node, ScalarProbe):
        node.told.append({"const": "none"})
    if isinstance(node, Scalar) and node.text == "none":
        return "none"
    return amount(above_zero=True)(notes, node, path)


def read_offline(notes: Notes, node: Node, path: str) -> Any:
    """How old an uploaded sale may be, and what a member may spend on trust while a till is cut off."""
    return mapping(
        {
            "accept_days": Key(whole(1, 366), default=30),
            "allowance_points": Key(whole(0, 1_000_000), default=0),
            "allowance": Key(amount(above_zero=False)),
            "allowance_hours": Key(whole(1, 24 * 31), default=24),
        }
    )(notes, node, path)


def check_giving(notes: Notes, root: Node, found: Mapping[str, Any]) -> None:
    """Paid-in money that may be given away and paid out again would leave its bonus behind with the giver, as often as they
    like: whoever receives it has no bonus that could be taken back."""
    gives = found.get("transfers", {}).get("stored_value")
    prepaid = found.get("stored_value")
    if not gives or not gives.get("allowed", True) or not prepaid or not prepaid.get("bonuses"):
        return
    if prepaid.get("returnable", True) and isinstance(root, source.Mapping):
        notes.add(
            "bonus_without_money",
            "transfers.stored_value",
            root.items["transfers"].line,
            _(
                "money that brings a bonus cannot be given away while it can be paid back: set returnable to false"
            ),
        )
