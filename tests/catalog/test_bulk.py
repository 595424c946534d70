"""Many stores and products at once: same outcome as one by one, precise refusals, nothing rewritten in vain."""

from __future__ import annotations

import pytest

from shuke.catalog.bulk import put_products_in_bulk, put_stores_in_bulk
from shuke.catalog.errors import CodeTaken
from shuke.catalog.models import Product, Store
from shuke.catalog.operations import create_product
from shuke.catalog.values import NewProduct, NewStore
from shuke.core.errors import InvalidInput, OutOfStoreScope
from shuke.core.models import AuditEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from tests.factories.core import NOW

pytestmark = pytest.mark.django_db

FIELDS = (
    "sku",
    "name",
    "search_text",
    "category_id",
    "brand",
    "price_minor",
    "currency",
    "is_active",
    "created_at",
)


def test_bulk_writes_what_single_creation_writes() -> None:
    rows = [
        NewProduct(sku="1", name=" 有机纯牛奶 ", category="食品/饮料", brand="光明", price_minor=1290),
        NewProduct(sku="2", name="Crème brûlée", price_minor=None, currency="JPY", is_active=False),
    ]
    put_products_in_bulk(actor=SYSTEM, now=NOW, rows=rows)
    in_bulk = list(Product.objects.order_by("sku").values_list(*FIELDS))
    Product.objects.all().delete()
    for row in rows:
        create_product(
            actor=SYSTEM, now=NOW, sku=row.sku, name=row.name, category=row.category, brand=row.brand,
            price_minor=row.price_minor, currency=row.currency, is_active=row.is_active,
        )  # fmt: skip
    assert list(Product.objects.order_by("sku").values_list(*FIELDS)) == in_bulk


def test_known_codes_are_brought_up_to_date_and_equal_rows_left_alone() -> None:
    first = [NewProduct(sku=str(n), name=f"商品{n}", price_minor=n) for n in range(5)]
    assert put_products_in_bulk(actor=SYSTEM, now=NOW, rows=first).created == 5
    ids = dict(Product.objects.values_list("sku", "id"))
    second = [
        *first[:4],
        NewProduct(sku="4", name="新名字", price_minor=9),
        NewProduct(sku="5", name="商品5"),
    ]
    result = put_products_in_bulk(actor=SYSTEM, now=NOW, rows=second)
    assert (result.created, result.changed, result.refused) == (1, 1, [])
    changed = Product.objects.get(sku="4")
    assert (changed.name, changed.price_minor, changed.id) == ("新名字", 9, ids["4"])


def test_refused_rows_are_named_and_do_not_stop_the_others() -> None:
    rows = [
        NewProduct(sku="1", name="好"),
        NewProduct(sku="2", name=""),
        NewProduct(sku="1", name="重复"),
        NewProduct(sku="3", name="x", price_minor=-5),
        NewProduct(sku="4", name="也好"),
    ]
    result = put_products_in_bulk(actor=SYSTEM, now=NOW, rows=iter(rows))
    assert [(r.index, type(r.error), r.error.field) for r in result.refused] == [
        (1, InvalidInput, "name"),
        (2, CodeTaken, "sku"),
        (3, InvalidInput, "price_minor"),
    ]
    assert sorted(Product.objects.values_list("sku", flat=True)) == ["1", "4"]
    audit = AuditEvent.objects.get(action="catalog.put_products_in_bulk")
    assert audit.data == {"created": 2, "changed": 0, "refused": 3}


def test_stores_in_bulk() -> None:
    rows = [NewStore(code="1", name="一店", region="华东"), NewStore(code="2", name="二店")]
    assert put_stores_in_bulk(actor=SYSTEM, now=NOW, rows=rows).created == 2
    result = put_stores_in_bulk(actor=SYSTEM, now=NOW, rows=[NewStore(code="2", name="二店", is_open=False)])
    assert (result.created, result.changed) == (0, 1)
    assert Store.objects.get(code="2").is_open is False
    bound = Actor("staff", uuid7(), "m", all_stores=False)
    with pytest.raises(OutOfStoreScope):
        put_stores_in_bulk(actor=bound, now=NOW, rows=rows)
