"""Accruals on the wire: what members do other than buying."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from shuke.api.contracts.shared import In, Out


class AccrualIn(In):
    """What the member did."""

    kind: Literal["registration", "profile_completed", "check_in", "survey", "referral", "review"]
    reference: Annotated[
        str,
        Meta(
            max_length=80,
            description="What it was done for: the survey, the review, the new member. A check-in is one a day, "
            "registration and a completed profile one a membership; they take none.",
        ),
    ] = ""


class AccrualGiven(Out):
    """Units of one asset, and each rule's share in them."""

    asset: str
    amount: int
    rules: list[dict[str, Any]]


class AccrualOut(Out):
    """What it brought; nothing when no rule held or a limit is reached."""

    id: UUID
    kind: str
    reference: str
    occurred_at: datetime
    is_new: Annotated[
        bool, Meta(description="False when it had been rewarded before: nothing is given twice.")
    ]
    given: list[AccrualGiven]
