"""What the programme lets people do with a member's book, as plain values that the operations are handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

KEY_ROLE = "api_key"
"""The name under which an adjustment policy limits API keys, beside the roles of staff."""


@dataclass(frozen=True, slots=True)
class AdjustmentPolicy:
    """Who may add to or take from an asset by hand, in units of the asset.

    `limits`: the most that one act of a role may move; a role without a limit may not adjust. Beyond `four_eyes_above` a
    second person approves, whose own limit covers the amount. `may_owe`: taking more than is there makes a debt, else it is
    refused. A request that nobody decided lapses after `request_days`.
    """

    limits: Mapping[str, int]
    four_eyes_above: int
    may_owe: bool
    request_days: int


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """Members giving an asset to each other, in units of the asset; `maximum` is per transfer, `per_day` what a member sends
    in one local day (None: no limit). The sender pays the fee on top: `fee` in thousandths of a percent, rounded up."""

    minimum: int
    maximum: int | None
    per_day: int | None
    fee: int


@dataclass(frozen=True, slots=True)
class LotTerms:
    """Under which terms units come in now: usable from, gone at (None: never), waiting for an event, sliding with activity."""

    active_at: datetime
    expires_at: datetime | None
    waits_for: str | None = None
    slides: bool = False
