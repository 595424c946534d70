"""What the catalogue is handed and answers with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from shuke.catalog.models import Product
from shuke.kit.errors import ShukeError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStore:
    """A store to create or, when its code is known, to bring up to date."""

    code: str
    name: str
    region: str = ""
    is_open: bool = True
    opened_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product to create or, when its SKU is known, to bring up to date. Price and cost in the currency's minor unit."""

    sku: str
    name: str
    category: str = ""
    brand: str = ""
    price_minor: int | None = None
    cost_minor: int | None = None
    currency: str = "CNY"
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a bulk call that was refused: its place in the input, from 0, and why."""

    index: int
    error: ShukeError


@dataclass(frozen=True, slots=True)
class BulkResult:
    """How many rows were new, and how many brought a known code up to date."""

    created: int
    changed: int
    refused: list[RefusedRow]


@dataclass(frozen=True, slots=True)
class ProductPage:
    """One page of products by name. `next_cursor` is None on the last."""

    rows: list[Product]
    next_cursor: str | None
