"""What other rooms read from the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Category, Channel, Product, Store
from shuke.catalog.search import query_of
from shuke.catalog.values import ProductPage
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.text import storable
from shuke.kit.sql import load

MAX_LIMIT = 200
MAX_QUERY = 200


def get_store_by_code(code: str) -> Store:
    """The store with a code. Raises NotFound."""
    store = Store.objects.filter(code=storable(code)).first()
    if store is None:
        raise NotFound(field="store")
    return store


def list_stores(*, region: str = "", open_only: bool = False) -> list[Store]:
    """Every store by code; a chain has thousands at most, so there are no pages."""
    stores = Store.objects.order_by("code")
    if region:
        stores = stores.filter(region=storable(region))
    return list(stores.filter(is_open=True) if open_only else stores)


def store_names() -> dict[UUID, tuple[str, str]]:
    """(code, name) of every store by id."""
    return {row_id: (code, name) for row_id, code, name in Store.objects.values_list("id", "code", "name")}


def names_of_stores(codes: Iterable[str]) -> dict[str, str]:
    """The names of these stores by code; unknown ones are left out. One query."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "name"))


def names_of_channels(codes: Iterable[str]) -> dict[str, str]:
    """The names of these channels by code; unknown ones are left out. One query."""
    return dict(Channel.objects.filter(code__in=set(codes)).values_list("code", "name"))


def list_channels() -> list[Channel]:
    """Every channel by code."""
    return list(Channel.objects.order_by("code"))


def list_categories(parent: str = "") -> list[Category]:
    """The categories right below a path, or the top ones."""
    depth = parent.count("/") + 2 if parent else 1
    categories = Category.objects.filter(depth=depth).order_by("path")
    return list(categories.filter(path__startswith=f"{storable(parent)}/") if parent else categories)


def list_category_paths(*, limit: int = 500) -> list[str]:
    """The first paths of the tree, for suggestions while one is typed."""
    return list(Category.objects.order_by("path").values_list("path", flat=True)[:limit])


def list_brands(*, limit: int = 200) -> list[str]:
    """The first brands of the alphabet that products have, each found with one step through the index."""
    with connection.cursor() as cursor:
        cursor.execute(load("catalog", "list_brands"), {"limit": limit})
        return [brand for (brand,) in cursor.fetchall()]


def find_products(
    text: str = "",
    cursor: str | None = None,
    category: str = "",
    brand: str = "",
    *,
    limit: int = 50,
    include_inactive: bool = False,
) -> ProductPage:
    """One page of products by name: those with all the words of `text`, in a category or below it, of a brand.

    A product whose SKU is exactly `text` comes first. Raises InvalidInput for a long text, a damaged cursor or a
    limit outside 1 to 200.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(field="limit", reason=_("Ask for 1 to 200 rows."))
    if len(text) > MAX_QUERY:
        raise InvalidInput(field="text", reason=_("Search for at most 200 characters."))
    products = _in(category, brand, include_inactive)
    first: list[Product] = []
    if text.strip():
        text = storable(text).strip()
        query = query_of(text)
        if not query:
            return ProductPage([], None)
        if not cursor:
            first = list(products.filter(sku=text))
        products = products.exclude(sku=text).filter(_has_terms(query))
    if cursor:
        name, product_id = decode_cursor(cursor, str, UUID)
        products = products.filter(Q(name__gte=name) & (Q(name__gt=name) | Q(id__gt=product_id)))
    wanted = max(limit - len(first), 1)  # the cursor must name a row that was found in order
    # With words to match, an order that no index has: walking the index on names until enough rows match takes a
    # hundred times as long when the matches come late in the alphabet, and the planner cannot know where they come.
    by_name = Concat("name", Value("")) if text.strip() else F("name")
    found = list(products.order_by(by_name, "id")[: wanted + 1])
    more = len(found) > wanted
    found = found[:wanted]
    return ProductPage(first + found, encode_cursor([found[-1].name, found[-1].id]) if more else None)


def suggest_products(text: str, *, limit: int = 8) -> list[Product]:
    """The products that are sold and have all the words of `text`, the likeliest first, for somebody who chooses one.

    First the name that was typed out, then names that begin with it, then the others by name; what has no price comes
    last, because nobody sells it every day.
    """
    text = storable(text[:MAX_QUERY]).strip()
    query = query_of(text)
    if not query:
        return []
    likely = Case(
        When(name__iexact=text, then=0),
        When(price_minor__isnull=True, then=3),
        When(name__istartswith=text, then=1),
        default=2,
    )
    return list(
        Product.objects.filter(_has_terms(query), is_active=True).order_by(likely, "name", "id")[:limit]
    )


def get_product(product_id: UUID) -> Product | None:
    """The product with an id."""
    return Product.objects.filter(id=product_id).first()


def products_by_sku(skus: Iterable[str]) -> dict[str, Product]:
    """Products by SKU; unknown ones are left out. One query."""
    return {
        product.sku: product for product in Product.objects.filter(sku__in={storable(sku) for sku in skus})
    }


def brands_of(skus: Iterable[str]) -> dict[str, str]:
    """The brand of each of these products that has one. One query."""
    rows = Product.objects.filter(sku__in=set(skus)).exclude(brand="")
    return dict(rows.values_list("sku", "brand"))


def missing_goods(*, skus: Iterable[str], categories: Iterable[str]) -> tuple[set[str], set[str]]:
    """Which of these SKUs nobody sells (unknown, or retired), and which categories do not exist. Two queries."""
    asked, paths = set(skus), set(categories)
    sold = Product.objects.filter(sku__in=asked, is_active=True).values_list("sku", flat=True)
    known = Category.objects.filter(path__in=paths).values_list("path", flat=True)
    return asked - set(sold), paths - set(known)


def _in(category: str, brand: str, include_inactive: bool) -> QuerySet[Product]:
    products = Product.objects.all() if include_inactive else Product.objects.filter(is_active=True)
    if category:
        path = storable(category)
        below: Collection[str] = list(
            Category.objects.filter(Q(path=path) | Q(path__startswith=f"{path}/")).values_list(
                "path", flat=True
            )
        )
        products = products.filter(category_id__in=below)
    if brand:
        products = products.filter(brand=storable(brand))
    return products


def _has_terms(query: str) -> RawSQL:
    # `search_terms` is a generated column that the model does not know.
    return RawSQL("catalog_product.search_terms @@ %s::tsquery", [query], output_field=BooleanField())
