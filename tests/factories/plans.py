"""A programme with paid plans for tests, and a till that sells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shuke.catalog.models import Store
from shuke.loyalty.plans.models import PlanTerm
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan
from tests.factories.checkout import TILL, make_shop

CASH = Sale("cash")
PLUS: dict[str, Any] = {
    "code": "plus",
    "name": {"zh-Hans": "尊享卡", "en": "Plus"},
    "price": "120.00",
    "duration": {"months": 12},
    "trial": {"days": 7},
    "grace_days": 3,
    "benefits": {
        "discount_percent": "10",
        "multiplier": "2",
        "free_shipping": True,
        "free_shipping_from": "20.00",
        "priority_service": True,
        "entitlements": [
            {
                "code": "check",
                "name": {"zh-Hans": "体测"},
                "quota": 2,
                "period": "term",
                "worth": "30.00",
                "stores": ["S1"],
            }
        ],
    },
    "renewal": {"auto": True, "reminder_days": [7, 1], "retry_days": [1, 2]},
    "upgrade_to": ["black"],
}
BLACK: dict[str, Any] = {
    "code": "black",
    "name": {"zh-Hans": "黑卡", "en": "Black"},
    "price": "365.00",
    "duration": {"days": 365},
    "benefits": {"discount_percent": "20", "multiplier": "3"},
}


def plan(base: dict[str, Any] = PLUS, **changes: Any) -> dict[str, Any]:
    """A plan with keys replaced; a dict value is merged into the base's."""
    merged = {k: {**base[k], **v} if isinstance(v, dict) and k in base else v for k, v in changes.items()}
    return {**base, **merged}


def make_club(*plans: dict[str, Any], **changes: Any) -> Store:
    """The shop of `make_shop`, selling these plans."""
    return make_shop(plans=[*(plans or [PLUS]), BLACK], **changes)


def buy(member: Any, now: datetime, code: str = "plus", **more: Any) -> PlanTerm:
    """A member buys a plan for cash."""
    return buy_plan(actor=TILL, member_id=member.id, plan=code, sale=Sale("cash", **more), now=now)
