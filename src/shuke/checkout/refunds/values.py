"""What a till asks back, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineBack:
    """Part of one line: goods (`quantity`, thousandths), value (`sales_minor`, what the goods cost before points), or both.

    Goods alone are worth their share of what is left of the line; with both, the goods come back and the stated value is
    refunded for them.
    """

    line_no: int
    quantity: int | None = None
    sales_minor: int | None = None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What to refund: these lines, or a value spread over all lines, or (neither given) everything that is left."""

    lines: tuple[LineBack, ...] = ()
    sales_minor: int | None = None


ALL_THAT_IS_LEFT = RefundRequest()
