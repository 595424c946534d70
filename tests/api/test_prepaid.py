from __future__ import annotations

from datetime import timedelta

import pytest

from shuke.catalog.models import Store
from shuke.checkout.models import GiftCard, Order, TopUp
from shuke.core.models import IdempotentCall
from shuke.core.values import Scope
from shuke.kit.clock import now
from tests.api.client import Till, new_key
from tests.factories.checkout import make_shop
from tests.factories.core import make_key
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = [Scope.CHECKOUT_READ, Scope.CHECKOUT_WRITE, Scope.LEDGER_READ]
BONUS = {"id": "b", "name": {"zh-Hans": "送"}, "from": "100.00", "percent": "10"}


@pytest.fixture
def till():
    make_shop(
        stored_value={"bonuses": [BONUS]},
        gift_cards={},
        offline={"allowance": "20.00", "allowance_points": 100},
    )
    return Till(make_key(*SCOPES)[1])


def line(units=1):
    return {"sku": "A", "quantity": units}


def order(number, **more):
    return {"store": "S1", "channel": "pos", "lines": [line()], "number": number, **more}


def test_a_top_up_is_made_once_seen_and_paid_back(till):
    member = make_member(now=now())
    path, key = f"/members/{member.id}/top-ups", new_key()
    body = {"store": "S1", "amount_minor": 10_000, "tender": "wechat"}
    first = till.call("POST", path, body, key=key)
    again = till.call("POST", path, body, key=key)
    assert (first.status, again.body) == (201, first.body)
    assert first.json["bonus_minor"] == 1_000
    assert TopUp.objects.count() == 1
    seen = till.call("GET", f"/members/{member.id}/stored-value").json
    assert (seen["principal_minor"], seen["bonus_minor"], seen["top_ups"][0]["store"]) == (
        10_000,
        1_000,
        "S1",
    )
    sold = till.call(
        "POST",
        "/orders",
        {
            "store": "S1",
            "channel": "pos",
            "lines": [line(2)],
            "member": {"kind": "id", "value": str(member.id)},
            "tenders": [{"kind": "stored_value", "amount_minor": 1_100}, {"kind": "cash"}],
        },
        key=new_key(),
    ).json
    assert [(t["kind"], t["amount_minor"]) for t in sold["tenders"]] == [
        ("stored_value", 1_000),
        ("bonus", 100),
        ("cash", 900),
    ]
    quote = till.call("GET", f"/members/{member.id}/stored-value/return-quote").json
    done = till.call(
        "POST",
        f"/members/{member.id}/stored-value/return",
        {"store": "S1", "tender": "transfer", "reason": "moves away"},
        key=new_key(),
    )
    assert done.status == 201
    assert (quote["paid_minor"], done.json["paid_minor"], done.json["forfeited_minor"]) == (
        8_900,
        8_900,
        900,
    )


def test_gift_card_codes_come_again_with_the_same_key_and_are_stored_nowhere(till):
    key, body = new_key(), {"face_minor": 5_000, "count": 2}
    first = till.call("POST", "/gift-cards", body, key=key)
    again = till.call("POST", "/gift-cards", body, key=key)
    assert (first.status, again.json) == (201, first.json)
    assert (again.headers["idempotency-replayed"], GiftCard.objects.count()) == ("true", 2)
    codes = [card["code"] for card in first.json["cards"]]
    stored = b"".join(bytes(body) for body in IdempotentCall.objects.values_list("body", flat=True))
    assert not any(code.encode() in stored for code in codes)
    sold = till.call(
        "POST", "/gift-cards/activate", {"codes": codes, "store": "S1", "tender": "card"}, key=new_key()
    )
    assert [card["usable_minor"] for card in sold.json["cards"]] == [5_000, 5_000]
    paid = till.call(
        "POST",
        "/orders",
        order(None, tenders=[{"kind": "gift_card", "code": codes[0]}]),
        key=new_key(),
    )
    assert paid.json["due_minor"] == 0
    assert till.call("POST", "/gift-cards/balance", {"code": codes[0]}).json["usable_minor"] == 4_000
    back = {"code": codes[1], "store": "S1", "tender": "cash", "reason": "unwanted"}
    refused = till.call("POST", "/gift-cards/return", back, key=new_key())
    assert (refused.status, refused.json["code"]) == (409, "gift_card_not_returnable")
    blocked = till.call("POST", "/gift-cards/block", {"code": codes[0], "reason": "lost"}, key=new_key())
    assert blocked.json["status"] == "blocked"
    last = "3" if codes[0].endswith("2") else "2"
    wrong = till.call("POST", "/gift-cards/balance", {"code": codes[0][:-1] + last})
    assert wrong.status in (404, 422)


def test_a_batch_answers_row_by_row_and_twice_the_same(till):
    sold_at = (now() - timedelta(days=2)).isoformat()
    rows = [
        order("1", occurred_at=sold_at),
        order("2", occurred_at=sold_at, lines=[{"sku": "nope", "quantity": 1}]),
        order("3", occurred_at=sold_at),
    ]
    first = till.call("POST", "/orders/batch", {"orders": rows}).json
    assert (first["committed"], first["refused"]) == (2, 1)
    assert first["results"][1]["problem"]["code"] == "unknown_product"
    assert first["results"][0]["order"]["payable_minor"] == 1_000
    again = till.call("POST", "/orders/batch", {"orders": rows[::-1]}).json
    assert (again["known"], again["refused"], Order.objects.count()) == (2, 1, 2)
    assert again["results"][0]["order_id"] == first["results"][2]["order_id"]


def test_an_allowance_is_issued_and_the_exposure_told(till):
    member = make_member(now=now())
    till.call(
        "POST",
        f"/members/{member.id}/top-ups",
        {"store": "S1", "amount_minor": 1_500, "tender": "card"},
        key=new_key(),
    )
    given = till.call(
        "POST",
        "/offline/allowances",
        {"member": str(member.id), "device": "till-1", "store": "S1"},
        key=new_key(),
    )
    assert (given.status, given.json["money_minor"]) == (201, 1_500)
    assert till.call("GET", "/offline/key").json["algorithm"] == "Ed25519"
    told = till.call("GET", "/offline/exposure").json
    assert (told["count"], told["money_left_minor"], told["money_uncovered_minor"]) == (1, 1_500, 0)


def test_what_a_member_has_saved_is_not_for_keys_of_other_stores(till):
    first, second = (Store.objects.get(code=code) for code in ("S1", "S2"))
    member = make_member(now=now(), join_store_id=second.id)
    other = Till(make_key(*SCOPES, store_ids=[first.id])[1])
    path = f"/members/{member.id}"
    paid = other.post(f"{path}/top-ups", {"store": "S1", "amount_minor": 10_000, "tender": "wechat"})
    assert paid.status == 201  # money is taken everywhere
    assert other.get(f"{path}/stored-value").status == 404
    assert other.get(f"{path}/stored-value/return-quote").status == 404
    back = {"store": "S1", "tender": "wechat", "reason": "leaves"}
    assert other.post(f"{path}/stored-value/return", back).status == 404
    assert till.post(f"{path}/stored-value/return", back).json["paid_minor"] == 10_000
