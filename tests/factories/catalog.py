"""Stores and products for tests, made through the real operations."""

from __future__ import annotations

from itertools import count

from shuke.catalog.models import Product, Store
from shuke.catalog.operations import create_product, create_store
from shuke.core.values import SYSTEM
from tests.factories.core import NOW

_numbers = count(1)


def make_store(code: str = "", *, region: str = "华东", is_open: bool = True) -> Store:
    """A store; the code is made up unless given."""
    chosen = code or f"S{next(_numbers):04d}"
    return create_store(
        actor=SYSTEM, now=NOW, code=chosen, name=f"门店 {chosen}", region=region, is_open=is_open
    )


def make_product(
    name: str = "有机纯牛奶 250ml",
    *,
    sku: str = "",
    category: str = "食品/饮料/牛奶",
    brand: str = "光明",
    price_minor: int | None = 1290,
    is_active: bool = True,
) -> Product:
    """A product; the SKU is made up unless given."""
    return create_product(
        actor=SYSTEM,
        now=NOW,
        sku=sku or f"69{next(_numbers):011d}",
        name=name,
        category=category,
        brand=brand,
        price_minor=price_minor,
        is_active=is_active,
    )
