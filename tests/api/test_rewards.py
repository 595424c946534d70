from __future__ import annotations

from uuid import uuid4

import pytest

from shuke.catalog.models import Store
from shuke.core.keyset import keyset
from shuke.core.models import IdempotentCall
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.ledger.models import Account
from shuke.rewards.catalogue.codes import pick_up_code
from shuke.rewards.catalogue.models import Redemption
from tests.api.client import Till, new_key
from tests.factories.catalog import make_store
from tests.factories.checkout import make_shop
from tests.factories.core import make_key
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = [Scope.CHECKOUT_READ, Scope.CHECKOUT_WRITE, Scope.PROGRAMME_READ]
MUG = {"code": "mug", "name": {"zh-Hans": "杯子", "en": "Mug"}, "kind": "goods", "points": 300, "stock": 2}


@pytest.fixture
def till():
    make_shop(rewards=[MUG])
    return Till(make_key(*SCOPES)[1])


@pytest.fixture
def member(till):
    made = make_member(now=now())
    give(made.id, 700, at=now())
    return made


def test_the_shelf_as_everybody_and_as_a_member_sees_it(till, member):
    (mug,) = till.get("/rewards").json["rewards"]
    assert (mug["name"], mug["points"], mug["left"], mug["missing"]) == ("Mug", 300, 2, "")
    poor = make_member(now=now())
    (mug,) = till.get("/rewards", member_id=poor.id).json["rewards"]
    assert mug["missing"] == "points"
    assert till.get("/rewards", member_id=till_member()).status == 404


def test_guessing_codes_is_stopped_and_told(till, member):
    guesses = [pick_up_code(keyset(), uuid4()) for _ in range(12)]
    assert till.call("POST", "/redemptions/find", {"code": "2345678A"}).code == "bad_pick_up_code"
    told = [till.call("POST", "/redemptions/find", {"code": code}) for code in guesses]
    assert {each.code for each in told[:9]} == {"unknown_redemption"}
    assert (told[-1].status, told[-1].code) == (429, "too_many_wrong_codes")
    assert 0 < int(told[-1].headers["retry-after"]) <= 60
    assert till.get("/rewards").status == 200
    assert (
        Till(make_key(Scope.CHECKOUT_READ)[1]).call("POST", "/redemptions/find", {"code": guesses[0]}).code
        == "unknown_redemption"
    )


def till_member() -> str:
    return "00000000-0000-7000-8000-000000000000"


def test_redeeming_twice_with_one_key_takes_points_once_and_stores_no_code(till, member):
    path, key = f"/members/{member.id}/redemptions", new_key()
    body = {"reward": "mug", "store": "S1", "expected": {"points": 300}}
    first, again = till.call("POST", path, body, key=key), till.call("POST", path, body, key=key)
    assert (first.status, again.json, again.headers["idempotency-replayed"]) == (201, first.json, "true")
    code = first.json["pick_up_code"]
    assert len(code) == 8
    assert Account.objects.get(member_id=member.id, asset="points").balance == 400
    assert not any(
        code.encode() in bytes(body) for body in IdempotentCall.objects.values_list("body", flat=True)
    )
    assert till.call("POST", path, {**body, "quantity": 2}, key=key).code == "idempotency_conflict"
    found = till.call("POST", "/redemptions/find", {"code": code.lower()}).json
    assert (found["id"], found["status"], found["pick_up_store"]) == (first.json["id"], "placed", "S1")
    assert till.post(f"/redemptions/{found['id']}/ready", {}).json["status"] == "ready"
    assert till.post(f"/redemptions/{found['id']}/hand-over", {"store": "S2"}).code == "wrong_pick_up_store"
    assert till.post(f"/redemptions/{found['id']}/hand-over", {"store": "S1"}).json["status"] == "done"
    assert till.post(f"/redemptions/{found['id']}/cancel", {"reason": "late"}).code == "redemption_ended"
    assert not any(
        code.encode() in bytes(body) for body in IdempotentCall.objects.values_list("body", flat=True)
    )


