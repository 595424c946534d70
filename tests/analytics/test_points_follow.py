"""Whatever moves points reaches the overview with the next refresh, announced or not, and both reports say the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from shuke.analytics.logic import Period
from shuke.analytics.models import Refreshed
from shuke.analytics.operations import refresh
from shuke.analytics.queries import liability, overview
from shuke.analytics.zone import HOME
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import refund_order
from shuke.checkout.values import MemberRef
from shuke.core.values import SYSTEM
from shuke.kit.clock import local_date, start_of_day
from shuke.ledger.models import Account, TransferKind
from shuke.ledger.operations import capture_hold, expire_lots, place_hold, transfer_points
from shuke.ledger.values import TransferPolicy
from shuke.loyalty.accruals import accrue
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.redemptions import cancel_redemption, redeem_reward
from shuke.rewards.catalogue.operations import lapse_uncollected
from tests.analytics.test_operations import figures
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.core import NOW
from tests.factories.ledger import give, post
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
FEE = TransferPolicy(minimum=1, maximum=None, per_day=None, fee=2_500)
MUG: dict[str, Any] = {
    "code": "mug", "name": {"zh-Hans": "马克杯"}, "kind": "goods", "points": 300, "stores": ["S1"], "collect_days": 3,
    "stock": 9,
}  # fmt: skip
WELCOME = {"id": "welcome", "name": {"zh-Hans": "入会"}, "kind": "registration", "give": 30}


@pytest.fixture(autouse=True)
def _no_programme_of_another_test() -> None:
    forget_versions()


def held() -> int:
    return sum(Account.objects.filter(asset="points").values_list("balance", flat=True))


def _all_readable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_txid_horizon() > coalesce((SELECT max(txid) FROM ledger_transfer), 0)")
        return bool(cursor.fetchone()[0])


def told(now: datetime) -> None:
    """Refresh from what is new; then the overview is the ledger's own book, and so is the liability of the same days."""
    while not _all_readable():  # a neighbour's transaction on the same server may hold a read back
        pass
    assert not refresh(now=now).full
    today = local_date(now, HOME)
    period = Period(today - 5 * DAY, today)
    found = overview(period=period)
    [owed] = [
        each
        for each in liability(as_of=now, since=start_of_day(period.first, HOME)).assets
        if each.asset == "points"
    ]
    assert found.points_outstanding.value == owed.units == held()
    assert (found.points_in.value, found.points_out.value) == (owed.came, owed.went)
    assert (
        found.points_outstanding.series[0]
        == owed.opening + found.points_in.series[0] - found.points_out.series[0]
    )
    assert sum(flow.units for flow in owed.flows) == owed.came - owed.went
    kept = figures()
    refresh(now=now, full=True)
    assert figures() == kept


def test_an_act_of_any_kind_is_noticed_without_being_announced() -> None:
    make_shop()
    member = make_member(now=NOW - 9 * DAY)
    refresh(now=NOW)
    for n, kind in enumerate(TransferKind.values):
        amount = 100 + n
        legs = [
            {"account": "member", "asset": "points", "amount": -amount},
            {"account": "issued", "asset": "points", "amount": amount},
        ]
        post(member.id, kind, legs, [], NOW - (n % 3) * DAY)
        told(NOW)


def test_what_the_rooms_do_with_points_reaches_the_overview() -> None:
    make_shop(rewards=[MUG], accruals=[WELCOME])
    buyer, friend = make_member(now=NOW - 4 * DAY), make_member(now=NOW - 4 * DAY)
    refresh(now=NOW - 4 * DAY)
    # Nobody has a home store yet: their first sale takes what they had before along.
    accrue(actor=SYSTEM, member_id=buyer.id, kind="registration", now=NOW - 4 * DAY)
    give(friend.id, 40, at=NOW - 4 * DAY, expires_at=NOW - 2 * DAY)
    told(NOW - 4 * DAY)
    sold = sell(("A", 200), now=NOW - 3 * DAY, member=buyer)
    told(NOW - 3 * DAY)
    stray = sell(("A", 7), now=NOW - 2 * DAY)
    asked: dict[str, Any] = {"actor": SYSTEM, "member_id": buyer.id, "reward": "mug", "store": "S1"}
    redeem_reward(now=NOW - 2 * DAY, **asked)
    second = redeem_reward(now=NOW - 2 * DAY, **asked)
    told(NOW - 2 * DAY)
    cancel_redemption(actor=SYSTEM, redemption_id=second.id, now=NOW - DAY, reason="changed his mind")
    told(NOW - DAY)
    assert expire_lots(now=NOW)
    told(NOW)
    transfer_points(
        actor=SYSTEM, sender_id=buyer.id, receiver_id=friend.id, asset="points", amount=50, reason="gift",
        now=NOW, policy=FEE, day_start=NOW - timedelta(hours=6),
    )  # fmt: skip
    told(NOW)
    hold = place_hold(actor=SYSTEM, member_id=buyer.id, asset="points", amount=60, reason="table 5", now=NOW)
    capture_hold(actor=SYSTEM, hold_id=hold.id, amount=60, now=NOW)
    told(NOW)
    attach_order(actor=TILL, receipt=stray["receipt_code"], member=MemberRef("id", str(friend.id)), now=NOW)
    told(NOW)
    assert lapse_uncollected(now=NOW + 2 * DAY)
    told(NOW + 2 * DAY)
    redeem_reward(now=NOW + 2 * DAY, **asked)
    refund_order(actor=TILL, order_id=UUID(sold["id"]), reason="test", now=NOW + 2 * DAY)
    told(NOW + 2 * DAY)
    assert Account.objects.get(member_id=buyer.id, asset="points").debt


def test_a_book_on_another_server_is_read_anew() -> None:
    """Its transactions are counted from another number there."""
    make_shop()
    member = make_member(now=NOW - DAY)
    refresh(now=NOW - DAY)
    Refreshed.objects.update(ledger_txid=2**40)
    give(member.id, 30, at=NOW)
    assert refresh(now=NOW).full
    told(NOW)
