"""Paid plans and entitlements over the API: idempotent, within the stores of the key, with stable refusals."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shuke.core.models import IdempotentCall
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.loyalty.plans.models import EntitlementUse, LocalAccount, PlanCharge, PlanTerm
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.plans.renewals import charge_due
from tests.api.client import Till, new_key
from tests.factories.catalog import make_store
from tests.factories.core import make_key
from tests.factories.members import make_member
from tests.factories.plans import make_club

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = [Scope.CHECKOUT_READ, Scope.CHECKOUT_WRITE, Scope.PROGRAMME_READ, Scope.MEMBERS_READ]


@pytest.fixture
def till():
    make_club()
    return Till(make_key(*SCOPES)[1])


@pytest.fixture
def member(till):
    return make_member(now=now())


def test_a_plan_is_sold_once_read_renewed_by_itself_and_paid_back(till, member):
    (plus, _black) = till.get("/plans").json["plans"]
    assert (plus["name"], plus["price_minor"], plus["trial"]) == ("Plus", 12000, {"months": 0, "days": 7})
    path, key = f"/members/{member.id}/plans", new_key()
    body = {"plan": "plus", "tender": "cash", "store": "S1", "number": "P-1"}
    first, again = till.call("POST", path, body, key=key), till.call("POST", path, body, key=key)
    assert (first.status, again.json, again.headers["idempotency-replayed"]) == (201, first.json, "true")
    assert till.post(path, {**body, "number": "P-2"}).code == "plan_held"
    assert till.post(path, {**body, "plan": "x"}).code == "plan_not_found"
    assert till.post(path, {**body, "tender": "points"}).json["errors"][0]["pointer"] == "/tender"
    assert till.post(f"{path}/plus/renew", {"tender": "cash"}).code == "plan_renewal_too_early"
    renewing = till.post(f"{path}/plus/auto-renew", {}).json
    assert renewing["renews_itself"] is True
    assert till.post(f"{path}/plus/auto-renew/cancel").json["renews_itself"] is False
    assert LocalAccount.objects.get().closed_at is not None
    quote = till.get(f"{path}/plus/refund-quote").json
    assert (quote["paid_minor"], quote["used_discounts_minor"]) == (12000, 0)
    give_back = {"tender": "cash", "reason": "moved away", "expected_minor": quote["refund_minor"] + 1}
    assert till.post(f"{path}/plus/refund", give_back).code == "plan_refund_changed"
    give_back["expected_minor"] -= 1
    assert till.post(f"{path}/plus/refund", give_back).json["refund_minor"] == quote["refund_minor"]
    (held,) = till.get(path).json["plans"]
    assert (held["state"], held["held"], len(held["terms"])) == ("ended", False, 1)
    kinds = [event["kind"] for event in till.get(f"/members/{member.id}/plan-history").json["events"]]
    assert kinds == ["plan_refunded", "plan_auto_renew_cancelled", "plan_auto_renew_started", "plan_bought"]
    paged, more = [], {}
    for _page in kinds:
        page = till.get(f"/members/{member.id}/plan-history", limit=1, **more).json
        paged += [event["kind"] for event in page["events"]]
        more = {"cursor": page["next_cursor"]}
    assert paged == kinds and page["next_cursor"] is None
    assert till.get(f"/members/{member.id}/plan-history", cursor="x").status == 422
    assert verify_plans(now=now()) == []


def test_a_gift_is_sold_once_told_again_and_redeemed_once(till, member):
    key, body = new_key(), {"plan": "plus", "tender": "wechat", "count": 2}
    first = till.call("POST", "/plan-gifts", body, key=key)
    again = till.call("POST", "/plan-gifts", body, key=key)
    assert (first.status, again.json) == (201, first.json)
    codes = [gift["code"] for gift in first.json["gifts"]]
    stored = b"".join(bytes(each) for each in IdempotentCall.objects.values_list("body", flat=True))
    assert not any(code.encode() in stored for code in codes)
    term = till.post(f"/members/{member.id}/plans/redeem", {"code": codes[0]}).json
    assert (term["plan"], term["cause"], term["paid_minor"]) == ("plus", "gift", 12000)
    assert till.post(f"/members/{member.id}/plans/redeem", {"code": codes[0]}).code == "plan_code_used"
    other = first.json["gifts"][1]["id"]
    back = {"tender": "wechat", "reason": "returned"}
    assert till.post(f"/plan-gifts/{other}/take-back", back).json["refund_minor"] == 12000
    assert till.post(f"/plan-gifts/{other}/take-back", back).code == "plan_code_used"


def test_an_upgrade_is_quoted_and_done(till, member):
    path = f"/members/{member.id}/plans"
    till.post(path, {"plan": "plus", "tender": "cash"})
    quote = till.get(f"{path}/plus/upgrade-quote", target="black").json
    done = till.post(f"{path}/plus/upgrade", {"target": "black", "tender": "cash"}).json
    assert (done["paid_minor"], done["credit_minor"]) == (quote["to_pay_minor"], quote["credit_minor"])
    assert till.get(f"{path}/black/upgrade-quote", target="plus").code == "plan_not_an_upgrade"


def test_a_trial_is_given_once(till, member):
    path = f"/members/{member.id}/plans/trial"
    assert till.post(path, {"plan": "plus"}).json["paid_minor"] == 0
    assert till.post(path, {"plan": "plus"}).code == "plan_trial_used"


def test_entitlements_are_redeemed_within_their_quota_and_taken_back(till, member):
    path = f"/members/{member.id}/entitlements"
    assert till.get(path).json["entitlements"] == []
    till.post(f"/members/{member.id}/plans", {"plan": "plus", "tender": "cash"})
    assert till.post(f"{path}/check/redeem", {"store": "S2"}).code == "entitlement_not_here"
    key = new_key()
    used = till.call("POST", f"{path}/check/redeem", {"store": "S1"}, key=key)
    assert till.call("POST", f"{path}/check/redeem", {"store": "S1"}, key=key).json == used.json
    till.post(f"{path}/check/redeem", {"store": "S1"})
    refused = Till(till.secret, "zh-Hant").post(f"{path}/check/redeem", {"store": "S1"})
    assert (refused.status, refused.code, refused.json["detail"]) == (
        409,
        "entitlement_used_up",
        "本期的 2 次已全部用完。",
    )
    undone = till.post(f"/entitlement-uses/{used.json['id']}/undo", {"reason": "wrong member"}).json
    assert undone["undoes"] == used.json["id"]
    (left,) = till.get(path).json["entitlements"]
    assert (left["used"], left["left"], left["sources"]) == (1, 1, ["plan:plus"])
    assert EntitlementUse.objects.count() == 3


def test_a_key_of_one_store_neither_sees_nor_sells_elsewhere(till, member):
    other = Till(make_key(*SCOPES, store_ids=[make_store().id])[1])
    body = {"plan": "plus", "tender": "cash", "store": "S1"}
    assert other.post(f"/members/{member.id}/plans", body).code == "unknown_store"
    assert PlanTerm.objects.count() == 0
    elsewhere = make_member(now=now(), join_store_id=make_store().id)
    assert other.get(f"/members/{elsewhere.id}/plans").status == 404
    reader = Till(make_key(Scope.CHECKOUT_READ)[1])
    assert reader.post(f"/members/{member.id}/plans", body).status == 403


def test_gifts_and_charges_of_other_stores_are_unknown_to_a_key(till):
    first, second = make_store(), make_store()
    other = Till(make_key(*SCOPES, store_ids=[first.id])[1])
    member = make_member(now=now(), join_store_id=second.id)
    pay_back = {"tender": "cash", "reason": "returned"}
    for sold in ({"store": second.code}, {"buyer_id": str(member.id)}):
        (gift,) = till.post("/plan-gifts", {"plan": "plus", "tender": "cash", **sold}).json["gifts"]
        address = f"/plan-gifts/{gift['id']}/take-back"
        assert other.post(address, {**pay_back, "store": first.code}).code == "plan_code_not_found"
        assert till.post(address, pay_back).json["refund_minor"] == 12000
    path = f"/members/{member.id}/plans"
    till.post(path, {"plan": "plus", "tender": "cash"})
    till.post(f"{path}/plus/auto-renew", {})
    LocalAccount.objects.update(script=["timeout"])
    charge_due(now=now() + timedelta(days=365))
    address = f"/plan-charges/{PlanCharge.objects.get().reference}/report"
    assert other.post(address, {"outcome": "approved"}).status == 404
    assert PlanTerm.objects.count() == 1
    assert till.post(address, {"outcome": "approved"}).json["state"] == "approved"
