"""What a new version takes off sale has to be confirmed: plans, coupons and rewards, with how many still hold them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shuke.core.values import SYSTEM
from shuke.kit.ids import uuid7
from shuke.loyalty.errors import Unconfirmed
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import warnings_of
from shuke.loyalty.plans.models import PlanHolding
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.versions import roll_back
from shuke.rewards.catalogue.models import Redemption
from tests.factories.core import NOW
from tests.factories.loyalty import SOURCE, publish
from tests.factories.members import make_member
from tests.factories.rewards import issue, template

pytestmark = pytest.mark.django_db

OFFERS = """\
plans:
  - {code: tea, name: {zh-Hans: 茶友卡, en: Tea card}, price: 99, duration: {months: 12}}
  - {code: black, name: {zh-Hans: 黑卡, en: Black card}, price: 365, duration: {months: 12}}
coupons:
  - {code: ten, name: {zh-Hans: 立减十元, en: Ten off}, type: amount_off, amount: 10}
rewards:
  - {code: mug, name: {zh-Hans: 杯子, en: Mug}, kind: goods, points: 500, collect_days: 30}
"""
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_versions()


def _hold(plan: str, state: str, until: int) -> None:
    end = NOW + until * DAY
    PlanHolding.objects.create(
        member=make_member("林知夏", f"+86138{uuid7().int % 10**8:08}"),
        plan=plan,
        state=state,
        since=NOW - 30 * DAY,
        until=end,
        grace_until=end,
        anchor_day=1,
        last_seq=1,
    )


def _redeem(status: str) -> None:
    Redemption.objects.create(
        member_id=uuid7(),
        reward="mug",
        kind="goods",
        fulfilment="pick_up",
        names={"zh-Hans": "杯子"},
        quantity=1,
        points=500,
        cash_minor=0,
        currency="CNY",
        status=status,
        placed_at=NOW,
        programme_version_id=uuid7(),
        actor="system",
    )


def test_returning_to_a_version_without_them_lists_what_is_taken_off_sale() -> None:
    publish(now=NOW - 2 * DAY)
    publish(SOURCE + OFFERS, now=NOW - DAY)
    for state, until in (("active", 9), ("grace", 9), ("ended", 9), ("active", -1)):
        _hold("tea", state, until)
    issue(template("ten"), uuid7(), uuid7(), uuid7())
    for status in ("placed", "ready", "done"):
        _redeem(status)
    with pytest.raises(Unconfirmed) as refused:
        roll_back(actor=SYSTEM, number=1, now=NOW)
    assert {each.key: each.message for each in refused.value.cautions} == {
        "plan_removed:plans.tea": "the paid plan “Tea card” is no longer sold; 2 members hold it",
        "plan_removed:plans.black": "the paid plan “Black card” is no longer sold",
        "coupon_removed:coupons.ten": "the coupon “Ten off” is no longer given; members hold 3 pieces",
        "reward_removed:rewards.mug": (
            "the reward “Mug” can no longer be had for points; 2 redemptions are not handed over yet"
        ),
    }
    keys = [each.key for each in refused.value.cautions]
    with pytest.raises(Unconfirmed):
        roll_back(actor=SYSTEM, number=1, now=NOW, accepted=keys[1:])
    roll_back(actor=SYSTEM, number=1, now=NOW, accepted=keys)
    assert ProgrammeVersion.objects.count() == 3


def test_a_draft_that_keeps_all_asks_nothing_and_counts_nothing() -> None:
    kept = publish(SOURCE + OFFERS, now=NOW - DAY).document
    warnings_of(kept, NOW)
    with CaptureQueriesContext(
        connection,
    ) as kept_queries:
        assert warnings_of(kept, NOW) == ()
    assert not [each for each in kept_queries if "loyalty_planholding" in each["sql"]]
    without = {key: each for key, each in kept.items() if key not in ("plans", "coupons", "rewards")}
    with CaptureQueriesContext(connection) as queries:
        assert len(warnings_of(without, NOW)) == 4
    assert len(queries) == len(kept_queries) + 3