def test_refusals_are_precise_and_change_nothing(till, member):
    path = f"/members/{member.id}/redemptions"
    assert till.post(path, {"reward": "cup"}).code == "unknown_reward"
    assert till.post(path, {"reward": "mug"}).code == "pick_up_store_missing"
    assert till.post(path, {"reward": "mug", "store": "S1", "quantity": 3}).code == "not_enough"
    give(member.id, 700, at=now())
    refused = till.post(path, {"reward": "mug", "store": "S1", "quantity": 3})
    assert (refused.status, refused.code) == (409, "out_of_stock")
    assert refused.json["errors"][0]["pointer"] == "/quantity"
    changed = till.post(path, {"reward": "mug", "store": "S1", "expected": {"points": 1}})
    assert changed.code == "reward_price_changed"
    assert till.call("POST", path, {"reward": "mug", "store": "S1"}).status == 400
    assert Redemption.objects.count() == 0


def test_cancelling_gives_the_points_back_and_lists_are_paged(till, member):
    path = f"/members/{member.id}/redemptions"
    made = [till.post(path, {"reward": "mug", "store": "S1"}).json["id"] for _ in range(2)]
    page = till.get(path, limit=1).json
    assert [each["id"] for each in page["redemptions"]] == made[:0:-1]
    rest = till.get(path, limit=1, cursor=page["next_cursor"]).json
    assert ([each["id"] for each in rest["redemptions"]], rest["next_cursor"]) == (made[:1], None)
    done = till.post(f"/redemptions/{made[0]}/cancel", {"reason": "changed her mind"}).json
    assert (done["status"], Account.objects.get(member_id=member.id, asset="points").balance) == (
        "cancelled",
        400,
    )
    assert [each["id"] for each in till.get("/redemptions", status="placed").json["redemptions"]] == made[1:]


def test_a_key_of_one_store_neither_sees_nor_hands_over_at_another(till, member):
    made = till.post(f"/members/{member.id}/redemptions", {"reward": "mug", "store": "S1"}).json
    elsewhere = make_store()
    other = Till(make_key(*SCOPES, store_ids=[elsewhere.id])[1])
    assert other.get("/redemptions").json["redemptions"] == []
    assert other.get(f"/redemptions/{made['id']}").code == "unknown_redemption"
    assert (
        other.call("POST", "/redemptions/find", {"code": made["pick_up_code"]}).code == "unknown_redemption"
    )
    assert other.post(f"/redemptions/{made['id']}/hand-over", {}).code == "unknown_redemption"
    assert other.post(f"/redemptions/{made['id']}/cancel", {"reason": "x"}).code == "unknown_redemption"
    reader = Till(make_key(Scope.PROGRAMME_READ)[1])
    assert reader.post(f"/redemptions/{made['id']}/cancel", {"reason": "x"}).status == 403


def test_goods_are_handed_over_where_they_lie(till, member):
    first, second = (Store.objects.get(code=code) for code in ("S1", "S2"))
    asking, counter = (Till(make_key(*SCOPES, store_ids=[each.id])[1]) for each in (first, second))
    body = {"reward": "mug", "store": "S1", "pick_up_store": "S2"}
    made = asking.post(f"/members/{member.id}/redemptions", body).json
    assert asking.post(f"/redemptions/{made['id']}/hand-over", {}).code == "wrong_pick_up_store"
    assert counter.post(f"/redemptions/{made['id']}/hand-over", {}).json["status"] == "done"


def test_what_is_sent_home_goes_with_its_member():
    make_shop(rewards=[{**MUG, "fulfilment": "delivery"}])
    first, second = (Store.objects.get(code=code) for code in ("S1", "S2"))
    member = make_member(now=now(), join_store_id=second.id)
    give(member.id, 700, at=now())
    own, other = (Till(make_key(*SCOPES, store_ids=[each.id])[1]) for each in (second, first))
    made = own.post(f"/members/{member.id}/redemptions", {"reward": "mug"}).json
    assert other.get("/redemptions").json["redemptions"] == []
    assert other.get(f"/redemptions/{made['id']}").code == "unknown_redemption"
    assert other.post(f"/redemptions/{made['id']}/cancel", {"reason": "x"}).code == "unknown_redemption"
    assert other.post(f"/redemptions/{made['id']}/hand-over", {}).code == "unknown_redemption"
    assert [each["id"] for each in own.get("/redemptions").json["redemptions"]] == [made["id"]]
    assert own.post(f"/redemptions/{made['id']}/cancel", {"reason": "x"}).json["status"] == "cancelled"
