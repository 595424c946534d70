"""Moves by hand over the API: scoped, covered by stores, once per key, within the programme."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shuke.catalog.models import Store
from shuke.checkout.invariants import verify_orders
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.ledger.logic import WAITING
from shuke.ledger.models import Account, Gift, Hold, Lot, Transfer
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.api.client import Till
from tests.factories.checkout import START, publish, sell
from tests.factories.core import make_key
from tests.factories.ledger import give, owe
from tests.factories.members import make_member

DAY = timedelta(days=1)


@pytest.fixture
def member(till: Till) -> Member:
    """A member with 500 points, under a programme that lets keys adjust and members give."""
    publish(
        START + DAY,
        adjustments={"points": {"limits": {"api_key": 300, "store_manager": 300}, "four_eyes_above": 100}},
        transfers={"points": {"maximum": 200, "fee_percent": "10"}},
    )
    forget_versions()
    made = make_member()
    give(made.id, 500, at=now() - DAY, expires_at=now() + 30 * DAY)
    return made


def balance(till: Till, member: Member) -> dict[str, Any]:
    return next(
        row for row in till.get(f"/members/{member.id}/balances").json["balances"] if row["asset"] == "points"
    )


def test_adjustments_are_posted_or_wait(till: Till, member: Member) -> None:
    path = f"/members/{member.id}/adjustments"
    small = till.post(path, {"amount": -60, "reason": "double scan"})
    assert (small.status, small.json["status"]) == (201, "posted")
    assert Account.objects.get().balance == 440
    large = till.post(path, {"amount": 250, "reason": "goodwill"}).json
    assert (large["status"], large["transfer_id"]) == ("requested", None)
    assert till.get(f"/adjustments/{large['id']}").json == large
    listed = till.get("/adjustments", status="requested").json
    assert [row["id"] for row in listed["adjustments"]] == [large["id"]]
    first = till.get("/adjustments", limit=1, member_id=str(member.id)).json
    rest = till.get("/adjustments", limit=1, member_id=str(member.id), cursor=first["next_cursor"]).json
    assert [first["adjustments"][0]["amount"], rest["adjustments"][0]["amount"]] == [250, -60]
    done = till.post(f"/adjustments/{large['id']}/withdraw", {"note": "wrong member"})
    assert (done.json["status"], done.json["note"]) == ("rejected", "wrong member")
    assert till.post(f"/adjustments/{large['id']}/withdraw", {"note": "again"}).code == "adjustment_decided"
    for body, code in (
        ({"amount": 301, "reason": "r"}, "adjustment_beyond_limit"),
        ({"amount": 1, "reason": "r", "asset": "growth"}, "adjustment_not_allowed"),
        ({"amount": 1, "reason": "r", "asset": "moons"}, "unknown_asset"),
        ({"amount": 0, "reason": "r"}, "bad_units"),
        ({"amount": 1, "reason": " "}, "reason_missing"),
        ({"amount": 1.5, "reason": "r"}, "invalid_request"),
    ):
        assert till.post(path, body).code == code
    assert till.get(f"/adjustments/{uuid4()}").code == "unknown_adjustment"


def test_another_keys_request_is_not_taken_back(till: Till, member: Member) -> None:
    asked = till.post(f"/members/{member.id}/adjustments", {"amount": 250, "reason": "goodwill"}).json
    other = Till(make_key(Scope.LEDGER_WRITE)[1])
    assert other.post(f"/adjustments/{asked['id']}/withdraw", {"note": "n"}).code == "not_allowed"


def test_a_hold_is_placed_captured_and_released(till: Till, member: Member) -> None:
    path = f"/members/{member.id}/holds"
    placed = till.post(path, {"amount": 200, "reason": "booking", "reference": "B-7"})
    assert (placed.status, placed.json["status"], placed.json["reference"]) == (201, "held", "B-7")
    assert (balance(till, member)["usable"], balance(till, member)["held"]) == (300, 200)
    assert till.post(path, {"amount": 301, "reason": "r"}).code == "not_enough"
    captured = till.post(f"/holds/{placed.json['id']}/capture", {"amount": 150})
    assert (captured.status, captured.json["captured"], captured.json["status"]) == (200, 150, "captured")
    assert till.post(f"/holds/{placed.json['id']}/release").code == "hold_ended"
    other = till.post(path, {"amount": 10, "reason": "r"}).json
    assert till.post(f"/holds/{other['id']}/capture", {"amount": 11}).code == "hold_too_small"
    assert till.post(f"/holds/{other['id']}/release").json["status"] == "released"
    assert [row["status"] for row in till.get(path).json["holds"]] == ["released", "captured"]
    assert (balance(till, member)["usable"], balance(till, member)["held"]) == (350, 0)
    past = (now() - DAY).isoformat()
    assert till.post(path, {"amount": 1, "reason": "r", "until": past}).code == "bad_hold_end"
    assert till.post(f"/holds/{uuid4()}/release").code == "unknown_hold"
    assert reconcile().is_clean


def test_the_same_key_moves_once(till: Till, member: Member) -> None:
    receiver = make_member()
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/members/{member.id}/adjustments", {"amount": 10, "reason": "r"}),
        (f"/members/{member.id}/holds", {"amount": 10, "reason": "r"}),
        (f"/members/{member.id}/transfers", {"amount": 10, "reason": "r", "receiver_id": str(receiver.id)}),
    ]
    for number, (path, body) in enumerate(calls):
        first = till.post(path, body, key=f"once-{number}")
        again = till.post(path, body, key=f"once-{number}")
        assert (again.status, again.body) == (first.status, first.body)
        assert till.post(path, {**body, "amount": 11}, key=f"once-{number}").code == "idempotency_conflict"
        assert till.post(path, body, key=None).code == "idempotency_key_missing"
    assert (Transfer.objects.filter(kind="adjust").count(), Hold.objects.count(), Gift.objects.count()) == (
        1,
        1,
        1,
    )


def test_points_are_given_within_the_policy(till: Till, member: Member) -> None:
    receiver = make_member()
    owe(receiver.id, 30, at=now() - DAY)
    path = f"/members/{member.id}/transfers"
    body = {"amount": 100, "reason": "gift", "receiver_id": str(receiver.id)}
    sent = till.post(path, body)
    assert (sent.status, sent.json["fee"]) == (201, 10)
    assert (balance(till, member)["balance"], balance(till, receiver)["balance"]) == (390, 70)
    assert till.get(f"/members/{receiver.id}/transfers").json == {
        "transfers": [sent.json],
        "next_cursor": None,
    }
    assert till.get(f"/members/{receiver.id}/debts").json == {"debts": [], "next_cursor": None}
    (debt,) = till.get(f"/members/{receiver.id}/debts", include="settled").json["debts"]
    assert (debt["amount"], debt["outstanding"], debt["age_days"]) == (30, 0, 1)
    assert [part["amount"] for part in debt["recoveries"]] == [30]
    for change, code in (
        ({"amount": 201}, "transfer_out_of_range"),
        ({"receiver_id": str(member.id)}, "transfer_to_self"),
        ({"receiver_id": str(uuid4())}, "not_found"),
        ({"asset": "growth"}, "transfer_not_allowed"),
    ):
        assert till.post(path, {**body, **change}).code == code


def test_an_event_activates_once(till: Till, member: Member) -> None:
    lot = give(member.id, 40, at=now() - DAY, active_at=WAITING)
    Lot.objects.filter(id=lot).update(waits_for="delivered")
    body = {"event": "delivered", "member_id": str(member.id)}
    assert till.post("/activations", body).json == {"lots": 1}
    assert till.post("/activations", body).json == {"lots": 0}
    assert balance(till, member)["usable"] == 540
    assert till.post("/activations", {"event": "delivered"}).code == "invalid_input"
    assert till.post("/activations", {"event": "x", "order_id": str(uuid4())}).code == "order_not_found"


def test_a_key_needs_the_scope_and_the_store(till: Till, member: Member) -> None:
    stores = {store.code: store.id for store in Store.objects.all()}
    Member.objects.filter(id=member.id).update(join_store_id=stores["S1"])
    reader = Till(make_key(Scope.LEDGER_READ)[1])
    elsewhere = Till(make_key(Scope.LEDGER_READ, Scope.LEDGER_WRITE, store_ids=[stores["S2"]])[1])
    asked = till.post(f"/members/{member.id}/adjustments", {"amount": 250, "reason": "r"}).json
    held = till.post(f"/members/{member.id}/holds", {"amount": 5, "reason": "r"}).json
    receiver = make_member()
    writes: list[tuple[str, dict[str, Any] | None]] = [
        (f"/members/{member.id}/adjustments", {"amount": 1, "reason": "r"}),
        (f"/members/{member.id}/holds", {"amount": 1, "reason": "r"}),
        (f"/members/{member.id}/transfers", {"amount": 1, "reason": "r", "receiver_id": str(receiver.id)}),
        (f"/adjustments/{asked['id']}/withdraw", {"note": "r"}),
        (f"/holds/{held['id']}/capture", {}),
        (f"/holds/{held['id']}/release", None),
        ("/activations", {"event": "delivered", "member_id": str(member.id)}),
    ]
    for path, body in writes:
        assert reader.post(path, body).code == "missing_scope", path
        assert elsewhere.post(path, body).code == "not_found", path
    for path in ("holds", "transfers", "debts"):
        assert elsewhere.get(f"/members/{member.id}/{path}").code == "not_found", path
    assert elsewhere.get(f"/adjustments/{asked['id']}").code == "not_found"
    assert elsewhere.get("/adjustments").json["adjustments"] == []
    assert Account.objects.get().balance == 500


def test_a_hold_is_captured_for_an_order_of_its_member_in_reach_only(till: Till, member: Member) -> None:
    at = now() - timedelta(hours=1)
    order, other = (
        sell(("A", 3), member=member, points=100, now=at),
        sell(("A", 3), member=make_member(), now=at),
    )
    stores = {store.code: store.id for store in Store.objects.all()}
    elsewhere = Till(make_key(Scope.LEDGER_WRITE, store_ids=[stores["S2"]])[1])
    for key, named in ((till, other["id"]), (till, str(uuid4())), (elsewhere, order["id"])):
        held = till.post(f"/members/{member.id}/holds", {"amount": 50, "reason": "r"}).json["id"]
        assert key.post(f"/holds/{held}/capture", {"order_id": named}).code == "order_not_found"
        till.post(f"/holds/{held}/release")
    held = till.post(f"/members/{member.id}/holds", {"amount": 50, "reason": "deposit"}).json["id"]
    assert till.post(f"/holds/{held}/capture", {"order_id": order["id"]}).status == 200
    assert (
        str(Transfer.objects.get(kind="redeem", order_id=order["id"], reason="deposit").order_id)
        == order["id"]
    )
    assert verify_orders()[1] == []  # the deposit is no part of what the sale was paid with
    back = till.post(f"/orders/{order['id']}/refund", {"reason": "returned"}).json
    assert back["points_returned"] == 100
    assert (verify_orders()[1], reconcile().differences) == ([], ())


def paged(till: Till, path: str, name: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, two a page."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = till.get(path, limit=2, **query, **cursor).json
        assert 0 < len(page[name]) <= 2
        rows += page[name]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}


def test_long_lists_come_in_pages(till: Till, member: Member) -> None:
    receiver = make_member()
    for number in range(5):
        owe(receiver.id, 10 + number, at=now() - DAY * (9 - number))
    for number in range(5):
        till.post(f"/members/{member.id}/holds", {"amount": 1 + number, "reason": "r"})
        till.post(
            f"/members/{member.id}/transfers",
            {"amount": 5 + number, "reason": "r", "receiver_id": str(receiver.id)},
        )
    assert [row["amount"] for row in paged(till, f"/members/{member.id}/holds", "holds")] == [5, 4, 3, 2, 1]
    gifts = paged(till, f"/members/{receiver.id}/transfers", "transfers")
    assert [row["amount"] for row in gifts] == [9, 8, 7, 6, 5]
    debts = f"/members/{receiver.id}/debts"
    # 35 given pay 10, 11, 12 and 2 of 13.
    assert [row["outstanding"] for row in paged(till, debts, "debts")] == [11, 14]
    assert [row["amount"] for row in paged(till, debts, "debts", include="settled")] == [10, 11, 12, 13, 14]
    wrong = till.get(f"/members/{member.id}/holds", limit=2).json["next_cursor"]
    assert till.get(debts, cursor=wrong).code == "invalid_input"
