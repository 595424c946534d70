"""Reader of `plans`: the paid memberships that the house sells. `loyalty.plans.values` compiles what is returned here."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.loyalty import source
from shuke.loyalty.benefit_document import read_benefits
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
    whole,
)
from shuke.loyalty.source import Node, child

MAX_PLANS = 50
_DURATION = {"months": Key(whole(1, 120)), "days": Key(whole(1, 3660))}

REFUND_DEFAULT = {"policy": "pro_rata", "full_days": 1, "used": "greater", "fee_percent": "0"}
RENEWAL_DEFAULT = {
    "manual": True,
    "auto": False,
    "ahead_days": 60,
    "charge_days_before": 1,
    "retry_days": [1, 2, 3],
    "reminder_days": [7, 1],
}


def read_plans(notes: Notes, node: Node, path: str) -> list[dict[str, Any]] | None:
    """The plans in their order. Codes are unique; an upgrade names plans of the document."""
    found: list[dict[str, Any]] | None = sequence(_plan, least=1, most=MAX_PLANS)(notes, node, path)
    if found is None or not isinstance(node, source.Sequence):
        return found
    codes: set[str] = set()
    for plan, item in zip(found, node.items, strict=False):
        if plan.get("code") in codes:
            notes.add("duplicate", path, item.line, _("“%(value)s” is given twice"), value=plan["code"])
        codes.add(plan.get("code", ""))
    for index, item in enumerate(node.items):
        upgrades = item.items.get("upgrade_to") if isinstance(item, source.Mapping) else None
        if isinstance(upgrades, source.Sequence):
            here = child(f"{path}[{index}]", "upgrade_to")
            for number, each in enumerate(upgrades.items):
                one_of(codes, pgettext_lazy("programme", "plan"))(notes, each, f"{here}[{number}]")
    return found


def _plan(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "code": Key(slug(longest=40), required=True),
            "name": Key(names, required=True),
            "price": Key(amount(above_zero=True), required=True),
            "duration": Key(_duration, required=True),
            "on_sale": Key(boolean, default=True),
            "trial": Key(_duration),
            "grace_days": Key(whole(0, 366), default=0),
            "tier": Key(slug(longest=30)),
            "benefits": Key(read_benefits(with_price=True), default={}),
            "refund": Key(_refund, default=REFUND_DEFAULT),
            "renewal": Key(_renewal, default=RENEWAL_DEFAULT),
            "gift_code_months": Key(whole(0, 120), default=12),
            "upgrade_to": Key(sequence(slug(longest=40), least=1, most=MAX_PLANS, distinct=True)),
            "limits": Key(_limits, default={}),
        }
    )(notes, node, path)
    return found


def _duration(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(_DURATION)(notes, node, path)
    if found is not None and isinstance(node, source.Mapping) and not set(node.items) & set(_DURATION):
        notes.add("missing_key", path, node.line, _("needs months or days"))
    return found


def _refund(notes: Notes, node: Node, path: str) -> Any:
    return mapping(
        {
            "policy": Key(choice("pro_rata", "none"), default="pro_rata"),
            "full_days": Key(whole(0, 366), default=1),
            "used": Key(choice("greater", "added", "ignored"), default="greater"),
            "fee_percent": Key(decimal("0", "100"), default="0"),
        }
    )(notes, node, path)


def _renewal(notes: Notes, node: Node, path: str) -> Any:
    days = sequence(whole(1, 90), most=10, distinct=True)
    return mapping(
        {
            "manual": Key(boolean, default=True),
            "auto": Key(boolean, default=False),
            "ahead_days": Key(whole(0, 3660), default=60),
            "charge_days_before": Key(whole(0, 30), default=1),
            "retry_days": Key(days, default=[1, 2, 3]),
            "reminder_days": Key(days, default=[7, 1]),
        }
    )(notes, node, path)


def _limits(notes: Notes, node: Node, path: str) -> Any:
    return mapping(
        {"per_member": Key(whole(1, 1000)), "holders": Key(whole(1, 1_000_000_000))},
    )(notes, node, path)
