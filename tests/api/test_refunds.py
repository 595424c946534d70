"""Refunds on the wire: parts, voids, cancellations, exchanges, write-offs and receipts."""

from __future__ import annotations

from typing import Any

from shuke.checkout.models import Order, Refund
from shuke.ledger.models import Account
from shuke.members.models import Member
from tests.api.client import Till
from tests.factories.checkout import publish
from tests.factories.members import make_member


def cart(member: Member | None, *lines: tuple[str, int], **more: Any) -> dict[str, Any]:
    who = {"member": {"kind": "id", "value": str(member.id)}} if member else {}
    goods = [{"sku": sku, "quantity": units} for sku, units in lines]
    return {"store": "S1", "channel": "pos", "lines": goods, **who, **more}


def points(member: Member) -> tuple[int, int]:
    account = Account.objects.get(member_id=member.id, asset="points")
    return account.balance, account.debt


def test_a_part_is_quoted_and_refunded_with_the_same_figures(till: Till) -> None:
    member = make_member()
    sold = till.post("/orders", cart(member, ("A", 2), ("B", 4))).json
    part = {"lines": [{"line_no": 1, "quantity": "0.5"}, {"line_no": 2, "sales_minor": 100}]}
    quoted = till.post(f"/orders/{sold['id']}/refund-quote", part)
    assert (quoted.status, quoted.json["payable_minor"], quoted.json["is_whole"]) == (200, 600, False)
    done = till.post(f"/orders/{sold['id']}/refund", {**part, "reason": "bruised"})
    assert done.status == 201
    assert {name: done.json[name] for name in quoted.json} == quoted.json
    read = till.get(f"/orders/{sold['id']}").json
    assert [line["returned_quantity"] for line in read["lines"]] == ["0.5", "0"]
    assert (read["refunded_sales_minor"], read["refunds"][0]["sales_minor"]) == (600, 600)
    rest = till.post(f"/orders/{sold['id']}/refund", {"reason": "all of it"}).json
    assert (rest["payable_minor"], rest["is_whole"], points(member)) == (2400, True, (0, 0))


def test_more_than_is_left_is_refused_with_its_field(till: Till) -> None:
    sold = till.post("/orders", cart(None, ("A", 2))).json
    asked = {"lines": [{"line_no": 1, "quantity": 3}], "reason": "too many"}
    refused = till.post(f"/orders/{sold['id']}/refund", asked)
    assert (refused.status, refused.code) == (422, "refund_exceeds_quantity")
    assert "lines" in str(refused.json["errors"][0])
    assert not Refund.objects.exists()


def test_void_cancellation_and_delivery(till: Till) -> None:
    here = till.post("/orders", cart(None, ("A", 1))).json
    assert till.post(f"/orders/{here['id']}/cancellation", {"reason": "no"}).code == "not_for_delivery"
    assert till.post(f"/orders/{here['id']}/void", {"reason": "typed twice"}).json["kind"] == "void"
    assert till.get(f"/orders/{here['id']}").json["status"] == "voided"
    sent = till.post("/orders", cart(None, ("A", 2), facts={"delivery": "pending"})).json
    one = {"lines": [{"line_no": 1, "quantity": 1}]}
    assert till.post(f"/orders/{sent['id']}/cancellation-quote", one).json["payable_minor"] == 1000
    assert till.post(f"/orders/{sent['id']}/cancellation", {**one, "reason": "late"}).status == 201
    assert till.post(f"/orders/{sent['id']}/delivery").status == 201
    assert till.post(f"/orders/{sent['id']}/cancellation", {"reason": "late"}).code == "already_delivered"


def test_an_exchange_is_quoted_and_made_in_one_act(till: Till) -> None:
    member = make_member()
    sold = till.post("/orders", cart(member, ("A", 2))).json
    asked = {"lines": [{"line_no": 1, "quantity": 1}], "order": cart(None, ("B", 10))}
    quoted = till.post(f"/orders/{sold['id']}/exchange-quote", asked)
    assert (quoted.status, quoted.json["balance_minor"], Order.objects.count()) == (200, 1500, 1)
    made = till.post(f"/orders/{sold['id']}/exchange", {**asked, "reason": "wrong size"})
    assert (made.status, made.json["balance_minor"]) == (201, 1500)
    assert Refund.objects.get().exchange_order_id == Order.objects.get(id=made.json["order"]["id"]).id
    assert points(member) == (35, 0)


def test_a_receipt_without_member_is_claimed_once(till: Till) -> None:
    member = make_member()
    sold = till.post("/orders", cart(None, ("A", 3), number="T-77")).json
    assert sold["receipt_code"].startswith("T-77-")
    who = {"kind": "id", "value": str(member.id)}
    wrong = till.post("/receipts/attach", {"receipt": "T-77-AAAAAAAA", "member": who})
    assert (wrong.status, wrong.code) == (404, "unknown_receipt")
    done = till.post("/receipts/attach", {"receipt": sold["receipt_code"], "member": who})
    assert (done.status, done.json["points_earned"], points(member)) == (201, 30, (30, 0))
    again = till.post("/receipts/attach", {"receipt": sold["receipt_code"], "member": who})
    assert again.code == "order_has_member"
    assert till.get(f"/orders/{sold['id']}").json["receipt_code"] is None


def test_the_key_that_refunded_never_writes_off(till: Till) -> None:
    publish(policies={"refund_shortfall": "write_off"})
    member = make_member()
    sold = till.post("/orders", cart(member, ("A", 30))).json
    till.post("/orders", cart(member, ("A", 6), points_to_use=300))
    done = till.post(f"/orders/{sold['id']}/refund", {"reason": "returned"}).json
    assert done["debt_created"] > 0
    refused = till.post(f"/refunds/{done['id']}/write-off", {"reason": "goodwill"})
    assert (refused.status, refused.code) in {(403, "second_person_needed"), (403, "not_allowed")}
