"""Programme documents for tests: a plain base, changed key by key where a test needs it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from shuke.loyalty.programme import Programme, compile_programme

BASE: dict[str, Any] = {
    "shuke": 1,
    "code": "test",
    "name": {"zh-Hans": "测试会员"},
    "currency": "CNY",
    "time_zone": "Asia/Shanghai",
    "assets": {
        "points": {
            "name": {"zh-Hans": "积分"},
            "expiry": {"model": "rolling", "months": 12, "round_to": "month_end"},
        },
        "growth": {"name": {"zh-Hans": "成长值"}, "expiry": {"model": "never"}},
    },
    "earning": [
        {"id": "base", "name": {"zh-Hans": "消费积分"}, "asset": "points", "give": 1, "per": "1.00"},
        {"id": "growth", "name": {"zh-Hans": "成长值"}, "asset": "growth", "give": 1, "per": "1.00"},
    ],
    "multipliers": [],
    "tiers": {
        "metric": "spend",
        "window_months": 12,
        "valid_months": 12,
        "grace_days": 0,
        "downgrade": "one_level",
        "levels": [
            {"code": "classic", "name": {"zh-Hans": "普通"}, "threshold": "0"},
            {
                "code": "silver",
                "name": {"zh-Hans": "银卡"},
                "threshold": "1000.00",
                "multiplier": "1.2",
                "discount_percent": "2",
            },
            {
                "code": "gold",
                "name": {"zh-Hans": "金卡"},
                "threshold": "3000.00",
                "multiplier": "1.5",
                "discount_percent": "5",
            },
        ],
    },
    "redemption": {"points": 100, "worth": "1.00", "step": 100, "minimum": 100, "max_percent": "50"},
    "policies": {},
}


def document(**changes: Any) -> dict[str, Any]:
    """The base document with top-level keys replaced; a dict value is merged into the base's dict, None takes a key out."""
    made = deepcopy(BASE)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            merged = {**made[key], **value}
            made[key] = {inner: given for inner, given in merged.items() if given is not None}
        else:
            made[key] = value
    return made


def programme(**changes: Any) -> Programme:
    """The compiled programme of `document(**changes)`."""
    return compile_programme(document(**changes))
