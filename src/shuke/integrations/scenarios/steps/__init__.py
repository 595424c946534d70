"""The acts that scenarios know, one module for each room. Importing a module registers its steps and figures."""

from __future__ import annotations

from importlib import import_module

ROOMS = (
    "loyalty", "ledger", "moves", "acts", "checkout", "returns", "prepaid", "members", "rewards", "coupons", "plans"
)  # fmt: skip


def register() -> None:
    """Make every step known."""
    for room in ROOMS:
        import_module(f"{__name__}.{room}")
