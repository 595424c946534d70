"""Everything that writes a member's book without a sale. Each function is one transaction."""

from shuke.ledger.operations.activation import activate_lots, announce_active
from shuke.ledger.operations.adjustments import (
    approve_adjustment,
    lapse_adjustments,
    reject_adjustment,
    request_adjustment,
)
from shuke.ledger.operations.expiry import EXPIRY_BATCH, announce_expiring, expire_lots
from shuke.ledger.operations.gifts import transfer_points
from shuke.ledger.operations.holds import capture_hold, expire_holds, place_hold, release_hold

__all__ = [
    "EXPIRY_BATCH",
    "activate_lots",
    "announce_active",
    "announce_expiring",
    "approve_adjustment",
    "capture_hold",
    "expire_holds",
    "expire_lots",
    "lapse_adjustments",
    "place_hold",
    "reject_adjustment",
    "release_hold",
    "request_adjustment",
    "transfer_points",
]
