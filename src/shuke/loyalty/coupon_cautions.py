"""Coupons for goods that the catalogue does not sell: allowed, since goods may come later, but to be confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from shuke.catalog.queries import missing_goods
from shuke.loyalty.cautions import Caution, Draft
from shuke.loyalty.source import child

_PLACES = (
    ("scope", "skus"),
    ("scope", "exclude_skus"),
    ("scope", "categories"),
    ("scope", "exclude_categories"),
    *((holder, kind) for holder in ("get_goods", "gift", "shipping") for kind in ("skus", "categories")),
)
_WORDS = {
    "skus": ("unknown_product", _("the catalogue sells no product “%(value)s”")),
    "categories": ("unknown_category", _("the catalogue has no category “%(value)s”")),
}

ABOUT_GOODS = frozenset(code for code, _words in _WORDS.values())
"""The codes of warnings that go away once the goods are in the catalogue."""


def unknown_goods(draft: Draft) -> Iterable[Caution]:
    """One for each product and category that a coupon names and nobody sells."""
    named = [(path, kind, value) for path, kind, value in _named(draft.document)]
    if not named:
        return ()
    skus, categories = missing_goods(
        skus={value for _path, kind, value in named if kind == "skus"},
        categories={value for _path, kind, value in named if kind == "categories"},
    )
    missing = {"skus": skus, "categories": categories}
    return [
        Caution(_WORDS[kind][0], path, _WORDS[kind][1], {"value": value})
        for path, kind, value in named
        if value in missing[kind]
    ]


def _named(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for index, coupon in enumerate(document.get("coupons") or ()):
        for holder, key in _PLACES:
            path = child(child(f"coupons[{index}]", holder), key)
            for place, value in enumerate(coupon.get(holder, {}).get(key, ())):
                yield f"{path}[{place}]", key.removeprefix("exclude_"), value
