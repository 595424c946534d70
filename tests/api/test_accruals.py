"""Accruals over the API: once for each reference, refused precisely."""

from __future__ import annotations

from typing import Any

import pytest

from shuke.core.values import Scope
from shuke.ledger.models import Account
from shuke.loyalty.models import Accrual
from tests.api.client import Till
from tests.factories.checkout import publish
from tests.factories.core import NOW, make_key
from tests.factories.members import make_member


def offer(*kinds: str) -> None:
    publish(
        effective_at=NOW,
        accruals=[
            {"id": f"for-{kind}", "name": {"zh-Hans": kind}, "kind": kind, "give": 50} for kind in kinds
        ],
    )


def test_a_review_is_rewarded_once_under_any_key(till: Till) -> None:
    offer("review")
    member = make_member()
    first = till.post(f"/members/{member.id}/accruals", {"kind": "review", "reference": "R-1"})
    assert (first.status, first.json["is_new"]) == (201, True)
    assert first.json["given"] == [
        {"asset": "points", "amount": 50, "rules": [{"id": "for-review", "points": 50}]}
    ]
    again = till.post(f"/members/{member.id}/accruals", {"kind": "review", "reference": "R-1"})
    assert (again.status, again.json["is_new"], again.json["id"]) == (201, False, first.json["id"])
    assert Account.objects.get(member=member, asset="points").balance == 50


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "survey", "reference": "S"}, 422, "accrual_not_offered"),
        ({"kind": "review"}, 422, "invalid_input"),
        ({"kind": "registration", "reference": "again"}, 422, "invalid_input"),
        ({"kind": "review", "reference": "x" * 81}, 422, "invalid_request"),
        ({"kind": "dance", "reference": "x"}, 422, "invalid_request"),
        ({"kind": "review", "reference": "x", "points": 5}, 422, "invalid_request"),
    ],
)
def test_refusals(till: Till, body: dict[str, Any], status: int, code: str) -> None:
    offer("review", "registration")
    answer = till.post(f"/members/{make_member().id}/accruals", body)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert not Accrual.objects.exists()


def test_a_friend_is_brought_by_one_member(till: Till) -> None:
    offer("referral")
    one, two = make_member(), make_member()
    assert till.post(f"/members/{one.id}/accruals", {"kind": "referral", "reference": "F"}).status == 201
    answer = till.post(f"/members/{two.id}/accruals", {"kind": "referral", "reference": "F"})
    assert (answer.status, answer.json["code"]) == (409, "already_brought")


def test_the_key_needs_the_scope(till: Till) -> None:
    offer("review")
    reader = Till(make_key(Scope.CHECKOUT_READ)[1])
    path = f"/members/{make_member().id}/accruals"
    assert reader.post(path, {"kind": "review", "reference": "R"}).status == 403
