"""Redeeming rewards: price, stock, limits, the ledger behind them, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from shuke.catalog.errors import UnknownStore
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor
from shuke.ledger.errors import NotEnough
from shuke.ledger.models import Account, Lot, Transfer
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import programme_at
from shuke.loyalty.redemptions import cancel_redemption, redeem_reward, shelf
from shuke.rewards.catalogue import errors
from shuke.rewards.catalogue.invariants import verify_catalogue
from shuke.rewards.catalogue.models import Redemption, RedemptionStep, RewardStock
from shuke.rewards.catalogue.operations import code_of, hand_over, lapse_uncollected, mark_ready
from shuke.rewards.catalogue.queries import figures_of, find_by_code, list_redemptions
from shuke.rewards.catalogue.values import Price
from shuke.rewards.errors import CouponsOutOfStock
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Coupon
from shuke.rewards.operations import pass_coupon, void_coupon
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop
from tests.factories.core import make_staff
from tests.factories.ledger import give, owe
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)  # Tuesday noon in Shanghai
NAME = {"zh-Hans": "礼品"}
MUG: dict[str, Any] = {
    "code": "mug",
    "name": NAME,
    "kind": "goods",
    "points": 300,
    "cash": "9.90",
    "stock": 3,
    "limit": {"member": 2, "per": "month"},
    "stores": ["S1"],
    "collect_days": 7,
    "tier_prices": [{"tier": "gold", "points": 100}],
}
PURSE: dict[str, Any] = {"code": "purse", "name": NAME, "kind": "bonus", "points": 200, "bonus": "5.00"}
TRIP: dict[str, Any] = {
    "code": "trip", "name": NAME, "kind": "activity", "points": 100, "tiers": ["gold"],
    "dates": {"from": "2026-03-01", "to": "2026-03-31"}, "fulfilment": "at_once",
}  # fmt: skip
VOUCHER: dict[str, Any] = {
    "code": "voucher", "name": NAME, "kind": "coupon", "points": 100, "coupon": "ten",
}  # fmt: skip
TEN = {
    "code": "ten", "name": NAME, "type": "amount_off", "amount": "10.00", "transferable": True,
    "validity": {"days_after_issue": 30}, "limits": {"stock": 5},
}  # fmt: skip
ASSETS = {
    "stored_value": {"name": {"zh-Hans": "储值"}},
    "bonus": {"name": {"zh-Hans": "赠送金"}, "expiry": {"model": "rolling", "months": 6}},
}


@pytest.fixture
def shop(db: None) -> None:
    make_shop(rewards=[MUG, PURSE, TRIP, VOUCHER], coupons=[TEN], assets=ASSETS)


def points(member_id: UUID) -> tuple[int, int]:
    row = Account.objects.filter(member_id=member_id, asset="points").first()
    return (row.balance, row.debt) if row else (0, 0)


def mug(member: Any, **more: Any) -> Redemption:
    given = {"actor": SYSTEM, "reward": "mug", "store": "S1", "tender": "cash", "now": NOW, **more}
    return redeem_reward(member_id=member.id, **given)


def proved() -> None:
    assert reconcile().differences == ()
    assert verify_catalogue() == []


def test_points_and_money_become_a_mug_that_waits_under_a_code(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    made = mug(member, quantity=2, tender_reference="T-9")
    assert (made.points, made.cash_minor, made.status, made.quantity) == (600, 1980, "placed", 2)
    assert made.collect_by == datetime(2026, 3, 17, 16, tzinfo=UTC)  # the end of the seventh day in Shanghai
    assert points(member.id) == (400, 0)
    assert Transfer.objects.get(id=made.transfer_id).store_id == made.store.id
    code = code_of(made)
    assert (len(code), code[-4:]) == (8, made.last_four)
    assert find_by_code(f" {code[:4]}-{code[4:].lower()} ", asker=TILL).id == made.id
    assert mark_ready(actor=SYSTEM, redemption_id=made.id, now=NOW).status == "ready"
    mark_ready(actor=SYSTEM, redemption_id=made.id, now=NOW)
    done = hand_over(actor=SYSTEM, redemption_id=made.id, store=made.pick_up_store, now=NOW)
    assert done.status == "done"
    steps = list(RedemptionStep.objects.order_by("id").values_list("status", flat=True))
    assert steps == ["placed", "ready", "done"]
    names = [e.name for e in OutboxEvent.objects.order_by("id") if e.name.startswith("rewards.")]
    assert names == ["rewards.reward_redeemed.v1", "rewards.reward_ready.v1", "rewards.reward_handed_over.v1"]
    with pytest.raises(errors.RedemptionEnded):
        hand_over(actor=SYSTEM, redemption_id=made.id, store=None, now=NOW)
    proved()


def test_a_wrong_code_is_told_from_an_unknown_one(shop: None) -> None:
    with pytest.raises(errors.BadPickUpCode):
        find_by_code("ABCD2345X", asker=TILL)
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW)
    made = mug(member)
    code = code_of(made)
    for place in range(8):  # the check notices every single wrong letter
        wrong = code[:place] + ("A" if code[place] != "A" else "B") + code[place + 1 :]
        with pytest.raises(errors.BadPickUpCode):
            find_by_code(wrong, asker=TILL)
    cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=NOW)
    assert find_by_code(code, asker=TILL).status == "cancelled"


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"quantity": 0}, errors.BadQuantity),
        ({"quantity": 101}, errors.BadQuantity),
        ({"quantity": 3}, errors.BeyondMemberLimit),
        ({"tender": ""}, errors.TenderMissing),
        ({"tender": "stored_value"}, errors.TenderMissing),
        ({"store": ""}, errors.PickUpStoreMissing),
        ({"pick_up_store": "S2"}, errors.RewardNotHere),
        ({"pick_up_store": "S9"}, UnknownStore),
        ({"reward": "cup"}, errors.UnknownReward),
        ({"reward": "trip"}, errors.RewardNotForTier),
        ({"expected": Price(100, 990)}, errors.PriceChanged),
        ({"now": NOW + timedelta(days=60), "reward": "trip"}, errors.RewardClosed),
    ],
)  # fmt: skip
def test_what_the_offer_does_not_allow_changes_nothing(
    shop: None, more: dict[str, Any], refusal: Any
) -> None:
    member = make_member(now=NOW)
    give(member.id, 5000, at=NOW)
    with pytest.raises(refusal):
        mug(member, **more)
    assert (points(member.id), Redemption.objects.count()) == ((5000, 0), 0)
    assert not OutboxEvent.objects.filter(name__startswith="rewards.").exists()
    proved()


def test_points_that_are_not_there_or_not_yet_usable_buy_nothing(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 299, at=NOW)
    with pytest.raises(NotEnough):
        mug(member)
    assert shelf(now=NOW, member_id=member.id, usable=299)[0].missing == "points"


def test_a_tier_has_its_own_price(shop: None) -> None:
    from tests.factories.checkout import sell

    member = make_member(now=NOW)
    sell(("A", 300), member=member, now=NOW)  # 3,000.00 make gold
    before = points(member.id)[0]
    made = mug(member)
    assert (made.points, made.cash_minor) == (100, 0)
    assert points(member.id)[0] == before - 100
    on_the_shelf = {each.offer.code: each for each in shelf(now=NOW, member_id=member.id, usable=10_000)}
    assert on_the_shelf["mug"].price == Price(100, 0)
    assert (on_the_shelf["mug"].left, on_the_shelf["trip"].missing) == (1, "")  # one more a month
    assert (on_the_shelf["mug"].stock, on_the_shelf["mug"].allowed) == (2, 1)
    assert {each.offer.code: each.left for each in shelf(now=NOW)}["mug"] == 2
    mug(member)
    on_the_shelf = {each.offer.code: each for each in shelf(now=NOW, member_id=member.id, usable=10_000)}
    assert (on_the_shelf["mug"].left, on_the_shelf["mug"].missing) == (0, "limit")
    later = shelf(now=NOW + timedelta(days=31), member_id=member.id, usable=10_000)
    assert {each.offer.code: (each.left, each.missing) for each in later}["mug"] == (1, "")


def test_cancelling_returns_points_to_their_own_lots(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 200, at=NOW, expires_at=NOW + timedelta(days=2))
    give(member.id, 500, at=NOW, expires_at=NOW + timedelta(days=90))
    made = mug(member)
    assert sorted(Lot.objects.values_list("remaining", flat=True)) == [0, 400]
    cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed her mind", now=NOW)
    assert sorted(Lot.objects.values_list("remaining", flat=True)) == [200, 500]
    assert points(member.id) == (700, 0)
    with pytest.raises(errors.RedemptionEnded):
        cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="again", now=NOW)
    assert RewardStock.objects.get().taken == 0
    proved()


def test_what_lapsed_meanwhile_stays_lapsed(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 200, at=NOW, expires_at=NOW + timedelta(days=2))
    give(member.id, 500, at=NOW, expires_at=NOW + timedelta(days=90))
    made = mug(member)
    later = NOW + timedelta(days=5)
    expire_lots(now=later)
    cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=later)
    assert points(member.id) == (500, 0)
    proved()


def test_returned_points_pay_a_debt_first(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW)
    made = mug(member)
    owe(member.id, 120, at=NOW)
    cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=NOW)
    assert points(member.id) == (180, 0)
    proved()


def test_bonus_money_comes_with_its_term_and_goes_back_only_whole(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 400, at=NOW)
    first = redeem_reward(actor=SYSTEM, member_id=member.id, reward="purse", now=NOW)
    lot = Lot.objects.get(asset="bonus")
    assert (first.status, lot.remaining, lot.expires_at) == (
        "done",
        500,
        datetime(2026, 9, 30, 16, tzinfo=UTC),
    )
    cancel_redemption(actor=SYSTEM, redemption_id=first.id, reason="wrong", now=NOW)
    assert (points(member.id), Lot.objects.get(asset="bonus").remaining) == ((400, 0), 0)
    second = redeem_reward(actor=SYSTEM, member_id=member.id, reward="purse", now=NOW)
    from shuke.ledger.operations import place_hold

    place_hold(actor=SYSTEM, member_id=member.id, asset="bonus", amount=1, reason="x", now=NOW)
    with pytest.raises(errors.NotCancellable):
        cancel_redemption(actor=SYSTEM, redemption_id=second.id, reason="wrong", now=NOW)
    assert points(member.id) == (200, 0)
    proved()


def test_goods_that_nobody_collects_go_back_on_the_shelf(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW)
    made = mug(member)
    late = NOW + timedelta(days=8)
    with pytest.raises(errors.RedemptionEnded):
        hand_over(actor=SYSTEM, redemption_id=made.id, store=None, now=late)
    assert lapse_uncollected(now=made.collect_by - timedelta(seconds=1)) == 0
    assert (lapse_uncollected(now=late), lapse_uncollected(now=late)) == (1, 0)
    made.refresh_from_db()
    assert (made.status, points(member.id), RewardStock.objects.get().taken) == ("lapsed", (300, 0), 0)
    proved()


def test_points_of_uncollected_goods_may_be_kept(db: None) -> None:
    make_shop(rewards=[{**MUG, "uncollected": "keep"}])
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW)
    made = mug(member)
    late = NOW + timedelta(days=8)
    with pytest.raises(errors.RedemptionEnded):  # the job that ends it may be late; its terms are not
        cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=late)
    lapse_uncollected(now=late)
    assert (points(member.id), RewardStock.objects.get().taken) == ((0, 0), 0)
    proved()


def test_staff_of_another_store_cannot_touch_it_and_what_staff_do_is_audited(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 600, at=NOW)
    made = mug(member)
    from shuke.catalog.models import Store

    there = Actor(
        "staff", UUID(int=9), "eve", all_stores=False, store_ids=frozenset({Store.objects.get(code="S2").id})
    )
    for act in (
        partial(mark_ready, actor=there, redemption_id=made.id, now=NOW),
        partial(hand_over, actor=there, redemption_id=made.id, store=None, now=NOW),
        partial(cancel_redemption, actor=there, redemption_id=made.id, reason="x", now=NOW),
    ):
        with pytest.raises(errors.UnknownRedemption):
            act()
    assert list_redemptions(stores=there.store_ids).redemptions == []
    with pytest.raises(UnknownStore):
        mug(member, actor=there)
    with pytest.raises(errors.WrongPickUpStore):
        hand_over(actor=SYSTEM, redemption_id=made.id, store=Store.objects.get(code="S2"), now=NOW)
    here = make_staff().as_actor()
    cancel_redemption(actor=here, redemption_id=made.id, reason="returned", now=NOW)
    assert AuditEvent.objects.filter(action="rewards.redemption_cancelled.v1", reason="returned").exists()


def test_history_is_append_only(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW)
    mug(member)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE rewards_redemptionstep SET reason = 'x'")


@pytest.mark.django_db(transaction=True)
def test_sixty_four_members_at_three_mugs() -> None:
    make_shop(rewards=[{**MUG, "stock": 7}])
    members = [make_member(now=NOW) for _ in range(64)]
    for member in members:
        give(member.id, 300, at=NOW)
    outcomes = race([partial(mug, member) for member in members])
    done = [each for each in outcomes if isinstance(each, Redemption)]
    assert len(done) == 7
    assert all(isinstance(each, errors.OutOfStock) for each in outcomes if not isinstance(each, Redemption))
    assert RewardStock.objects.get().taken == 7
    assert figures_of(["mug"])["mug"].pieces == 7
    proved()


@pytest.mark.django_db(transaction=True)
def test_one_member_at_many_tills_stays_within_the_limit_and_the_points() -> None:
    make_shop(rewards=[{**MUG, "stock": 50}])
    member = make_member(now=NOW)
    give(member.id, 5000, at=NOW)
    outcomes = race([partial(mug, member)] * 8)
    done = [each for each in outcomes if isinstance(each, Redemption)]
    assert (len(done), points(member.id)) == (2, (4400, 0))
    cancels = race(
        [partial(cancel_redemption, actor=SYSTEM, redemption_id=done[0].id, reason="x", now=NOW)] * 6
    )
    assert sum(isinstance(each, Redemption) for each in cancels) == 1
    assert points(member.id) == (4700, 0)
    proved()


@pytest.mark.django_db(transaction=True)
def test_handing_over_and_cancelling_at_once_do_one_of_the_two() -> None:
    make_shop(rewards=[MUG])
    for _ in range(4):
        member = make_member(now=NOW)
        give(member.id, 300, at=NOW)
        made = mug(member)
        race(
            [
                partial(hand_over, actor=SYSTEM, redemption_id=made.id, store=None, now=NOW),
                partial(cancel_redemption, actor=SYSTEM, redemption_id=made.id, reason="x", now=NOW),
            ]
        )
        made.refresh_from_db()
        assert (made.status, points(member.id)[0]) in {("done", 0), ("cancelled", 300)}
        if made.status == "done":
            break
        # The stock is three pieces: give each cancelled one back to the next round.
    proved()


def test_the_proof_sees_a_counter_and_points_that_are_wrong(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 600, at=NOW)
    made = mug(member)
    RewardStock.objects.update(taken=2)
    Redemption.objects.filter(id=made.id).update(points=299)
    found = [(each.what, each.said, each.found) for each in verify_catalogue()]
    assert found == [("points", 299, 300), ("stock", 2, 1)]


def voucher(member: Any, quantity: int = 1) -> Redemption:
    return redeem_reward(actor=SYSTEM, member_id=member.id, reward="voucher", quantity=quantity, now=NOW)


def test_points_become_coupons_and_come_back_while_they_are_untouched(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    made = voucher(member, 2)
    held = Coupon.objects.filter(member_id=member.id, state="held", source="reward")
    assert (made.status, held.count(), points(member.id)) == ("done", 2, (800, 0))
    assert {str(each) for each in held.values_list("id", flat=True)} == set(made.given["coupons"])
    assert held.first().valid_until == datetime(2026, 4, 9, 16, tzinfo=UTC)
    proved()
    cancelled = cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=NOW)
    assert (cancelled.status, points(member.id)) == ("cancelled", (1000, 0))
    assert set(Coupon.objects.values_list("state", flat=True)) == {"void"}
    proved()
    assert verify_coupons()[1] == []


def test_a_coupon_that_went_to_a_friend_does_not_come_back(shop: None) -> None:
    member, friend = make_member(now=NOW), make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    made = voucher(member, 2)
    template = programme_at(NOW).programme.coupons["ten"]  # type: ignore[union-attr]
    pass_coupon(
        actor=SYSTEM,
        coupon_id=UUID(made.given["coupons"][0]),
        receiver_id=friend.id,
        template=template,
        now=NOW,
    )
    with pytest.raises(errors.NotCancellable):
        cancel_redemption(actor=SYSTEM, redemption_id=made.id, reason="changed", now=NOW)
    assert points(member.id) == (800, 0)
    assert sorted(Coupon.objects.values_list("state", flat=True)) == ["held", "held"]
    proved()


def test_a_piece_called_back_by_itself_leaves_the_books_right(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    made = voucher(member, 2)
    void_coupon(actor=SYSTEM, coupon_id=UUID(made.given["coupons"][0]), reason="misprint", now=NOW)
    proved()
    Coupon.objects.filter(id=made.given["coupons"][1]).update(reference="lost")
    assert [(each.what, each.said, each.found) for each in verify_catalogue()] == [("coupons", 2, 1)]


def test_what_has_lapsed_is_not_taken_back_for_points_whether_swept_or_not(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    made = [
        voucher(member),
        redeem_reward(actor=SYSTEM, member_id=member.id, reward="purse", now=NOW),
    ]
    later = NOW + timedelta(days=400)  # both have ended, and no job has looked
    for each in made:
        with pytest.raises(errors.NotCancellable):
            cancel_redemption(actor=SYSTEM, redemption_id=each.id, reason="never used", now=later)
    assert points(member.id) == (700, 0)
    proved()


def test_coupons_that_are_out_of_stock_cost_nothing(shop: None) -> None:
    member = make_member(now=NOW)
    give(member.id, 1000, at=NOW)
    with pytest.raises(CouponsOutOfStock):
        voucher(member, 6)
    assert (points(member.id), Redemption.objects.count(), Coupon.objects.count()) == ((1000, 0), 0, 0)
    proved()
