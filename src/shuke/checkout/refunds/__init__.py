"""Refunds: money back by tender, spent points back to their own lots, earned points taken back, tier looked at again.

`logic` plans without a database; `facts` reads what it plans from; `operations` writes; `manners` are the void and the
cancellation, `exchange` and `write_off` what their names say.
"""

from __future__ import annotations

from shuke.checkout.refunds.exchange import exchange_order, price_exchange, quote_exchange
from shuke.checkout.refunds.manners import (
    cancel_order,
    deliver_order,
    quote_cancellation,
    quote_void,
    void_order,
)
from shuke.checkout.refunds.operations import quote_refund, refund_order
from shuke.checkout.refunds.write_off import forgivable, write_off_debt

__all__ = [
    "cancel_order",
    "deliver_order",
    "exchange_order",
    "forgivable",
    "price_exchange",
    "quote_cancellation",
    "quote_exchange",
    "quote_refund",
    "quote_void",
    "refund_order",
    "void_order",
    "write_off_debt",
]
