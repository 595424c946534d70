"""Products are found by what people type, page by page, through an index."""

from __future__ import annotations

import pytest
from django.db import connection

from shuke.catalog.operations import ensure_channel
from shuke.catalog.queries import (
    find_products,
    get_store_by_code,
    list_brands,
    list_categories,
    list_channels,
    list_stores,
    products_by_sku,
    suggest_products,
)
from shuke.catalog.search import query_of
from shuke.core.errors import InvalidInput, NotFound
from tests.factories.catalog import make_product, make_store

pytestmark = pytest.mark.django_db


def names(text: str = "", **filters: str) -> list[str]:
    return [product.name for product in find_products(text, **filters).rows]


@pytest.mark.parametrize(
    "text",
    [
        "有机纯牛奶",
        "牛奶",
        "奶",
        "纯牛",
        "机纯牛",
        "niunai",
        "youji",
        "chunniu",
        "yjcnn",
        "cnn",
        "250ML",
        "２５０ｍｌ",
        "光明",
        "guangming",
        "光明 牛奶",
        "niunai 250",
        "饮料",
        "6900123",
    ],
)
def test_a_chinese_product_is_found_by(text: str) -> None:
    make_product("有机纯牛奶 250ml", sku="6900123456789")
    make_product("Dark Chocolate", sku="700", brand="Lindt", category="FOOD/SWEETS")
    assert names(text) == ["有机纯牛奶 250ml"]


@pytest.mark.parametrize(
    "text", ["choc", "CHOCOLATE", "dark choc", "lindt", "creme", "Crème", "sweet", "ab-12", "12-x"]
)
def test_an_english_product_is_found_by(text: str) -> None:
    make_product("有机纯牛奶 250ml")
    make_product("Dark Chocolate Crème", sku="AB-12-X", brand="Lindt", category="FOOD/SWEETS")
    assert names(text) == ["Dark Chocolate Crème"]


@pytest.mark.parametrize(
    "text",
    ["奶牛", "ocolate", "牛奶 可可", "!!!", "'", "\\", "' | 'x", "a & b", ":*", "%", "\x00", "\ud800", "🥛"],
)
def test_what_does_not_match_or_cannot_be_searched_finds_nothing(text: str) -> None:
    make_product("有机纯牛奶")
    make_product("Chocolate", category="FOOD")
    assert names(text) == []


def test_the_exact_sku_comes_first_and_only_once() -> None:
    make_product("12 pack", sku="9001")
    make_product("zebra pack", sku="12")
    make_product("12 eggs", sku="9002")
    assert names("12") == ["zebra pack", "12 eggs", "12 pack"]
    page = find_products("12", limit=2)
    assert [product.name for product in page.rows] == ["zebra pack", "12 eggs"]
    assert [product.name for product in find_products("12", page.next_cursor, limit=2).rows] == ["12 pack"]


def test_pages_show_each_product_once_even_among_equal_names() -> None:
    for number in range(7):
        make_product("同名" if number % 2 else f"商品 {number}")
    seen, cursor, pages = [], None, 0
    while True:
        page = find_products("", cursor, limit=2)
        seen += [product.id for product in page.rows]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
    assert (len(seen), len(set(seen)), pages) == (7, 7, 4)


def test_filters_by_category_subtree_brand_and_activity() -> None:
    make_product("A", category="X/Y", brand="b1")
    make_product("B", category="X/Y/Z", brand="b2")
    make_product("C", category="X/YY", brand="b1")
    make_product("D", category="X/Y", brand="b1", is_active=False)
    assert names(category="X/Y") == ["A", "B"]
    assert names(category="X") == ["A", "B", "C"]
    assert names(category="X%") == []
    assert names(brand="b1") == ["A", "C"]
    assert names("a", category="X/Y", brand="b1") == ["A"]
    assert [p.name for p in find_products(brand="b1", include_inactive=True).rows] == ["A", "C", "D"]
    assert list_brands() == ["b1", "b2"]
    assert [category.path for category in list_categories()] == ["X"]
    assert [category.path for category in list_categories("X")] == ["X/Y", "X/YY"]


def test_bad_questions_are_refused() -> None:
    for call in (
        lambda: find_products("x" * 201),
        lambda: find_products(limit=0),
        lambda: find_products(limit=201),
        lambda: find_products(cursor="forged"),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_a_word_search_uses_the_term_index() -> None:
    make_product()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM catalog_product WHERE search_terms @@ %s::tsquery",
            [query_of("牛奶 choc")],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "catalog_product_terms" in plan


def test_stores_and_channels_are_listed() -> None:
    make_store("B2", region="华南")
    make_store("A1", is_open=False)
    assert [store.code for store in list_stores()] == ["A1", "B2"]
    assert [store.code for store in list_stores(open_only=True)] == ["B2"]
    assert [store.code for store in list_stores(region="华南")] == ["B2"]
    assert get_store_by_code("A1").is_open is False
    with pytest.raises(NotFound):
        get_store_by_code("A1\x00'; DROP TABLE catalog_store --")
    ensure_channel("pos")
    assert [channel.code for channel in list_channels()] == ["pos"]


def test_products_by_sku_leaves_out_unknown_ones() -> None:
    product = make_product(sku="1")
    assert products_by_sku(["1", "2", "\x00"]) == {"1": product}


def test_who_chooses_sees_the_typed_name_first_then_its_beginnings_and_what_has_no_price_last() -> None:
    make_product("Aerosol Toppings")
    make_product("Toppings Berry")
    make_product("Cake Toppings", price_minor=None)
    make_product("toppings")
    make_product("Toppings Old", is_active=False)
    assert [each.name for each in suggest_products("Toppings ")] == [
        "toppings", "Toppings Berry", "Aerosol Toppings", "Cake Toppings",
    ]  # fmt: skip
    assert [each.name for each in suggest_products("Toppings", limit=1)] == ["toppings"]
    assert suggest_products("!!!") == []
