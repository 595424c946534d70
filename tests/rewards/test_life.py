"""The life of pieces: issued once, used, restored, expired, void; counters equal rows at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection

from shuke.core.models import AuditEvent, OutboxEvent
from shuke.kit.ids import uuid7
from shuke.members.models import MemberStatus
from shuke.members.operations import change_status
from shuke.rewards import errors
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Alarm, Coupon, CouponEvent, Use
from shuke.rewards.operations import (
    announce_expiring,
    claim_code,
    expire_coupons,
    pass_coupon,
    void_coupon,
)
from shuke.rewards.queries import coupon_facts, figures_of, history_of, list_coupons
from tests.factories.checkout import TILL
from tests.factories.core import NOW
from tests.factories.members import make_member
from tests.factories.rewards import VERSION, ZONE, issue, restore, template, use

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _clean_afterwards() -> Iterator[None]:
    yield
    assert verify_coupons()[1] == []


def told(name: str) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.filter(name=f"rewards.{name}.v1").order_by("id"))


def story(coupon_id: UUID) -> list[str]:
    return [event.kind for event in history_of([coupon_id])[coupon_id]]


def claim(kind: object, member_id: UUID, code: str, *, now=NOW) -> Coupon:
    return claim_code(
        actor=TILL,
        member_id=member_id,
        code=code,
        templates={kind.code: kind},
        version_id=VERSION,
        zone=ZONE,
        now=now,
    )


def test_each_member_gets_a_piece_once_however_often_it_is_handed_out() -> None:
    anna, ben = make_member().id, make_member().id
    first = issue(template(), anna, anna, ben)
    assert sorted(member for _id, member in first.coupons) == sorted([anna, ben])
    again = issue(template(), anna, ben)
    assert (again.coupons, again.known) == ((), 2)
    assert len(issue(template(), anna, reference="other").coupons) == 1
    assert len(issue(template(), anna, count=3).coupons) == 2, "what is missing of three"
    assert figures_of(["ten"])["ten"].held == figures_of(["ten"])["ten"].issued == 5
    assert len(told("coupon_issued")) == 5
    assert not AuditEvent.objects.filter(action__startswith="rewards.").exists(), (
        "the system's own act needs no name"
    )


def test_a_person_who_hands_out_is_on_record_with_the_reason() -> None:
    anna = make_member().id
    (coupon_id, _member), *_ = issue(template(), anna, actor=TILL, reason="sorry for the wait").coupons
    event = AuditEvent.objects.get(action="rewards.coupon_issued.v1")
    assert (event.object_id, event.reason) == (str(anna), "sorry for the wait")
    assert history_of([coupon_id])[coupon_id][0].cause == "sorry for the wait"


def test_terms_are_whole_local_days_and_the_narrower_counts() -> None:
    anna = make_member().id
    # 12:30 in Shanghai on the 21st.
    kinds = {
        "open": ({}, None, None),
        "week": ({"days_after_issue": 7}, None, "2026-11-28T16:00"),
        "later": ({"days_after_issue": 0, "starts_after_days": 2}, "2026-11-22T16:00", "2026-11-23T16:00"),
        "fixed": ({"begins": date(2026, 12, 1), "ends": date(2026, 12, 31)}, "2026-11-30T16:00", "2026-12-31T16:00"),
        "both": ({"ends": date(2026, 11, 25), "days_after_issue": 7}, None, "2026-11-25T16:00"),
    }  # fmt: skip
    for code, (term, begins, ends) in kinds.items():
        issue(template(code, **term), anna)
        coupon = Coupon.objects.get(template=code)
        assert coupon.valid_from.isoformat()[:16] == (begins or NOW.isoformat()[:16]), code
        assert (coupon.valid_until and coupon.valid_until.isoformat()[:16]) == ends, code
    with pytest.raises(errors.CouponTemplateOver):
        issue(template("gone", ends=date(2026, 11, 20)), anna)


def test_the_stock_is_never_exceeded() -> None:
    members = [make_member().id for _ in range(5)]
    kind = template(stock=3, alarm_percent=60)
    with pytest.raises(errors.CouponsOutOfStock) as refused:
        issue(kind, *members)
    assert refused.value.params == {"template": "ten", "left": 3, "asked": 5}
    assert not Coupon.objects.exists()
    assert len(issue(kind, *members, fewer=True).coupons) == 3
    again = issue(kind, *members, fewer=True)
    assert (again.coupons, again.known, again.left_out) == ((), 3, 2)
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.percent, alarm.most, alarm.taken) == ("stock", 60, 3, 3)
    assert [event.payload["kind"] for event in told("budget_alarm")] == ["stock"]


def test_a_piece_is_used_by_one_sale_and_comes_back_with_its_refund() -> None:
    anna = make_member().id
    kind = template(days_after_issue=7)
    ((coupon_id, _member),) = issue(kind, anna).coupons
    order = use({"t": "ten", "c": coupon_id, "v": 950}, member_id=anna)
    coupon = Coupon.objects.get()
    assert (coupon.state, coupon.order_id, coupon.value_minor, coupon.used_at) == ("used", order, 950, NOW)
    figures = figures_of(["ten"])["ten"]
    assert (figures.held, figures.used, figures.given_minor, figures.last_used_at) == (0, 1, 950, NOW)
    with pytest.raises(OperationalError):
        use({"t": "ten", "c": coupon_id, "v": 950}, member_id=anna)

    back = restore(order, now=NOW + DAY)
    assert back == [{"coupon_id": str(coupon_id), "template": "ten", "state": "held"}]
    assert restore(order, now=NOW + DAY) == [], "once"
    figures = figures_of(["ten"])["ten"]
    assert (figures.held, figures.used, figures.given_minor) == (1, 0, 0)
    assert story(coupon_id) == ["issued", "used", "restored"]
    assert [e.member_id for e in told("coupon_used") + told("coupon_restored")] == [anna, anna]


@pytest.mark.parametrize(("policy", "days", "state"), [("restore", 9, "expired"), ("void", 1, "void")])
def test_what_a_refund_finds_over_or_takes_is_gone(policy: str, days: int, state: str) -> None:
    anna = make_member().id
    ((coupon_id, _member),) = issue(template(days_after_issue=7), anna).coupons
    order = use({"t": "ten", "c": coupon_id, "v": 950}, member_id=anna)
    (back,) = restore(order, policy=policy, now=NOW + days * DAY)
    assert back["state"] == Coupon.objects.get().state == state
    figures = figures_of(["ten"])["ten"]
    assert (figures.used, figures.given_minor, getattr(figures, state)) == (0, 0, 1)
    assert story(coupon_id) == ["issued", "used", state]


def test_nobody_uses_what_another_holds() -> None:
    anna, ben = make_member().id, make_member().id
    ((coupon_id, _member),) = issue(template(), anna).coupons
    for holder in (ben, None):
        with pytest.raises(OperationalError):
            use({"t": "ten", "c": coupon_id, "v": 1}, member_id=holder)
    assert Coupon.objects.get().state == "held"


def test_a_public_code_takes_from_stock_budgets_and_the_members_limit() -> None:
    anna = make_member().id
    limits = {"s": 10, "q": 3, "m": 2500, "a": 50, "l": 2, "d": NOW.date()}
    public = {"t": "ten", "v": 1000, **limits}
    first = use(public, member_id=anna)
    facts = coupon_facts(member_id=anna, since={"ten": NOW.date()})
    assert (facts.member_uses["ten"], facts.drawn["ten"].used, facts.drawn["ten"].given_minor) == (1, 1, 1000)
    use(public, member_id=anna)
    assert {alarm.kind: alarm.taken for alarm in Alarm.objects.all()} == {"uses": 2, "money": 2000}
    with pytest.raises(OperationalError, match="as often as allowed"):
        use({**public, "v": 1}, member_id=anna)
    with pytest.raises(OperationalError, match="holds less"):
        use({**public, "v": 501})
    use({**public, "v": 500})
    with pytest.raises(OperationalError, match="holds less"):
        use({**public, "v": 0})
    restore(first)
    assert coupon_facts(member_id=anna, since={"ten": NOW.date()}).member_uses["ten"] == 1
    figures = figures_of(["ten"])["ten"]
    assert (figures.issued, figures.used, figures.given_minor) == (2, 2, 1500)


def test_a_lost_use_of_a_public_code_goes_on_counting() -> None:
    anna = make_member().id
    order = use({"t": "ten", "v": 1000}, member_id=anna)
    restore(order, policy="void")
    assert coupon_facts(member_id=anna, since={"ten": NOW.date()}).member_uses["ten"] == 1
    assert figures_of(["ten"])["ten"].given_minor == 0


def test_a_piece_is_passed_on_once_and_keeps_its_term() -> None:
    anna, ben, carl = (make_member().id for _ in range(3))
    kind = template(transferable=True, days_after_issue=7)
    ((coupon_id, _member),) = issue(kind, anna).coupons
    ends = Coupon.objects.get().valid_until

    def give(receiver_id: UUID, offer=kind) -> Coupon:
        return pass_coupon(actor=TILL, coupon_id=coupon_id, receiver_id=receiver_id, template=offer, now=NOW)

    for offer in (None, replace(kind, transferable=False)):
        with pytest.raises(errors.CouponNotTransferable):
            give(ben, offer)
    with pytest.raises(errors.CouponPassedToSelf):
        give(anna)
    with pytest.raises(errors.CouponHolderUnknown):
        give(uuid7())
    coupon = give(ben)
    assert (coupon.member_id, coupon.passed_from, coupon.valid_until) == (ben, anna, ends)
    with pytest.raises(errors.CouponPassedBefore):
        give(carl)
    assert issue(kind, anna).coupons == (), "who passed it on is not given another"
    assert [e.member_id for e in told("coupon_passed") + told("coupon_received")] == [anna, ben]
    assert AuditEvent.objects.filter(action="rewards.coupon_passed.v1", object_id=coupon_id).count() == 1
    use({"t": "ten", "c": coupon_id, "v": 5}, member_id=ben)
    assert story(coupon_id) == ["issued", "passed", "used"]


def test_what_lapsed_or_belongs_to_a_closed_membership_is_not_passed_on() -> None:
    anna, ben = make_member(), make_member()
    kind = template(transferable=True, days_after_issue=7)
    ((coupon_id, _member),) = issue(kind, anna.id).coupons
    with pytest.raises(errors.CouponLapsed):
        pass_coupon(actor=TILL, coupon_id=coupon_id, receiver_id=ben.id, template=kind, now=NOW + 9 * DAY)
    change_status(actor=TILL, now=NOW, member_id=ben.id, status=MemberStatus.FROZEN, reason="lost card")
    with pytest.raises(errors.CouponHolderNotActive):
        pass_coupon(actor=TILL, coupon_id=coupon_id, receiver_id=ben.id, template=kind, now=NOW)


def test_a_piece_is_called_back_with_a_reason() -> None:
    ((coupon_id, _member),) = issue(template(), make_member().id).coupons
    with pytest.raises(errors.CouponUnknown):
        void_coupon(actor=TILL, coupon_id=uuid7(), reason="typed wrong", now=NOW)
    void_coupon(actor=TILL, coupon_id=coupon_id, reason="given by mistake", now=NOW)
    with pytest.raises(errors.CouponNotOpen):
        void_coupon(actor=TILL, coupon_id=coupon_id, reason="again", now=NOW)
    figures = figures_of(["ten"])["ten"]
    assert (figures.issued, figures.held, figures.void) == (1, 0, 1)
    event = AuditEvent.objects.get(action="rewards.coupon_voided.v1")
    assert event.reason == history_of([coupon_id])[coupon_id][-1].cause == "given by mistake"


def test_lapsed_pieces_expire_in_batches_each_once() -> None:
    members = [make_member().id for _ in range(5)]
    issue(template(days_after_issue=7), *members)
    issue(template("open"), *members)
    assert expire_coupons(now=NOW + 7 * DAY) == 0
    late = NOW + 8 * DAY
    assert [expire_coupons(now=late, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert figures_of(["ten"])["ten"].expired == 5
    assert figures_of(["open"])["open"].held == 5
    events = told("coupon_expired")
    assert sorted(event.member_id for event in events) == sorted(members)
    assert {event.occurred_at for event in events} == {Coupon.objects.filter(template="ten")[0].valid_until}


def test_holders_are_told_ahead_once_for_each_notice() -> None:
    anna = make_member().id
    issue(template(days_after_issue=9), anna)
    told_days = []
    for days in (0, 3, 3, 4, 9, 9, 11):
        announce_expiring(now=NOW + days * DAY)
        told_days.append([event.payload["days"] for event in told("coupon_expiring")])
    assert told_days == [[], [7], [7], [7], [7, 1], [7, 1], [7, 1]]


def test_a_public_code_is_claimed_as_often_as_one_member_may() -> None:
    anna = make_member().id
    kind = template(public_code="HELLO", per_member=1, per_member_per="day", stock=2, days_after_issue=3)
    coupon = claim(kind, anna, " hello ")
    assert (coupon.state, coupon.member_id, coupon.source) == ("held", anna, "claim")
    with pytest.raises(errors.CouponClaimLimit):
        claim(kind, anna, "HELLO")
    claim(kind, anna, "HELLO", now=NOW + DAY)
    with pytest.raises(errors.CouponsOutOfStock):
        claim(kind, make_member().id, "HELLO")
    with pytest.raises(errors.CouponCodeUnknown):
        claim(kind, anna, "GOODBYE")
    assert figures_of(["ten"])["ten"].held == 2


def test_pages_of_pieces_go_on_where_the_last_ended() -> None:
    anna = make_member().id
    issue(template(), anna, count=5)
    first = list_coupons(member_id=anna, limit=3)
    second = list_coupons(member_id=anna, limit=3, cursor=first.next_cursor)
    seen = [each.id for each in first.coupons + second.coupons]
    assert len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    assert second.next_cursor is None
    assert list_coupons(member_id=anna, states=["used"]).coupons == []


@pytest.mark.parametrize("model", [CouponEvent, Use])
def test_history_is_append_only(model: type) -> None:
    anna = make_member().id
    ((coupon_id, _member),) = issue(template(), anna).coupons
    use({"t": "ten", "c": coupon_id, "v": 5}, member_id=anna)
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        try:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        finally:
            cursor.execute("ROLLBACK TO before")
