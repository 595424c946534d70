"""Taxes of a sale: a pure function from what each line costs after discounts to what of it is tax.

A tax is rounded once per rate over the whole sale (or per line, where the programme says so) and spread over that
rate's lines by largest remainder. A discount on the order is on the lines already, so each rate bears its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shuke.checkout.values import PricingRefusal
from shuke.kit.money import allocate, divide
from shuke.loyalty.tenders import Rate, Taxes


@dataclass(frozen=True, slots=True)
class LineTax:
    """The tax of one line. `taxable_minor` is without the tax, whether prices contain it or not."""

    code: str
    percent: int
    taxable_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """One rate over the whole sale, with the discounts that fell on its lines."""

    code: str
    percent: int
    taxable_minor: int
    tax_minor: int
    discount_minor: int


@dataclass(frozen=True, slots=True)
class TaxedLine:
    """What decides a line's rate, and the amount it is charged on, in minor units."""

    sku: str
    category: str
    stated: str | None
    amount: int


def tax_lines(taxes: Taxes, lines: Sequence[TaxedLine]) -> list[LineTax | None]:
    """The tax of each line; None where no rate applies. Raises PricingRefusal for a stated rate that does not exist."""
    found: list[LineTax | None] = [None] * len(lines)
    groups: dict[str, tuple[Rate, list[int]]] = {}
    for index, line in enumerate(lines):
        if line.stated is not None and line.stated not in taxes.rates:
            raise PricingRefusal("unknown_tax_rate", f"lines/{index}/tax")
        rate = taxes.rate_of(line.sku, line.category, line.stated)
        if rate is not None:
            groups.setdefault(rate.code, (rate, []))[1].append(index)
    for rate, indexes in groups.values():
        amounts = [lines[index].amount for index in indexes]
        if taxes.per_line:
            parts = [_tax(taxes, rate, amount) for amount in amounts]
        else:
            parts = allocate(_tax(taxes, rate, sum(amounts)), amounts)
        for index, amount, tax in zip(indexes, amounts, parts, strict=True):
            taxable = amount - tax if taxes.included else amount
            found[index] = LineTax(rate.code, rate.percent, taxable, tax)
    return found


def _tax(taxes: Taxes, rate: Rate, amount: int) -> int:
    whole = 100_000 + rate.percent if taxes.included else 100_000
    return divide(amount * rate.percent, whole, taxes.rounding)


def tax_totals(lines: Sequence[LineTax | None], discounts: Sequence[int]) -> list[TaxTotal]:
    """Per rate, in the order of the first line that bears it. `discounts[i]` is line i's discount in minor units."""
    totals: dict[str, TaxTotal] = {}
    for line, discount in zip(lines, discounts, strict=True):
        if line is None:
            continue
        so_far = totals.get(line.code)
        totals[line.code] = TaxTotal(
            line.code,
            line.percent,
            line.taxable_minor + (so_far.taxable_minor if so_far else 0),
            line.tax_minor + (so_far.tax_minor if so_far else 0),
            discount + (so_far.discount_minor if so_far else 0),
        )
    return list(totals.values())
