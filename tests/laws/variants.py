"""The programmes that the state machine plays, each beside the same rules as one would write them on paper.

The document goes to the product; the paper rules go to the model. Nothing of the one is read by the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

BONUS = {"id": "hundred", "name": {"zh-Hans": "充百送二十"}, "from": "100.00", "give": "20.00"}
LEVELS = [
    # Levels without discount or multiplier: the paper book prices by hand.
    {"code": "classic", "name": {"zh-Hans": "普通"}, "threshold": "0"},
    {"code": "silver", "name": {"zh-Hans": "银卡"}, "threshold": "300.00"},
    {"code": "gold", "name": {"zh-Hans": "金卡"}, "threshold": "900.00"},
]
BASE: dict[str, Any] = {
    "assets": {"stored_value": {"name": {"zh-Hans": "储值"}, "expiry": {"model": "never"}}},
    "stored_value": {"spend_order": "principal_first", "bonuses": [BONUS]},
    "gift_cards": {"returnable": True},
    "card_limits": {"registered_most": "none"},
    "adjustments": {
        "points": {
            "limits": {"owner": 100_000},
            "four_eyes_above": 250,
            "below_zero": "debt",
            "request_days": 14,
        }
    },
    "transfers": {"points": {"fee_percent": "2.5"}},
    "offline": {"allowance_points": 200, "allowance": "30.00", "accept_days": 30},
    "tiers": {"levels": LEVELS},
    "accruals": [
        {"id": "joined", "name": {"zh-Hans": "入会"}, "kind": "registration", "give": 30},
        {"id": "daily", "name": {"zh-Hans": "签到"}, "kind": "check_in", "give": 4, "caps": {"month": 10}},
        {"id": "asked", "name": {"zh-Hans": "问卷"}, "kind": "survey", "give": 7},
    ],
}


@dataclass(frozen=True)
class Paper:
    """What the policies say, by hand. `waits`: nothing, an event, or so many full days."""

    waits: str | int | None = None
    return_spent: bool = True
    claw_back: bool = True
    shortfall: Literal["debt", "cash_value", "write_off"] = "debt"
    paid_earn: bool = False
    spend_own: bool = False
    bonus_a_day: tuple[int, int] | None = None
    """A fixed number with each sale, and how many a member gets of it in a day."""
    opening: tuple[int, int] | None = None
    """A fixed number with each sale, and how many all members together get of it in a calendar month."""
    opening_whole: bool = False
    """Where less than the whole number is left in the budget, nothing is given."""


def _points(**pending: Any) -> dict[str, Any]:
    points = {
        "name": {"zh-Hans": "积分"},
        "expiry": {"model": "rolling", "months": 12, "round_to": "month_end"},
        "pending": pending,
    }
    return {"assets": {**BASE["assets"], "points": points}}


def _earning(day: tuple[int, int] | None, opening: tuple[int, int] | None, *, whole: bool) -> dict[str, Any]:
    rules: list[dict[str, Any]] = [
        {"id": "base", "asset": "points", "give": 1, "per": "1.00"},
        {"id": "growth", "asset": "growth", "give": 1, "per": "1.00"},
    ]
    budgets = []
    if day:
        rules.append({"id": "thanks", "asset": "points", "fixed": day[0], "caps": {"day": day[1]}})
    if opening:
        rules.append({"id": "opening", "asset": "points", "fixed": opening[0], "budget": "launch"})
        budgets.append(
            {
                "id": "launch",
                "name": {"zh-Hans": "开业"},
                "limit": opening[1],
                "period": "month",
                "when_short": "give_nothing" if whole else "give_rest",
            }
        )
    return {"earning": rules, "budgets": budgets}


VARIANTS: tuple[tuple[dict[str, Any], Paper], ...] = (
    (BASE, Paper()),
    (
        {
            **BASE,
            **_points(usable="on_event", event="delivered"),
            **_earning((5, 12), (9, 40), whole=False),
            "policies": {"refund_earned_points": "keep", "tier_on_refund": "period_end"},
        },
        Paper(waits="delivered", claw_back=False, bonus_a_day=(5, 12), opening=(9, 40)),
    ),
    (
        {
            **BASE,
            **_earning(None, (9, 40), whole=True),
            "policies": {"refund_shortfall": "cash_value", "points_paid_earn": True},
        },
        Paper(shortfall="cash_value", paid_earn=True, opening=(9, 40), opening_whole=True),
    ),
    (
        {**BASE, **_earning((5, 12), None, whole=False), "policies": {"refund_shortfall": "write_off"}},
        Paper(shortfall="write_off", bonus_a_day=(5, 12)),
    ),
    (
        {**BASE, "policies": {"spend_own_points": True, "refund_shortfall": "write_off"}},
        Paper(spend_own=True, shortfall="write_off"),
    ),
    (
        {
            **BASE,
            **_points(usable="after_days", days=3),
            **_earning((5, 12), (9, 40), whole=False),
            "policies": {"refund_spent_points": "keep"},
        },
        Paper(waits=3, return_spent=False, bonus_a_day=(5, 12), opening=(9, 40)),
    ),
)
