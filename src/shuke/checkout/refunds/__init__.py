"""Refunds: money back by tender, spent points back to their own lots, earned points taken back, tier looked at again.

`logic` plans without a database; `facts` reads what it plans from; `operations` writes.
"""

from __future__ import annotations

from shuke.checkout.refunds.operations import quote_refund, refund_order

__all__ = ["quote_refund", "refund_order"]
