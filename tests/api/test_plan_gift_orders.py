"""Gift codes of a plan in bulk over the API: once per key, watched, read page by page on record, paid back, within stores."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from shuke.core.models import AuditEvent, IdempotentCall
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.loyalty.plans.gift_orders import make_gifts
from shuke.loyalty.plans.models import PlanGiftOrder, PlanRefund
from shuke.loyalty.plans.queries import verify_plans
from tests.api.client import Till, new_key
from tests.factories.catalog import make_store
from tests.factories.core import make_key
from tests.factories.members import make_member
from tests.factories.plans import make_club

pytestmark = pytest.mark.django_db(transaction=True)
BULK = [Scope.CHECKOUT_READ, Scope.CHECKOUT_WRITE, Scope.COUPONS_CODES]
WHY = {"reason": "For the firm"}
BACK = {"tender": "transfer", "reason": "the firm closed"}


@pytest.fixture
def office() -> Till:
    """A key of the head office."""
    make_club()
    return Till(make_key(*BULK)[1])


def order(count: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "plan": "plus",
        "count": count,
        "tender": "transfer",
        "reference": "INV-7",
        "note": "ACME",
        **more,
    }


def made(till: Till, **more: Any) -> str:
    """An order that is finished; its address."""
    placed = till.post("/plan-gift-orders", order(**more)).json["id"]
    while make_gifts(order_id=placed, now=now(), limit=3):
        pass
    return f"/plan-gift-orders/{placed}"


def test_codes_are_ordered_once_watched_read_redeemed_and_paid_back(office: Till) -> None:
    key = new_key()
    placed = office.call("POST", "/plan-gift-orders", order(), key=key)
    assert (placed.status, placed.json["state"], placed.json["made"]) == (201, "running", 0)
    assert (placed.json["price_minor"], placed.json["note"]) == (12000, "ACME")
    assert office.call("POST", "/plan-gift-orders", order(), key=key).json == placed.json
    assert office.call("POST", "/plan-gift-orders", order(6), key=key).code == "idempotency_conflict"
    path = f"/plan-gift-orders/{placed.json['id']}"
    assert office.call("POST", f"{path}/codes", WHY).code == "plan_gift_order_not_ready"
    assert office.post(f"{path}/take-back", BACK).code == "plan_gift_order_not_ready"
    make_gifts(order_id=placed.json["id"], now=now(), limit=3)
    assert [office.get(path).json[name] for name in ("state", "made", "open")] == ["running", 3, 3]
    make_gifts(order_id=placed.json["id"], now=now(), limit=3)
    first = office.call("POST", f"{path}/codes", {**WHY, "limit": 3}).json
    rest = office.call("POST", f"{path}/codes", {**WHY, "limit": 3, "after": first["next"]}).json
    codes = [each["code"] for each in (*first["codes"], *rest["codes"])]
    assert (len(first["codes"]), len(set(codes)), rest["next"]) == (3, 5, None)
    assert AuditEvent.objects.filter(action="loyalty.plan_gift_codes_read.v1").count() == 2
    stored = b"".join(bytes(each) for each in IdempotentCall.objects.values_list("body", flat=True))
    assert not any(code.encode() in stored for code in codes)

    member = make_member(now=now())
    assert office.post(f"/members/{member.id}/plans/redeem", {"code": codes[0]}).status == 201
    single = {"tender": "transfer", "reason": "lost"}
    assert office.post(f"/plan-gifts/{first['codes'][1]['id']}/take-back", single).status == 200
    left = office.call("POST", f"{path}/codes", WHY).json["codes"]
    assert [each["code"] for each in left] == codes[2:]
    key = new_key()
    back = office.call("POST", f"{path}/take-back", BACK, key=key).json
    assert (back["state"], back["taken_back"], back["open"], back["redeemed"]) == ("void", 3, 0, 1)
    assert office.call("POST", f"{path}/take-back", BACK, key=key).json == back
    assert office.post(f"{path}/take-back", BACK).code == "plan_gift_order_ended"
    assert office.call("POST", f"{path}/codes", WHY).code == "plan_gift_order_ended"
    other = make_member(now=now())
    assert office.post(f"/members/{other.id}/plans/redeem", {"code": codes[2]}).code == "plan_code_used"
    assert sum(PlanRefund.objects.values_list("refund_minor", flat=True)) == 4 * 12000
    assert verify_plans(now=now()) == []


def test_orders_are_listed_by_plan_and_page(office: Till) -> None:
    paths = [made(office, plan=plan) for plan in ("plus", "black", "plus")]
    ids = [path.rpartition("/")[2] for path in paths]
    page = office.get("/plan-gift-orders", plan="plus", limit=1).json
    assert [each["id"] for each in page["orders"]] == [ids[2]]
    rest = office.get("/plan-gift-orders", plan="plus", limit=1, cursor=page["next_cursor"]).json
    assert ([each["id"] for each in rest["orders"]], rest["next_cursor"]) == ([ids[0]], None)
    assert [each["id"] for each in office.get("/plan-gift-orders").json["orders"]] == ids[::-1]
    assert office.get("/plan-gift-orders", cursor="x").status == 422


def test_a_till_neither_orders_nor_reads_codes_and_other_stores_are_unknown(office: Till) -> None:
    here, there = make_store(), make_store()
    path = made(office, store=there.code)
    till = Till(make_key(Scope.CHECKOUT_READ, Scope.CHECKOUT_WRITE)[1])
    for address, body in (
        ("/plan-gift-orders", order()),
        (f"{path}/codes", WHY),
        (f"{path}/take-back", BACK),
    ):
        assert till.post(address, body).status == 403
    local = Till(make_key(*BULK, store_ids=[here.id])[1])
    assert local.get(path).code == "plan_gift_order_unknown"
    assert local.call("POST", f"{path}/codes", WHY).code == "plan_gift_order_unknown"
    assert local.post(f"{path}/take-back", BACK).code == "plan_gift_order_unknown"
    assert local.get("/plan-gift-orders").json["orders"] == []
    assert local.post("/plan-gift-orders", order(store=there.code)).code == "unknown_store"
    assert PlanGiftOrder.objects.get().state == "done"


def test_what_the_head_office_sold_is_not_for_a_key_of_some_stores(office: Till) -> None:
    path = made(office)
    gift = office.call("POST", f"{path}/codes", WHY).json["codes"][0]["id"]
    local = Till(make_key(*BULK, store_ids=[make_store().id])[1])
    assert local.get(path).code == "plan_gift_order_unknown"
    assert local.call("POST", f"{path}/codes", WHY).code == "plan_gift_order_unknown"
    assert local.post(f"{path}/take-back", BACK).code == "plan_gift_order_unknown"
    assert local.post(f"/plan-gifts/{gift}/take-back", BACK).code == "plan_code_not_found"
    assert local.get("/plan-gift-orders").json["orders"] == []
    assert office.get(path).json["open"] == 5


def test_a_key_of_one_store_sells_there_and_a_key_of_several_names_one(office: Till) -> None:
    here, there, beyond = make_store(), make_store(), make_store()
    local = Till(make_key(*BULK, store_ids=[here.id])[1])
    path = made(local)
    assert local.get(path).json["store"] == here.code
    assert len(local.call("POST", f"{path}/codes", WHY).json["codes"]) == 5
    neighbour = Till(make_key(*BULK, store_ids=[beyond.id])[1])
    assert neighbour.call("POST", f"{path}/codes", WHY).code == "plan_gift_order_unknown"
    region = Till(make_key(*BULK, store_ids=[here.id, there.id])[1])
    refused = region.post("/plan-gift-orders", order())
    assert (refused.status, refused.code) == (422, "invalid_input")
    assert PlanGiftOrder.objects.count() == 1
    named = made(region, store=there.code)
    assert [f"/plan-gift-orders/{each['id']}" for each in region.get("/plan-gift-orders").json["orders"]] == [
        named,
        path,
    ]


def test_what_cannot_be_ordered_or_read_is_refused(office: Till) -> None:
    for body, code in (
        (order(plan="none"), "plan_not_found"),
        (order(20_001), "invalid_request"),
        (order(tender="points"), "invalid_input"),
    ):
        assert office.post("/plan-gift-orders", body).code == code, body
    assert office.get(f"/plan-gift-orders/{uuid4()}").code == "plan_gift_order_unknown"
    path = made(office, count=1)
    assert office.call("POST", f"{path}/codes", {"reason": " "}).status == 422
    assert PlanGiftOrder.objects.count() == 1
