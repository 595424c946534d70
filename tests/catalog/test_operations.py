"""Stores, products, categories and channels: created, changed, refused."""

from __future__ import annotations

from datetime import date

import pytest

from shuke.catalog.errors import CodeTaken
from shuke.catalog.models import Category, Channel, Product, Store
from shuke.catalog.operations import (
    change_product,
    change_store,
    create_product,
    create_store,
    ensure_category,
    ensure_channel,
    ensure_first_channels,
)
from shuke.core.errors import InvalidInput, NotFound, OutOfStoreScope
from shuke.core.models import AuditEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from tests.factories.catalog import make_product, make_store
from tests.factories.core import NOW

pytestmark = pytest.mark.django_db


def test_a_store_is_created_changed_and_audited() -> None:
    store = create_store(
        actor=SYSTEM, now=NOW, code=" SH-001 ", name="上海 静安店", region="华东", opened_on=date(2020, 5, 1)
    )
    change_store(actor=SYSTEM, now=NOW, store_id=store.id, changes={"name": "静安旗舰店", "is_open": False})
    kept = Store.objects.get(code="SH-001")
    assert (kept.name, kept.is_open, kept.region, kept.opened_on) == (
        "静安旗舰店",
        False,
        "华东",
        date(2020, 5, 1),
    )
    actions = list(
        AuditEvent.objects.filter(object_id=str(store.id)).order_by("id").values_list("action", "data")
    )
    assert actions == [
        ("catalog.create_store", {"code": "SH-001"}),
        ("catalog.change_store", {"changed": {"name": "静安旗舰店", "is_open": False}}),
    ]


def test_a_change_that_changes_nothing_leaves_no_trace() -> None:
    store, product = make_store(), make_product()
    before = AuditEvent.objects.count()
    change_store(actor=SYSTEM, now=NOW, store_id=store.id, changes={"name": store.name})
    change_product(actor=SYSTEM, now=NOW, product_id=product.id, changes={"brand": product.brand})
    assert AuditEvent.objects.count() == before


def test_a_code_is_given_once() -> None:
    make_store("A1")
    with pytest.raises(CodeTaken) as refusal:
        make_store("A1")
    assert (refusal.value.status, refusal.value.field) == (409, "code")
    make_product(sku="X1")
    with pytest.raises(CodeTaken):
        make_product(sku="X1")
    assert (Store.objects.count(), Product.objects.count()) == (1, 1)


def test_an_actor_bound_to_stores_changes_only_those_and_opens_none() -> None:
    mine, other = make_store(), make_store()
    manager = Actor("staff", uuid7(), "m", all_stores=False, store_ids=frozenset({mine.id}))
    change_store(actor=manager, now=NOW, store_id=mine.id, changes={"region": "华北"})
    with pytest.raises(OutOfStoreScope):
        change_store(actor=manager, now=NOW, store_id=other.id, changes={"region": "华北"})
    with pytest.raises(OutOfStoreScope):
        create_store(actor=manager, now=NOW, code="NEW", name="新店")
    assert set(Store.objects.values_list("region", flat=True)) == {"华北", "华东"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": ""}, "code"),
        ({"code": "a b"}, "code"),
        ({"code": "a/b"}, "code"),
        ({"code": "x" * 41}, "code"),
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"region": "a\nb"}, "region"),
    ],
)
def test_an_unusable_store_is_refused_by_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        create_store(actor=SYSTEM, now=NOW, **{"code": "A", "name": "甲", **changes})
    assert refusal.value.field == field
    assert not Store.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sku": "a b"}, "sku"),
        ({"price_minor": -1}, "price_minor"),
        ({"price_minor": 1.5}, "price_minor"),
        ({"price_minor": True}, "price_minor"),
        ({"price_minor": 10**15 + 1}, "price_minor"),
        ({"currency": "rmb"}, "currency"),
        ({"category": "A//B"}, "category"),
        ({"category": "/A"}, "category"),
        ({"category": "x/" * 200 + "y"}, "category"),
        ({"category": "/".join(["x" * 100] * 3)}, "category"),
        ({"brand": "x" * 81}, "brand"),
    ],
)
def test_an_unusable_product_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    values: dict[str, object] = {"sku": "A", "name": "甲", **changes}
    with pytest.raises(InvalidInput) as refusal:
        create_product(actor=SYSTEM, now=NOW, **values)  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert not Product.objects.exists()
    assert not Category.objects.exists()


def test_unknown_fields_and_unknown_things_are_refused() -> None:
    product = make_product()
    with pytest.raises(InvalidInput) as refusal:
        change_product(actor=SYSTEM, now=NOW, product_id=product.id, changes={"sku": "B"})
    assert refusal.value.field == "sku"
    with pytest.raises(NotFound):
        change_product(actor=SYSTEM, now=NOW, product_id=uuid7(), changes={"name": "x"})
    with pytest.raises(NotFound):
        change_store(actor=SYSTEM, now=NOW, store_id=uuid7(), changes={"name": "x"})


def test_a_changed_product_keeps_its_search_terms_right() -> None:
    product = make_product("有机纯牛奶", category="食品/牛奶")
    change_product(
        actor=SYSTEM, now=NOW, product_id=product.id, changes={"name": "冰红茶", "category": "食品/茶饮"}
    )
    product.refresh_from_db()
    assert product.category_id == "食品/茶饮"
    terms = product.search_text.split()
    assert "红茶" in terms
    assert "binghongcha" in terms
    assert "牛奶" not in terms
    change_product(actor=SYSTEM, now=NOW, product_id=product.id, changes={"category": ""})
    product.refresh_from_db()
    assert product.category_id is None


def test_a_category_comes_with_all_levels_above_it() -> None:
    ensure_category("GROCERY/FROZEN/ICE CREAM")
    leaf = ensure_category(" GROCERY / FROZEN/ ICE CREAM ")
    assert (leaf.path, leaf.name, leaf.depth) == ("GROCERY/FROZEN/ICE CREAM", "ICE CREAM", 3)
    assert sorted(Category.objects.values_list("path", "depth")) == [
        ("GROCERY", 1),
        ("GROCERY/FROZEN", 2),
        ("GROCERY/FROZEN/ICE CREAM", 3),
    ]


def test_a_channel_is_made_once_under_one_spelling() -> None:
    first = ensure_channel("WeChat", "微信")
    again = ensure_channel(" wechat ")
    assert first.code == again.code == "wechat"
    assert Channel.objects.get().name == "微信"
    with pytest.raises(InvalidInput):
        ensure_channel("we chat")
    with pytest.raises(InvalidInput):
        ensure_channel("")


@pytest.mark.django_db
def test_a_new_house_can_sell_over_the_usual_channels_and_keeps_its_own_names() -> None:
    Channel.objects.filter(code="pos").delete()
    ensure_channel("pos", "收银机")
    ensure_first_channels()
    ensure_first_channels()
    names = dict(Channel.objects.values_list("code", "name"))
    assert names["pos"] == "收银机"
    assert {"pos", "web", "app", "wechat", "delivery"} <= set(names)
