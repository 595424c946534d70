"""The sections `adjustments` and `transfers`, compiled into what the ledger's operations are handed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shuke.ledger.values import AdjustmentPolicy, TransferPolicy


def compile_adjustments(raw: Mapping[str, Any]) -> dict[str, AdjustmentPolicy]:
    """By asset; one that is not named cannot be adjusted by hand."""
    return {
        asset: AdjustmentPolicy(
            limits=spec["limits"],
            four_eyes_above=spec["four_eyes_above"],
            may_owe=spec["below_zero"] == "debt",
            request_days=spec["request_days"],
        )
        for asset, spec in raw.items()
    }


def compile_transfers(raw: Mapping[str, Any]) -> dict[str, TransferPolicy]:
    """By asset; one that is not named, or not allowed, cannot be given to another member."""
    return {
        asset: TransferPolicy(
            minimum=spec["minimum"],
            maximum=spec.get("maximum"),
            per_day=spec.get("per_day"),
            fee=int(Decimal(spec["fee_percent"]) * 1000),
        )
        for asset, spec in raw.items()
        if spec["allowed"]
    }
