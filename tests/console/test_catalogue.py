"""Products and stores: found, changed by those who may, and never outside the person's own stores."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from shuke.catalog.models import Product, Store
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_product, make_store
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db

HOSTILE = ["'", '"><script>alert(1)</script>', "\x00", "%", "\\", "𠮷", "a" * 500, "🙂", "|&!()", "-" * 90]


def test_products_are_found_by_name_pinyin_and_sku() -> None:
    make_product("有机纯牛奶", sku="6901")
    make_product("海盐苏打饼干", sku="6902", category="零食", brand="太平")
    client = client_of()
    for text in ("牛奶", "niunai", "6901"):
        page = text_of(client.get("/products", {"text": text}))
        assert "有机纯牛奶" in page
        assert "海盐苏打饼干" not in page


def test_products_are_narrowed_by_category_and_brand() -> None:
    make_product("牛奶", category="食品/饮料", brand="光明")
    make_product("肥皂", category="日用", brand="扇牌")
    client = client_of()
    by_category = text_of(client.get("/products", {"category": "食品"}))
    assert "牛奶</a>" in by_category
    assert "肥皂</a>" not in by_category
    assert 'value="食品/饮料"' in by_category, "the next level is offered"
    by_brand = text_of(client.get("/products", {"brand": "扇牌"}))
    assert "肥皂</a>" in by_brand
    assert "牛奶</a>" not in by_brand


def test_pages_of_products_follow_each_other_without_gap_or_repeat() -> None:
    for number in range(60):
        make_product(f"商品 {number:03}", sku=f"P{number:03}")
    client = client_of()
    first = client.get("/products")
    assert len(first.context["page"].rows) == 50
    second = client.get("/products", {"cursor": first.context["page"].next_cursor})
    names = [product.name for page in (first, second) for product in page.context["page"].rows]
    assert names == [f"商品 {number:03}" for number in range(60)]
    assert second.context["page"].next_cursor is None


def test_a_damaged_page_link_says_so() -> None:
    make_product("牛奶")
    answer = client_of().get("/products", {"cursor": "x.y"})
    assert answer.status_code == 200
    assert "damaged" in text_of(answer)
    assert "牛奶" in text_of(answer)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_searches_are_answered(text: str) -> None:
    make_product("牛奶")
    client = client_of()
    for path in ("/products", "/stores"):
        for field in ("text", "category", "brand", "region", "state", "show", "cursor"):
            answer = client.get(path, {field: text})
            assert answer.status_code == 200
            assert "<script>alert" not in text_of(answer)


def test_a_product_is_added_and_changed() -> None:
    client = client_of()
    answer = client.post(
        "/products/new",
        {
            "sku": "6901",
            "name": "牛奶",
            "category": "食品/饮料",
            "brand": "光明",
            "price": "12.90",
            "is_active": "on",
        },
    )
    product = Product.objects.get(sku="6901")
    assert answer["Location"] == f"/products/{product.id}"
    assert (product.price_minor, product.category_id, product.is_active) == (1290, "食品/饮料", True)
    assert "12.90" in text_of(client.get(f"/products/{product.id}"))
    client.post(f"/products/{product.id}/edit", {"name": "鲜牛奶", "price": "", "sku": "HACKED"})
    product.refresh_from_db()
    assert (product.sku, product.name, product.price_minor, product.is_active) == (
        "6901",
        "鲜牛奶",
        None,
        False,
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sku", "a b", "no spaces"),
        ("sku", "6901", "already in use"),
        ("price", "abc", "12.90"),
        ("price", "-1", "12.90"),
        ("price", "1.234", "12.90"),
        ("price", "9" * 20, "12.90"),
        ("category", "a//b", "between slashes"),
        ("name", "", "required"),
        ("name", "a\x00b", "Null characters"),
        ("name", "x" * 161, "160"),
    ],
)
def test_a_product_is_refused_beside_its_field(field: str, value: str, said: str) -> None:
    make_product("牛奶", sku="6901")
    given = {"sku": "new", "name": "x", "price": "1", field: value}
    answer = client_of().post("/products/new", given)
    assert answer.status_code == 422
    assert said in " ".join(answer.context["form"].errors[field])
    assert Product.objects.count() == 1


def test_a_store_is_opened_changed_closed_and_opened_again() -> None:
    client = client_of()
    client.post("/stores/new", {"code": "S1", "name": "浦东店", "region": "华东", "opened_on": "2024-05-01"})
    store = Store.objects.get(code="S1")
    assert (store.region, store.is_open, str(store.opened_on)) == ("华东", True, "2024-05-01")
    client.post(f"/stores/{store.id}/edit", {"name": "浦东旗舰店", "region": "", "code": "S2"})
    page = text_of(client.get(f"/stores/{store.id}"))
    assert 'data-confirm="close-store"' in page, "closing asks first"
    client.post(f"/stores/{store.id}/state", {"open": "no"})
    store.refresh_from_db()
    assert (store.code, store.name, store.region, store.is_open) == ("S1", "浦东旗舰店", "", False)
    client.post(f"/stores/{store.id}/state", {"open": "yes"})
    store.refresh_from_db()
    assert store.is_open
    acts = list(
        AuditEvent.objects.filter(object_id=str(store.id)).order_by("id").values_list("action", flat=True)
    )
    assert acts == ["catalog.create_store", *["catalog.change_store"] * 3]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2024-02-30", "x", "2024-05-01T00:00"])
def test_an_impossible_day_is_refused(day: str) -> None:
    answer = client_of().post("/stores/new", {"code": "S1", "name": "店", "opened_on": day})
    assert answer.status_code == 422
    assert answer.context["form"].errors["opened_on"]
    assert not Store.objects.exists()


def test_stores_are_narrowed_by_region_state_and_text() -> None:
    make_store("A1", region="华东")
    make_store("B1", region="华南", is_open=False)
    client = client_of()
    for query, shown in (({"region": "华南"}, "B1"), ({"state": "open"}, "A1"), ({"text": "b1"}, "B1")):
        rows = client.get("/stores", query).context["rows"]
        assert [store.code for store in rows] == [shown]


def test_pages_of_stores_follow_each_other_without_gap_or_repeat() -> None:
    for number in range(60):
        make_store(f"S{number:03}", region="华东")
    client = client_of()
    first = client.get("/stores", {"region": "华东"})
    second = client.get("/stores", {"region": "华东", "after": first.context["next"]})
    codes = [store.code for page in (first, second) for store in page.context["rows"]]
    assert codes == [f"S{number:03}" for number in range(60)]
    assert first.context["next"] == "S049"
    assert second.context["next"] == ""
    assert f"after={first.context['next']}" in text_of(first)


def test_a_person_sees_and_changes_only_their_own_stores() -> None:
    mine, theirs = make_store(), make_store()
    admin = make_staff(Role.ADMIN, all_stores=False, store_ids=[mine.id])
    client = client_of(admin)
    assert [store.id for store in client.get("/stores").context["rows"]] == [mine.id]
    assert client.get(f"/stores/{mine.id}").status_code == 200
    for path in (f"/stores/{theirs.id}", f"/stores/{theirs.id}/edit"):
        assert client.get(path).status_code == 404
    assert client.post(f"/stores/{theirs.id}/edit", {"name": "x"}).status_code == 404
    assert client.post(f"/stores/{theirs.id}/state", {"open": "no"}).status_code == 404
    assert client.post("/stores/new", {"code": "S9", "name": "x"}).status_code == 403
    theirs.refresh_from_db()
    assert theirs.is_open
    assert theirs.name != "x"


def test_reading_is_not_writing() -> None:
    product, store = make_product(), make_store()
    client = client_of(make_staff(Role.CASHIER))
    assert client.get("/products").status_code == 200
    assert "/products/new" not in text_of(client.get("/products"))
    for path in ("/products/new", f"/products/{product.id}/edit", "/stores/new", f"/stores/{store.id}/edit"):
        assert client.get(path).status_code == 403
        assert client.post(path, {"name": "x", "sku": "x", "code": "x"}).status_code == 403
    assert client.post(f"/stores/{store.id}/state", {"open": "no"}).status_code == 403
    store.refresh_from_db()
    assert store.is_open


def test_unknown_things_are_not_found() -> None:
    client = client_of()
    for path in ("/products/", "/stores/"):
        assert client.get(f"{path}{uuid.uuid4()}").status_code == 404
        assert client.get(f"{path}nonsense").status_code == 404


def test_changing_needs_the_token_of_the_page() -> None:
    store = make_store()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_staff(Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"/stores/{store.id}/state", {"open": "no"}).status_code == 403
    store.refresh_from_db()
    assert store.is_open


@pytest.mark.parametrize("path", ["/products", "/stores"])
def test_lists_cost_the_same_for_one_row_and_for_three(path: str) -> None:
    client = client_of()
    make_product()
    make_store()
    one = queries_of(client, path)
    for _more in range(2):
        make_product()
        make_store()
    assert queries_of(client, path) == one <= MOST_QUERIES
