"""Stores, channels and products over the API; and the programme."""

from __future__ import annotations

from typing import Any

from shuke.catalog.models import Store
from shuke.core.values import Scope
from tests.api.client import Till
from tests.factories.core import make_key


def test_stores(till: Till) -> None:
    made = till.post("/stores", {"code": "S9", "name": "Ninth", "region": "North", "opened_on": "2026-01-31"})
    assert made.status == 201
    assert till.get("/stores/S9").json == made.json
    assert till.post("/stores", {"code": "S9", "name": "Again"}).code == "code_taken"
    closed = till.patch("/stores/S9", {"is_open": False, "opened_on": None})
    assert (closed.json["is_open"], closed.json["opened_on"], closed.json["name"]) == (False, None, "Ninth")
    assert [row["code"] for row in till.get("/stores").json["stores"]] == ["S1", "S2", "S9"]
    page = till.get("/stores", limit=2).json
    assert [row["code"] for row in till.get("/stores", cursor=page["next_cursor"]).json["stores"]] == ["S9"]


def test_a_bound_key_knows_its_stores_only(till: Till, shop: Store) -> None:
    bound = Till(make_key(*Scope, store_ids=[shop.id])[1])
    assert [row["code"] for row in bound.get("/stores").json["stores"]] == ["S1"]
    assert bound.get("/stores/S2").code == "not_found"
    assert bound.patch("/stores/S2", {"name": "Mine"}).code == "not_found"
    assert bound.post("/stores", {"code": "S3", "name": "New"}).code == "out_of_store_scope"
    assert bound.patch("/stores/S1", {"name": "Renamed"}).json["name"] == "Renamed"


def test_channels_are_added_and_renamed(till: Till, shop: Store) -> None:
    made = till.post("/channels", {"code": "Kiosk", "name": "自助机"})
    assert (made.status, made.json) == (201, {"code": "kiosk", "name": "自助机"})
    assert till.post("/channels", {"code": "kiosk"}).code == "code_taken"
    assert till.post("/channels", {"code": "two words"}).json["errors"][0]["pointer"] == "/code"
    assert till.post("/channels", {"code": "app-2"}).json == {"code": "app-2", "name": "app-2"}
    assert till.patch("/channels/kiosk", {"name": "Kiosk"}).json["name"] == "Kiosk"
    assert till.patch("/channels/none", {"name": "x"}).code == "not_found"
    codes = [row["code"] for row in till.get("/channels").json["channels"]]
    assert {"kiosk", "app-2"} <= set(codes)
    bound = Till(make_key(*Scope, store_ids=[shop.id])[1])
    assert bound.post("/channels", {"code": "mine"}).code == "out_of_store_scope"
    assert bound.patch("/channels/kiosk", {"name": "Mine"}).code == "out_of_store_scope"


def test_products(till: Till) -> None:
    new: dict[str, Any] = {
        "sku": "T-1",
        "name": "乌龙茶",
        "category": "Food/Tea",
        "brand": "X",
        "price_minor": 990,
    }
    made = till.post("/products", new)
    assert made.status == 201
    assert till.get("/products/T-1").json == made.json
    changed = till.patch("/products/T-1", {"price_minor": None, "name": "冻顶乌龙"})
    assert (changed.json["price_minor"], changed.json["name"], changed.json["brand"]) == (
        None,
        "冻顶乌龙",
        "X",
    )
    skus = lambda **query: [row["sku"] for row in till.get("/products", **query).json["products"]]  # noqa: E731
    assert skus(text="乌龙") == ["T-1"]
    assert skus(category="Food") == ["T-1"]
    assert skus(brand="X") == ["T-1"]
    assert till.get("/products/none").code == "not_found"
    assert till.post("/products", {**new, "sku": "T 2"}).json["errors"][0]["pointer"] == "/sku"
    assert till.post("/products", new).code == "code_taken"


def test_products_are_paged(till: Till) -> None:
    seen, cursor = [], None
    while True:
        page = till.get("/products", limit=1, **({"cursor": cursor} if cursor else {})).json
        seen += [row["sku"] for row in page["products"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == ["A", "B", "C"]


def test_channels(till: Till) -> None:
    assert till.get("/channels").json == {"channels": [{"code": "pos", "name": "POS"}]}


def test_programme(till: Till) -> None:
    in_force = till.get("/programme").json
    assert (in_force["number"], in_force["status"], in_force["document"]["currency"]) == (
        1,
        "in_force",
        "CNY",
    )
    assert till.get("/programme/versions/1").json == in_force
    listed = till.get("/programme/versions").json["versions"]
    assert [row["number"] for row in listed] == [1]
    assert "document" not in listed[0]
    for number in ("2", "x", "-1", "1e3"):
        assert till.get(f"/programme/versions/{number}").status == 404


def test_without_a_programme(db: None) -> None:
    bare = Till(make_key()[1])
    assert bare.get("/programme").code == "no_programme"
    assert bare.get("/programme/versions").json == {"versions": [], "next_cursor": None}
