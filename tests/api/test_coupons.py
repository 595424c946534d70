"""Coupons over the API: templates with figures, hand out, claim, pass on, call back, codes in bulk."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from shuke.core.models import AuditEvent, IdempotentCall
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.members.models import MemberStatus
from shuke.members.operations import change_status
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import CodeJob, Coupon
from shuke.rewards.operations import generate_codes
from tests.api.client import Till, new_key
from tests.factories.catalog import make_store
from tests.factories.checkout import TILL, make_shop
from tests.factories.core import make_key
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = [Scope.COUPONS_READ, Scope.COUPONS_WRITE, Scope.COUPONS_CODES]


def coupon(code: str, **terms: Any) -> dict[str, Any]:
    names = {"zh-Hans": "十元券", "en": "Ten off"}
    return {"code": code, "name": names, "type": "amount_off", "amount": "10", **terms}


TEN = coupon(
    "ten",
    transferable=True,
    validity={"days_after_issue": 7},
    limits={"stock": 10, "budget": "50", "alarm_percent": 50},
)
WELCOME = coupon("welcome", public_code="hello", limits={"per_member": 1})
OVER = coupon("over", validity={"until": "2026-01-31"})


@pytest.fixture
def till() -> Till:
    make_shop(coupons=[TEN, WELCOME, OVER])
    return Till(make_key(*SCOPES)[1])


@pytest.fixture
def anna() -> Any:
    return make_member(now=now())


@pytest.fixture(autouse=True)
def _clean_afterwards(till: Till) -> Any:
    yield
    assert verify_coupons()[1] == []


def give(till: Till, *members: Any, template: str = "ten", **more: Any) -> Any:
    body = {"members": [str(each.id) for each in members], "reason": "sorry for the wait", **more}
    return till.post(f"/coupon-templates/{template}/issue", body)


def test_templates_with_their_limits_figures_and_alarms(till: Till, anna: Any) -> None:
    give(till, anna, count=5)
    page = till.get("/coupon-templates", limit=2).json
    assert [each["code"] for each in page["templates"]] == ["over", "ten"]
    ten = page["templates"][1]
    assert (ten["name"], ten["currency"], ten["limits"]["stock"]) == ("Ten off", "CNY", 10)
    assert ten["limits"]["budget_minor"] == 5000
    assert (ten["figures"]["issued"], ten["figures"]["held"], ten["figures"]["used"]) == (5, 5, 0)
    assert [(each["kind"], each["percent"], each["taken"]) for each in ten["alarms"]] == [("stock", 50, 5)]
    rest = till.get("/coupon-templates", limit=2, cursor=page["next_cursor"]).json
    assert ([each["code"] for each in rest["templates"]], rest["next_cursor"]) == (["welcome"], None)
    assert rest["templates"][0]["public_code"] == "HELLO"
    assert till.get("/coupon-templates/ten").json == ten
    assert till.get("/coupon-templates/eleven").code == "coupon_template_unknown"
    chinese = Till(till.secret, language="zh-CN").get("/coupon-templates/ten").json
    assert chinese["name"] == "十元券"


def test_handing_out_once_per_key_and_per_reference(till: Till, anna: Any) -> None:
    path, key = "/coupon-templates/ten/issue", new_key()
    body = {"members": [str(anna.id)], "reason": "sorry", "reference": "case-7"}
    first, again = till.call("POST", path, body, key=key), till.call("POST", path, body, key=key)
    assert (first.status, again.json, again.headers["idempotency-replayed"]) == (201, first.json, "true")
    assert till.call("POST", path, {**body, "count": 2}, key=key).code == "idempotency_conflict"
    other = till.post(path, body).json
    assert (other["coupons"], other["known"]) == ([], 1)
    assert till.call("POST", path, body).status == 400
    assert Coupon.objects.count() == 1
    audit = AuditEvent.objects.get(action="rewards.coupon_issued.v1")
    assert (audit.object_id, audit.reason) == (str(anna.id), "sorry")


def test_refusals_of_handing_out_name_the_member_and_hand_out_nothing(till: Till, anna: Any) -> None:
    frozen = make_member(now=now())
    change_status(actor=TILL, now=now(), member_id=frozen.id, status=MemberStatus.FROZEN, reason="lost")
    refused = give(till, anna, frozen)
    assert (refused.status, refused.code) == (409, "coupon_holder_not_active")
    assert refused.json["errors"][0]["pointer"] == "/members/1"
    body = {"members": [str(anna.id), str(uuid4())], "reason": "x"}
    assert till.post("/coupon-templates/ten/issue", body).code == "coupon_holder_unknown"
    assert give(till, anna, count=11).status == 409
    assert give(till, anna, count=10).status == 201
    over_stock = give(till, anna)
    assert (over_stock.status, over_stock.code) == (409, "coupons_out_of_stock")
    assert give(till, anna, template="over").code == "coupon_template_over"
    assert give(till, anna, reason="").status == 422
    assert Coupon.objects.count() == 10


def test_a_members_coupons_are_paged_and_filtered(till: Till, anna: Any) -> None:
    made = give(till, anna, count=3).json["coupons"]
    path = f"/members/{anna.id}/coupons"
    till.post(f"/coupons/{made[0]['id']}/void", {"reason": "given by mistake"})
    page = till.get(path, limit=2).json
    rest = till.get(path, limit=2, cursor=page["next_cursor"]).json
    ids = [each["id"] for each in page["coupons"] + rest["coupons"]]
    assert ids == sorted((each["id"] for each in made), reverse=True)
    assert [each["state"] for each in till.get(path, state="void").json["coupons"]] == ["void"]
    assert till.get(path, template="welcome").json["coupons"] == []
    assert till.get(path, cursor="???").status == 422
    assert till.get(f"/members/{uuid4()}/coupons").status == 404


def test_a_public_code_is_claimed_and_the_code_is_kept_nowhere(till: Till, anna: Any) -> None:
    path = f"/members/{anna.id}/coupons/claim"
    claimed = till.post(path, {"code": " hello "})
    assert (claimed.status, claimed.json["state"], claimed.json["template"]) == (201, "held", "welcome")
    refused = till.post(path, {"code": "HELLO"})
    assert (refused.status, refused.code) == (409, "coupon_claim_limit")
    assert till.post(path, {"code": "goodbye"}).code == "coupon_code_unknown"
    chinese = Till(till.secret, language="zh-TW").post(path, {"code": "HELLO"})
    assert chinese.json["detail"] == "該會員領取這種優惠券已達上限：1 張。"


def test_a_coupon_is_passed_on_once_and_tells_its_history(till: Till, anna: Any) -> None:
    ben = make_member(now=now())
    (piece,) = give(till, anna).json["coupons"]
    path = f"/coupons/{piece['id']}"
    assert till.post(f"{path}/pass", {"receiver_id": str(anna.id)}).code == "coupon_passed_to_self"
    passed = till.post(f"{path}/pass", {"receiver_id": str(ben.id)})
    assert (passed.status, passed.json["member_id"], passed.json["passed_from"]) == (
        200,
        str(ben.id),
        str(anna.id),
    )
    assert till.post(f"{path}/pass", {"receiver_id": str(anna.id)}).code == "coupon_passed_before"
    assert [each["id"] for each in till.get(f"/members/{ben.id}/coupons").json["coupons"]] == [piece["id"]]
    history = till.get(path).json["history"]
    assert [(each["kind"], each["member_id"]) for each in history] == [
        ("issued", str(anna.id)),
        ("passed", str(ben.id)),
    ]
    assert till.post(f"{path}/void", {"reason": "fraud"}).json["state"] == "void"
    assert till.post(f"{path}/void", {"reason": "again"}).code == "coupon_not_open"
    assert till.get(f"/coupons/{uuid4()}").code == "coupon_unknown"


def test_codes_in_bulk_are_ordered_made_told_claimed_and_called_back(till: Till, anna: Any) -> None:
    body = {"template": "ten", "count": 8, "note": "flyers"}
    key = new_key()
    ordered = till.call("POST", "/coupon-code-jobs", body, key=key)
    assert (ordered.status, ordered.json["status"], ordered.json["made"]) == (201, "running", 0)
    assert till.call("POST", "/coupon-code-jobs", body, key=key).json == ordered.json
    path = f"/coupon-code-jobs/{ordered.json['id']}"
    reason = {"reason": "printing"}
    assert till.call("POST", f"{path}/download", reason).code == "codes_not_ready"
    while generate_codes(job_id=ordered.json["id"], now=now(), limit=3):
        pass
    assert (till.get(path).json["status"], till.get(path).json["made"]) == ("done", 8)
    first = till.call("POST", f"{path}/download", {**reason, "limit": 5}).json
    assert (len(first["codes"]), first["count"], first["next"]) == (5, 8, 5)
    rest = till.call("POST", f"{path}/download", {**reason, "first": 5}).json
    assert (len(rest["codes"]), rest["next"]) == (3, None)
    codes = [*first["codes"], *rest["codes"]]
    assert len(set(codes)) == 8
    claimed = till.post(f"/members/{anna.id}/coupons/claim", {"code": codes[0].lower()})
    assert (claimed.status, claimed.json["last_four"]) == (201, codes[0][-4:])
    stored = [bytes(row) for row in IdempotentCall.objects.values_list("body", flat=True)]
    assert not any(
        code.encode() in row or code.replace("-", "").encode() in row for row in stored for code in codes
    )
    ben = make_member(now=now())
    assert till.post(f"/members/{ben.id}/coupons/claim", {"code": codes[0]}).code == "coupon_code_taken"
    assert till.post(f"{path}/void", {"reason": "misprint"}).json["status"] == "void"
    assert till.post(f"/members/{ben.id}/coupons/claim", {"code": codes[1]}).code == "coupon_code_over"
    assert till.call("POST", f"{path}/download", reason).code == "code_job_ended"
    assert [each["id"] for each in till.get("/coupon-code-jobs", template="ten").json["jobs"]] == [
        ordered.json["id"]
    ]
    assert till.post("/coupon-code-jobs", {**body, "count": 3}).code == "coupons_out_of_stock"
    assert till.post("/coupon-code-jobs", {**body, "template": "none"}).code == "coupon_template_unknown"


def test_each_act_needs_its_scope(till: Till, anna: Any) -> None:
    (piece,) = give(till, anna).json["coupons"]
    reader, writer = Till(make_key(Scope.COUPONS_READ)[1]), Till(make_key(Scope.COUPONS_WRITE)[1])
    assert reader.get(f"/coupons/{piece['id']}").status == 200
    assert give(reader, anna).status == 403
    assert reader.post(f"/coupons/{piece['id']}/void", {"reason": "x"}).status == 403
    assert writer.get(f"/coupons/{piece['id']}").status == 403
    assert writer.post("/coupon-code-jobs", {"template": "ten", "count": 1}).status == 403


def test_a_key_of_one_store_reaches_only_members_who_joined_there(till: Till, anna: Any) -> None:
    mine, other = make_store(), make_store()
    hers = make_member(now=now(), join_store_id=mine.id)
    strange = make_member(now=now(), join_store_id=other.id)
    (piece,) = give(till, strange).json["coupons"]
    local = Till(make_key(*SCOPES, store_ids=[mine.id])[1])
    assert give(local, hers).status == 201
    assert give(local, hers, strange).status == 404
    assert local.get(f"/members/{strange.id}/coupons").status == 404
    assert local.get(f"/coupons/{piece['id']}").code == "coupon_unknown"
    assert local.post(f"/coupons/{piece['id']}/void", {"reason": "x"}).code == "coupon_unknown"
    assert local.post(f"/members/{strange.id}/coupons/claim", {"code": "HELLO"}).status == 404
    assert Coupon.objects.filter(member_id=strange.id, state="held").count() == 1


def test_codes_that_are_good_everywhere_are_for_keys_that_cover_everything(till: Till, anna: Any) -> None:
    local = Till(make_key(*SCOPES, Scope.COUPONS_CODES, store_ids=[make_store().id])[1])
    job = till.post("/coupon-code-jobs", {"template": "ten", "count": 2}).json["id"]
    generate_codes(job_id=UUID(job), now=now())
    for path, body in (
        ("/coupon-code-jobs", {"template": "ten", "count": 1}),
        (f"/coupon-code-jobs/{job}/download", {"reason": "x"}),
        (f"/coupon-code-jobs/{job}/void", {"reason": "x"}),
    ):
        assert local.post(path, body).code == "not_chain_wide", path
    assert CodeJob.objects.get().status == "done"
    assert till.post(f"/coupon-code-jobs/{job}/download", {"reason": "x"}).json["count"] == 2
