"""A till's day: quote, commit, read, list, refund."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shuke.checkout.models import Order
from shuke.core.models import OutboxEvent
from shuke.core.values import Scope
from shuke.ledger.models import Account
from shuke.members.models import Member
from tests.api.client import Till
from tests.factories.core import make_key
from tests.factories.members import make_member


def cart(member: Member | None = None, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Two of A (10.00) and 1.5 of B (2.50) unless lines are given."""
    chosen = list(lines) or [{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": "1.5"}]
    who = {"member": {"kind": "id", "value": str(member.id)}} if member else {}
    return {"store": "S1", "channel": "pos", "lines": chosen, **who, **more}


def test_a_commit_gives_what_the_quote_promised(till: Till) -> None:
    member = make_member()
    quoted = till.post("/quotes", cart(member), key=None)
    assert quoted.status == 200
    sold = till.post("/orders", cart(member))
    assert sold.status == 201
    for figure in (
        "list_minor",
        "payable_minor",
        "points_earned",
        "earned",
        "lines",
        "member",
        "programme_version",
    ):
        assert sold.json[figure] == quoted.json[figure]
    assert sold.json["payable_minor"] == 2000 + 375
    assert sold.json["points_earned"] == 23
    assert Account.objects.get(member_id=member.id, asset="points").balance == 23
    assert OutboxEvent.objects.filter(name="checkout.order_committed.v1").count() == 1


def test_a_quote_writes_nothing(till: Till) -> None:
    till.post("/quotes", cart(make_member()), key=None)
    assert not Order.objects.exists()


def test_points_pay_and_come_back(till: Till) -> None:
    member = make_member()
    till.post("/orders", cart(member, {"sku": "C", "quantity": 1, "unit_price_minor": 100000}))
    before = Account.objects.get(member_id=member.id, asset="points").balance
    sold = till.post("/orders", cart(member, points_to_use=100)).json
    assert (sold["points_used"], sold["points_minor"]) == (100, 100)
    quoted = till.get(f"/orders/{sold['id']}/refund-quote")
    assert quoted.json["points_returned"] == 100
    refunded = till.post(f"/orders/{sold['id']}/refund", {"reason": "damaged"})
    assert refunded.status == 201
    assert {k: refunded.json[k] for k in quoted.json} == quoted.json
    assert Account.objects.get(member_id=member.id, asset="points").balance == before
    assert till.post(f"/orders/{sold['id']}/refund", {"reason": "again"}).code == "already_refunded"
    assert till.get(f"/orders/{sold['id']}/refund-quote").code == "already_refunded"


def test_an_order_reads_back_as_it_was_answered(till: Till) -> None:
    member = make_member()
    given = {"sku": "A", "quantity": 1, "discounts": [{"code": "flyer", "minor": 50}]}
    sold = till.post(
        "/orders", cart(member, given, system="pos7", number="0042", facts={"tender": "cash"})
    ).json
    read = till.get(f"/orders/{sold['id']}").json
    for line in read["lines"]:
        assert (line.pop("returned_quantity"), line.pop("refunded_sales_minor")) == ("0", 0)
    of_the_moment = {"earned", "member", "benefits"}
    assert {name: read[name] for name in sold if name not in of_the_moment} == {
        name: value for name, value in sold.items() if name not in of_the_moment
    }
    assert read["member_id"] == str(member.id)
    assert read["facts"] == {"tender": "cash"}
    assert read["refunds"] == []
    till.post(f"/orders/{sold['id']}/refund", {"reason": "wrong size"})
    again = till.get(f"/orders/{sold['id']}").json
    assert again["status"] == "refunded"
    assert again["refunds"][0]["reason"] == "wrong size"
    assert again["refunds"][0]["payable_minor"] == sold["payable_minor"]


def test_the_same_order_number_is_refused(open_shop: Till) -> None:
    assert open_shop.post("/orders", cart(number="1", system="pos")).status == 201
    refused = open_shop.post("/orders", cart(number="1", system="pos"))
    assert (refused.status, refused.code) == (409, "order_exists")
    assert refused.json["errors"][0]["pointer"] == "/number"


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"store": "nowhere"}, 422, "unknown_store", "/store"),
        ({"channel": "fax"}, 422, "unknown_channel", "/channel"),
        ({"currency": "EUR"}, 422, "currency_mismatch", "/currency"),
        (
            {"lines": [{"sku": "A", "quantity": 1}, {"sku": "Z", "quantity": 1}]},
            422,
            "unknown_product",
            "/lines/1/sku",
        ),
        ({"lines": [{"sku": "C", "quantity": 1}]}, 422, "price_missing", "/lines/0/unit_price_minor"),
        ({"lines": [{"sku": "A", "quantity": "0.000"}]}, 422, "bad_quantity", "/lines/0/quantity"),
        (
            {"lines": [{"sku": "A", "quantity": 1, "discounts": [{"code": "x", "minor": 1001}]}]},
            422,
            "discount_exceeds_price",
            "/lines/0/discounts",
        ),
        ({"points_to_use": 10}, 422, "points_need_member", "/points_to_use"),
        ({"member": {"kind": "number", "value": "880000000000"}}, 404, "member_not_found", "/member"),
        ({"member": {"kind": "id", "value": "x"}}, 404, "member_not_found", "/member/value"),
        ({"member": {"kind": "phone", "value": "12"}}, 422, "invalid_input", "/phone"),
        (
            {"lines": [{"sku": "A", "quantity": 10**6, "unit_price_minor": 10**15}]},
            422,
            "bad_amount",
            "/lines/0",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/quotes", "/orders"])
def test_a_bad_cart_is_refused_by_name(
    till: Till, path: str, change: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    refused = till.post(path, {**cart(), **change})
    assert (refused.status, refused.code) == (status, code)
    assert refused.json["errors"][0]["pointer"] == pointer
    assert not Order.objects.exists()


def test_too_many_points_are_refused_with_the_figures(till: Till) -> None:
    refused = till.post("/orders", cart(make_member(), points_to_use=500))
    assert (refused.status, refused.code) == (409, "not_enough_points")
    assert "500" in refused.json["detail"]


def test_sales_of_yesterday_and_no_older(till: Till) -> None:
    now = datetime.now(UTC)
    assert till.post("/orders", cart(occurred_at=(now - timedelta(hours=23)).isoformat())).status == 201
    assert (
        till.post("/orders", cart(occurred_at=(now - timedelta(hours=25)).isoformat())).code
        == "bad_occurred_at"
    )
    assert (
        till.post("/orders", cart(occurred_at="2026-11-21T10:00:00")).json["errors"][0]["code"]
        == "bad_format"
    )


def test_facts_have_a_limit(till: Till) -> None:
    refused = till.post("/orders", cart(facts={"note": "x" * 17_000}))
    assert (refused.code, refused.json["errors"][0]["pointer"]) == ("invalid_input", "/facts")


def test_pages_neither_repeat_nor_skip_while_orders_come_in(till: Till) -> None:
    for _ in range(7):
        till.post("/orders", cart())
    first = {row["id"] for row in till.get("/orders", limit=200).json["orders"]}
    seen: list[str] = []
    cursor = None
    while True:
        page = till.get("/orders", limit=3, **({"cursor": cursor} if cursor else {})).json
        seen += [row["id"] for row in page["orders"]]
        till.post("/orders", cart())  # a rival sells between two pages
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == first


def test_orders_of_one_instant_are_paged_by_id(till: Till) -> None:
    for _ in range(5):
        till.post("/orders", cart())
    Order.objects.update(occurred_at=datetime(2026, 11, 1, tzinfo=UTC))
    one = till.get("/orders", limit=2).json
    two = till.get("/orders", limit=2, cursor=one["next_cursor"]).json
    three = till.get("/orders", limit=2, cursor=two["next_cursor"]).json
    ids = [row["id"] for page in (one, two, three) for row in page["orders"]]
    assert len(set(ids)) == 5
    assert three["next_cursor"] is None


def test_orders_by_member_store_and_time(till: Till) -> None:
    member = make_member()
    mine = till.post("/orders", cart(member)).json["id"]
    other = till.post("/orders", {**cart(), "store": "S2"}).json["id"]
    rows = lambda **query: [row["id"] for row in till.get("/orders", **query).json["orders"]]  # noqa: E731
    assert rows(member=str(member.id)) == [mine]
    assert rows(store="S2") == [other]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert rows(**{"from": soon}) == []
    assert rows(to=soon) == [other, mine]
    assert till.get("/orders", store="nowhere").json["errors"] == [
        {"parameter": "store", "code": "invalid_input", "message": "There is no such store."}
    ]


def test_another_stores_order_does_not_exist_for_a_bound_key(till: Till, shop: Any) -> None:
    bound = Till(make_key(*Scope, store_ids=[shop.id])[1])
    theirs = till.post("/orders", {**cart(), "store": "S2"}).json["id"]
    mine = bound.post("/orders", cart()).json["id"]
    for answer in (
        bound.get(f"/orders/{theirs}"),
        bound.get(f"/orders/{theirs}/refund-quote"),
        bound.post(f"/orders/{theirs}/refund", {"reason": "mine now"}),
        bound.get(f"/orders/{uuid4()}"),
    ):
        assert (answer.status, answer.code) == (404, "order_not_found")
    assert [row["id"] for row in bound.get("/orders").json["orders"]] == [mine]
    assert bound.get("/orders", store="S2").code == "invalid_input"
    assert bound.post("/orders", {**cart(), "store": "S2"}).code == "out_of_store_scope"
    assert bound.post("/quotes", {**cart(), "store": "S2"}).code == "out_of_store_scope"
    assert Order.objects.get(id=theirs).status == "committed"
