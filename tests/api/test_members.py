"""Members over the API: registered, found, read masked or in clear, changed; balances and explained entries."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from shuke.core.models import AuditEvent, IdempotentCall
from shuke.core.values import Scope
from shuke.members.models import AttributeDefinition, Member
from shuke.members.queries import open_profiles
from tests.api.client import Till
from tests.factories.core import NOW, make_key
from tests.factories.members import make_member

NEW: dict[str, Any] = {
    "name": "王小明",
    "phone": "138 1234 5678",
    "email": "xm@example.com",
    "birthday": "1990-02-28",
    "gender": "male",
    "cards": ["CARD-0001"],
    "external_ids": [{"system": "wechat", "value": "o-77"}],
    "tags": ["vip"],
    "join_store": "S1",
    "join_channel": "pos",
}


def test_register_and_find_by_everything(till: Till) -> None:
    made = till.post("/members", NEW)
    assert made.status == 201
    body = made.json
    assert (body["name"], body["phone"], body["email"]) == ("王*明", "138****5678", "x***@example.com")
    assert (body["join_store"], body["tier"], body["personal"]) == ("S1", "classic", None)
    profile = open_profiles([Member.objects.get().id]).popitem()[1]
    assert (profile.name, profile.phone) == ("王小明", "+8613812345678")
    for text, by in (
        (body["number"], "number"),
        ("13812345678", "phone"),
        ("XM@example.com", "email"),
        ("card0001", "card"),
        ("o-77", "external"),
        ("5678", "search"),
        ("王小明", "search"),
        ("wangxiaoming", "search"),
        ("wxm", "search"),
    ):
        found = till.post("/members/identify", {"text": text}, key=None).json["candidates"]
        assert [(row["id"], row["matched_by"]) for row in found] == [(body["id"], by)], text
    for kind, text in (("phone", "13812345678"), ("number", body["number"]), ("card", "card0001")):
        found = till.post("/members/identify", {"text": text, "kind": kind}, key=None).json["candidates"]
        assert [(row["id"], row["matched_by"]) for row in found] == [(body["id"], kind)]
        assert found[0]["phone"] == "138****5678"


def test_nobody_is_an_empty_list(till: Till) -> None:
    assert till.post("/members/identify", {"text": "0000"}, key=None).json == {"candidates": []}
    assert till.post("/members/identify", {"text": "13900000000", "kind": "phone"}, key=None).json == {
        "candidates": []
    }


def test_four_digits_give_every_candidate_masked(till: Till) -> None:
    for phone in ("13811116621", "13922226621", "13733330000"):
        make_member(phone=phone)
    found = till.post("/members/identify", {"text": "6621"}, key=None).json["candidates"]
    assert sorted(row["phone"] for row in found) == ["138****6621", "139****6621"]


def test_a_member_code_works_once_and_its_answer_again(till: Till) -> None:
    member = make_member()
    code = till.post(f"/members/{member.id}/qr", key=None)
    assert code.status == 201
    scanned = till.post("/members/identify", {"text": code.json["token"]}, key="scan-1")
    assert scanned.json["candidates"][0]["id"] == str(member.id)
    again = till.post("/members/identify", {"text": code.json["token"]}, key="scan-1")
    assert (again.body, again.headers["idempotency-replayed"]) == (scanned.body, "true")
    assert till.post("/members/identify", {"text": code.json["token"]}, key="scan-2").code == "qr_used"
    assert till.post("/members/identify", {"text": "SK" + "A" * 56}, key=None).code == "qr_invalid"


def test_a_taken_phone_is_refused_without_telling_whose(till: Till) -> None:
    till.post("/members", NEW)
    refused = till.post("/members", {"phone": NEW["phone"], "name": "别人"})
    assert (refused.status, refused.code) == (409, "identifier_taken")
    assert refused.json["errors"][0]["pointer"] == "/phone"
    assert "王" not in refused.body.decode()
    assert Member.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"phone": "123"}, "/phone"),
        ({"email": "nobody"}, "/email"),
        ({"birthday": "1800-01-01"}, "/birthday"),
        ({"number": "123456789012"}, "/number"),
        ({"join_store": "nowhere"}, "/join_store"),
        ({"join_channel": "fax"}, "/join_channel"),
        ({"attributes": {"shoe": 42}}, "/attributes/shoe"),
        ({"external_ids": [{"system": "a", "value": "1"}, {"system": "a", "value": "2"}]}, "/external_ids"),
        ({"name": "a\tb\x07"}, "/name"),
    ],
)
def test_unusable_personal_data_is_refused_by_place(till: Till, change: dict[str, Any], pointer: str) -> None:
    refused = till.post("/members", {**NEW, **change})
    assert refused.status == 422, refused
    assert refused.json["errors"][0]["pointer"] == pointer
    assert not Member.objects.exists()


def test_change_a_member(till: Till) -> None:
    AttributeDefinition.objects.create(code="size", kind="text", labels={"en": "Size"}, created_at=NOW)
    member_id = till.post("/members", NEW).json["id"]
    changed = till.patch(
        f"/members/{member_id}",
        {"name": "王明", "phone": "13987654321", "email": None, "attributes": {"size": "XL"}},
    )
    assert (changed.json["name"], changed.json["phone"], changed.json["email"]) == ("王*", "139****4321", "")
    assert changed.json["attributes"] == {"size": "XL"}
    assert till.post("/members/identify", {"text": "13812345678"}, key=None).json["candidates"] == []
    assert till.put(f"/members/{member_id}/tags", {"tags": ["b", "a", "a"]}).json["tags"] == ["a", "b"]
    assert till.patch(f"/members/{member_id}", {"status": "frozen"}).json["errors"][0]["pointer"] == "/reason"
    frozen = till.patch(f"/members/{member_id}", {"status": "frozen", "reason": "card was stolen"})
    assert frozen.json["status"] == "frozen"
    assert AuditEvent.objects.filter(action="members.change_status", actor_kind="key").count() == 1


def test_a_change_that_fails_halfway_changes_nothing(till: Till) -> None:
    member_id = till.post("/members", NEW).json["id"]
    assert till.patch(f"/members/{member_id}", {"name": "李四", "attributes": {"nope": 1}}).status == 422
    assert open_profiles([Member.objects.get().id]).popitem()[1].name == "王小明"


def test_clear_data_needs_its_scope_and_is_audited(till: Till) -> None:
    member_id = till.post("/members", NEW).json["id"]
    reader = Till(make_key(Scope.MEMBERS_READ)[1])
    assert reader.get(f"/members/{member_id}").json["personal"] is None
    refused = reader.get(f"/members/{member_id}", include="personal")
    assert (refused.status, refused.code) == (403, "missing_scope")
    assert not AuditEvent.objects.filter(action="members.read_personal").exists()
    key, secret = make_key(Scope.MEMBERS_READ, Scope.MEMBERS_PERSONAL)
    clear = Till(secret).get(f"/members/{member_id}", include="personal").json["personal"]
    assert clear == {
        "name": "王小明",
        "phone": "+8613812345678",
        "email": "xm@example.com",
        "birthday": "1990-02-28",
        "gender": "male",
        "address": "",
        "note": "",
        "extra": {},
    }
    event = AuditEvent.objects.get(action="members.read_personal")
    assert (event.actor_kind, event.actor_id, event.object_id) == ("key", key.id, member_id)


def test_stored_answers_hold_no_clear_personal_data(till: Till) -> None:
    till.post("/members", NEW)
    stored = bytes(IdempotentCall.objects.get().body).decode()
    for secret in ("王小明", "13812345678", "xm@example.com", "1990-02-28"):
        assert secret not in stored


def test_lists_are_filtered_and_stable(till: Till) -> None:
    members = [make_member(tags=["gold"] if i % 2 else []) for i in range(7)]
    first = till.get("/members", limit=3).json
    make_member(now=NOW + timedelta(hours=1))
    second = till.get("/members", limit=3, cursor=first["next_cursor"]).json
    third = till.get("/members", limit=3, cursor=second["next_cursor"]).json
    ids = [row["id"] for page in (first, second, third) for row in page["members"]]
    assert sorted(ids) == sorted(str(member.id) for member in members)
    assert third["next_cursor"] is None
    assert len(till.get("/members", tag="gold").json["members"]) == 3
    assert till.get("/members", status="closed").json["members"] == []
    assert till.get("/members", status="gone").json["errors"][0]["code"] == "not_a_choice"
    assert till.get("/members", joined_from="2030-01-01T00:00:00Z").json["members"] == []
    assert len(till.get("/members", text="lin").json["members"]) == 8


def test_a_bound_key_sees_its_own_members_but_identifies_anyone(till: Till, shop: Any) -> None:
    mine = make_member("张三", join_store_id=shop.id)
    theirs = till.post("/members", {"name": "李四", "phone": "13800001111", "join_store": "S2"}).json["id"]
    bound = Till(make_key(*Scope, store_ids=[shop.id])[1])
    assert [row["id"] for row in bound.get("/members").json["members"]] == [str(mine.id)]
    for answer in (
        bound.get(f"/members/{theirs}"),
        bound.get(f"/members/{theirs}", include="personal"),
        bound.get(f"/members/{theirs}/balances"),
        bound.get(f"/members/{theirs}/entries"),
        bound.post(f"/members/{theirs}/qr", key=None),
        bound.patch(f"/members/{theirs}", {"name": "x"}),
        bound.put(f"/members/{theirs}/tags", {"tags": ["x"]}),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert not AuditEvent.objects.filter(action="members.read_personal").exists()
    found = bound.post("/members/identify", {"text": "13800001111"}, key=None).json["candidates"]
    assert [(row["id"], row["name"]) for row in found] == [(theirs, "李*")]
    assert (
        bound.post("/members", {"name": "x", "join_store": "S2"}).json["errors"][0]["pointer"]
        == "/join_store"
    )
    assert bound.get("/members", store="S2").code == "invalid_input"


def test_balances_and_entries_explain_themselves(till: Till) -> None:
    member = make_member()
    lines = [{"sku": "C", "quantity": 1, "unit_price_minor": 300000}]
    cart = {
        "store": "S1",
        "channel": "pos",
        "lines": lines,
        "member": {"kind": "id", "value": str(member.id)},
    }
    till.post("/orders", cart)
    paid = till.post("/orders", {**cart, "points_to_use": 200}).json["id"]
    till.post(f"/orders/{paid}/refund", {"reason": "broken"})
    balances = {row["asset"]: row for row in till.get(f"/members/{member.id}/balances").json["balances"]}
    entries = till.get(f"/members/{member.id}/entries").json["entries"]
    for asset, row in balances.items():
        assert row["balance"] == sum(entry["amount"] for entry in entries if entry["asset"] == asset)
    told = {(entry["kind"], entry["asset"]): entry for entry in entries}
    assert " from 消费积分" in told["earn", "points"]["explanation"]
    assert re.search(r"\d+ more for \S+ \(×1\.\d+\)", "".join(entry["explanation"] for entry in entries))
    assert told["earn", "points"]["explain"]["rules"]
    assert told["redeem", "points"]["explanation"] == "Used as cash in an order, worth ¥2.00 together."
    assert {e["explanation"] for e in entries if e["kind"] == "reversal"} == {
        "Returned, because the order they were used in was refunded.",
        "Taken back, because the order they came from was refunded.",
    }
    only = till.get(f"/members/{member.id}/entries", asset="points", limit=2).json
    assert {entry["asset"] for entry in only["entries"]} == {"points"}
    rest = till.get(f"/members/{member.id}/entries", asset="points", cursor=only["next_cursor"]).json[
        "entries"
    ]
    assert len(only["entries"]) + len(rest) == sum(1 for entry in entries if entry["asset"] == "points")
    chinese = Till(till.secret, "zh-CN").get(f"/members/{member.id}/entries").json["entries"]
    assert any("订单" in entry["explanation"] for entry in chinese)


def test_a_cursor_of_another_list_is_refused(till: Till) -> None:
    for _ in range(3):
        make_member()
    cursor = till.get("/members", limit=1).json["next_cursor"]
    member = Member.objects.first()
    assert member is not None
    for path in ("/products", "/stores", f"/members/{member.id}/entries"):
        refused = till.get(path, cursor=cursor)
        assert refused.code == "invalid_input"
        assert refused.json["errors"][0]["parameter"] == "cursor"
    assert till.get("/members", cursor=cursor[:-2] + "xx").json["errors"][0]["parameter"] == "cursor"
