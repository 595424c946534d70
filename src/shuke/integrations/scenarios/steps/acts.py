"""The step for what members do besides buying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.registry import Act, step
from shuke.loyalty.accruals import accrue as reward
from shuke.loyalty.readers import Key

_NAME = Key(words.name, required=True)


@step(
    "accrue",
    {
        "member": Key(words.thing("member"), required=True),
        "kind": _NAME,
        "reference": Key(words.name, default=""),
    },
)
def accrue(act: Act) -> Mapping[str, Any]:
    """Reward registration, a check-in, a survey, a review, a referral …"""
    accrued = reward(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        kind=act.given["kind"],
        reference=act.given["reference"],
        now=act.now,
    )
    return {**asdict(accrued), "points": accrued.units()}
