"""The section `coupons` of a checked document, compiled into the templates that the room of coupons works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from shuke.kit.money import to_minor
from shuke.loyalty.conditions import DAY_MINUTES, WEEKDAYS
from shuke.rewards.values import (
    CouponTemplate,
    DayPart,
    Goods,
    Limits,
    Scope,
    Stacking,
    Step,
    Validity,
)


def compile_coupons(section: Iterable[Mapping[str, Any]], currency: str) -> dict[str, CouponTemplate]:
    """Templates by code, in the order of the document."""
    return {raw["code"]: _template(raw, currency) for raw in section}


def _template(raw: Mapping[str, Any], currency: str) -> CouponTemplate:
    def money(key: str) -> int:
        return to_minor(raw[key], currency) if key in raw else 0

    steps: tuple[Step, ...] = ()
    if raw["type"] == "threshold":
        listed = raw.get("steps") or [{"spend": raw["minimum_spend"], "amount": raw["amount"]}]
        steps = tuple(
            Step(to_minor(step["spend"], currency), to_minor(step["amount"], currency)) for step in listed
        )
    return CouponTemplate(
        code=raw["code"],
        name=raw["name"],
        type=raw["type"],
        scope=_scope(raw.get("scope", {})),
        amount=money("amount"),
        each_unit=raw.get("per") == "unit",
        percent=int(Decimal(raw.get("percent", "0")) * 1000),
        cap=money("cap") if "cap" in raw else None,
        price=money("price"),
        nth=raw.get("nth", 0),
        buy=raw.get("buy", 0),
        get=raw.get("get", 0),
        get_goods=_goods(raw.get("get_goods") or raw.get("gift") or raw.get("shipping") or {}),
        times=raw.get("times"),
        steps=steps,
        repeat=raw.get("repeat", False),
        spread=raw.get("spread", "amount"),
        minimum_spend=money("minimum_spend"),
        minimum_quantity=raw.get("minimum_quantity", 0),
        validity=_validity(raw.get("validity", {})),
        limits=_limits(raw.get("limits", {}), currency),
        stacking=_stacking(raw.get("stacking", {})),
        transferable=raw["transferable"],
        public_code=raw.get("public_code", ""),
        auto_issue=tuple(raw.get("auto_issue", {}).get("on", ())),
    )


def _goods(raw: Mapping[str, Any], prefix: str = "") -> Goods:
    return Goods(
        frozenset(raw.get(f"{prefix}skus", ())),
        tuple(raw.get(f"{prefix}categories", ())),
        frozenset(raw.get(f"{prefix}brands", ())),
    )


def _scope(raw: Mapping[str, Any]) -> Scope:
    return Scope(
        goods=_goods(raw),
        exclude=_goods(raw, "exclude_"),
        stores=frozenset(raw.get("stores", ())),
        channels=frozenset(raw.get("channels", ())),
        day_parts=tuple(
            DayPart(_minute(part["from"]), _minute(part["to"])) for part in raw.get("day_parts", ())
        ),
        weekdays=frozenset(WEEKDAYS.index(day) for day in raw.get("weekdays", ())),
        tenders=frozenset(raw.get("tenders", ())),
    )


def _minute(text: str) -> int:
    hours, _colon, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) % DAY_MINUTES


def _validity(raw: Mapping[str, Any]) -> Validity:
    return Validity(
        begins=date.fromisoformat(raw["from"]) if "from" in raw else None,
        ends=date.fromisoformat(raw["until"]) if "until" in raw else None,
        days_after_issue=raw.get("days_after_issue"),
        starts_after_days=raw.get("starts_after_days", 0),
    )


def _limits(raw: Mapping[str, Any], currency: str) -> Limits:
    return Limits(
        stock=raw.get("stock"),
        per_member=raw.get("per_member"),
        per_member_per=raw.get("per_member_per", "all"),
        per_order=raw.get("per_order", 1),
        budget_count=raw.get("budget_count"),
        budget_minor=to_minor(raw["budget"], currency) if "budget" in raw else None,
        alarm_percent=raw.get("alarm_percent"),
    )


def _stacking(raw: Mapping[str, Any]) -> Stacking:
    listed = raw.get("with", "all")
    return Stacking(
        group=raw.get("group", ""),
        exclusive=raw.get("exclusive", False),
        allows=None if listed == "all" else frozenset() if listed == "none" else frozenset(listed),
        priority=raw.get("priority", 0),
    )
