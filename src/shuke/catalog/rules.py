"""What a store, a product and a category path may be called."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.catalog.values import NewProduct, NewStore
from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.kit.money import MAX_MINOR, BadAmount, exponent

MAX_PATH = 240
MAX_LEVEL = 120

_CODE = re.compile(r"[^\s/\\]+")


def clean_store(store: NewStore) -> NewStore:
    """The store as it is kept. Raises InvalidInput."""
    opened_on = store.opened_on.date() if isinstance(store.opened_on, datetime) else store.opened_on
    return replace(
        store,
        code=_code("code", store.code, 40),
        name=_required("name", store.name, 120),
        region=clean_text("region", store.region, 80),
        opened_on=opened_on,
    )


def clean_product(product: NewProduct) -> NewProduct:
    """The product as it is kept. Raises InvalidInput."""
    try:
        exponent(product.currency)
    except BadAmount as error:
        raise _refuse("currency", _("A currency is a code such as CNY.")) from error
    for field in ("price_minor", "cost_minor"):
        price = getattr(product, field)
        if price is not None and (
            isinstance(price, bool) or not isinstance(price, int) or not 0 <= price <= MAX_MINOR
        ):
            raise _refuse(field, _("A price is a whole number of minor units, not negative."))
    return replace(
        product,
        sku=_code("sku", product.sku, 64),
        name=_required("name", product.name, 160),
        category=category_paths(product.category)[-1] if product.category else "",
        brand=clean_text("brand", product.brand, 80),
    )


def category_paths(path: str) -> list[str]:
    """ "A/B/C" → ["A", "A/B", "A/B/C"], each level trimmed. Raises InvalidInput for an empty or long level."""
    levels = [clean_text("category", level, MAX_LEVEL) for level in path.split("/", maxsplit=20)]
    if not all(levels) or len(levels) > 20:
        raise _refuse(
            "category", _("Write the category as levels between slashes, for example Food/Drinks/Tea.")
        )
    paths = ["/".join(levels[: depth + 1]) for depth in range(len(levels))]
    if len(paths[-1]) > MAX_PATH:
        raise _refuse("category", _("A category path has at most 240 characters."))
    return paths


def _code(field: str, text: str, limit: int) -> str:
    clean = clean_text(field, text, limit)
    if not _CODE.fullmatch(clean):
        raise _refuse(field, _("A code has no spaces and no slashes."))
    return clean


def _required(field: str, text: str, limit: int) -> str:
    clean = clean_text(field, text, limit)
    if not clean:
        raise _refuse(field, _("This must not be empty."))
    return clean


def _refuse(field: str, reason: str | Promise) -> InvalidInput:
    return InvalidInput(field=field, reason=reason)
