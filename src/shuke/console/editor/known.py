"""The codes that a programme can speak of, with their names: offered beside its fields, so that nobody needs to know them."""

from __future__ import annotations

from shuke.catalog.queries import (
    find_products,
    list_brands,
    list_category_paths,
    list_channels,
    list_stores,
)
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.members.queries import tags_in_use

STORES_MOST = 1000
PRODUCTS_MOST = 200


def known_codes() -> dict[str, list[tuple[str, str]]]:
    """(code, name) of each kind; of products only where a list can hold them all."""
    found = find_products(limit=PRODUCTS_MOST)
    products = [] if found.next_cursor else [(each.sku, each.name) for each in found.rows]
    categories = _plain(list_category_paths())
    return {
        "stores": [(each.code, each.name) for each in list_stores()[:STORES_MOST]],
        "channels": [(each.code, each.name) for each in list_channels()],
        "tenders": [(code, str(words)) for code, words in TENDER_NAMES.items()],
        "tags": _plain(tags_in_use(None)),
        "categories": categories,
        "products": products,
        "goods": [*products, *categories],
        "brands": _plain(list_brands()),
    }


def _plain(codes: list[str]) -> list[tuple[str, str]]:
    return [(each, "") for each in codes]
