"""What happens on each sample day, act by act, through the operations that the screens and tills call.

People are named by their place among those who take part: number 0 spent most, and meets everything there is. Where only a
part of the data is loaded they have few points and low tiers: they are given points first, and an act that the rules refuse
still is left out and counted as refused. With the whole data set there is neither.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from shuke.checkout.allowances import issue_allowance
from shuke.checkout.gift_cards import activate_gift_cards, block_gift_card, codes_of, issue_gift_cards
from shuke.checkout.models import GiftCard, Order
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.refunds.exchange import exchange_order
from shuke.checkout.refunds.operations import refund_order
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.checkout.stored_value import return_stored_value, top_up
from shuke.checkout.values import BEST, LineRequest, MemberRef, SaleRequest, TenderRequest
from shuke.config.demo.sample_shop import Place, Shop
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError
from shuke.ledger.models import Adjustment
from shuke.ledger.operations import reject_adjustment
from shuke.ledger.queries import balances_of
from shuke.loyalty.books import approve_adjustment, place_hold, request_adjustment, transfer_points
from shuke.loyalty.coupon_books import give_coupons, order_coupon_codes
from shuke.loyalty.plans.entitlements import redeem_entitlement
from shuke.loyalty.plans.giving import give_birthday_gifts, give_plan_packs
from shuke.loyalty.plans.refunds import refund_plan
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, start_trial
from shuke.loyalty.redemptions import cancel_redemption, redeem_reward
from shuke.members.models import Member
from shuke.members.operations import set_tags
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.catalogue.operations import hand_over, lapse_uncollected, mark_ready
from shuke.rewards.models import CodeJob
from shuke.rewards.operations import generate_codes
from shuke.rewards.queries import code_at

SYSTEM = "sample"
"""The system of all sales that are played, and the tag of the members who take part."""
SLOTS = 45
"""Moments of a day, one for each act."""
SALES_A_DAY = 9
CAST, ENOUGH = 24, 4000
"""So many people are named in the acts below, and need so many points for what they do."""
FORGETFUL = 4
"""Who does not fetch what was redeemed."""
MONEY = ("wechat", "wechat", "alipay", "card", "cash")
SUMS = (100_00, 200_00, 200_00, 300_00, 500_00, 1000_00)


class Act:
    """One day: its moments, its dice, and the acts as sentences."""

    def __init__(
        self, shop: Shop, number: int, dice: random.Random, hours: tuple[datetime, datetime]
    ) -> None:
        self.shop, self.number, self.dice = shop, number, dice
        self.counts: dict[str, int] = {}
        self._opens, self._step, self._slot = hours[0], (hours[1] - hours[0]) / SLOTS, 0
        self._sold = 0

    def moment(self) -> datetime:
        """The next moment of the day; a long day ends with several acts at one."""
        self._slot = min(self._slot + 1, SLOTS)
        return self._opens + self._step * self._slot

    def person(self, number: int) -> UUID:
        return self.shop.people[number % len(self.shop.people)]

    def place(self, number: int = 0) -> Place:
        return self.shop.places[number % len(self.shop.places)]

    def attempt(self, kind: str, act: Callable[..., Any], **asked: Any) -> Any:
        """Do it at the next moment and count it; None where the rules refuse it."""
        try:
            with transaction.atomic():
                done = act(now=self.moment(), **asked)
        except ShukeError:
            self.counts["refused"] = self.counts.get("refused", 0) + 1
            return None
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return done

    # At the till ------------------------------------------------------------------------------------------

    def sell(
        self,
        who: int,
        *,
        where: int = 0,
        best: bool = False,
        codes: Sequence[str] = (),
        points: bool = False,
        tenders: Sequence[TenderRequest] = (),
        least: int = 6,
    ) -> UUID | None:
        """A basket from the shelf, at list prices. `best`: with the coupons that suit it, the `codes` named among them;
        `points`: as many as may be used.
        """
        place = self.place(where)
        self._sold += 1
        skus = self.dice.sample(
            self.shop.goods, min(self.dice.randint(least, least + 5), len(self.shop.goods))
        )
        sale = SaleRequest(
            store=place.code,
            channel="pos",
            lines=tuple(LineRequest(sku, 1000 * self.dice.choice((1, 1, 1, 2))) for sku in skus),
            member=MemberRef("id", str(self.person(who))),
            coupons=(BEST, *codes) if best else (),
            tenders=tuple(tenders),
            system=SYSTEM,
            number=f"S{self.number + 1}{self._sold:02d}",
        )

        def sold(now: datetime) -> UUID:
            asked = sale
            if points:
                limit = quote_order(actor=place.till, sale=sale, now=now)["points_limit"]
                asked = SaleRequest(**{**_fields(sale), "points_to_use": limit})
            answer = commit_order(actor=place.till, sale=asked, now=now)
            return UUID(json.loads(answer.body)["id"])

        found: UUID | None = self.attempt("sales", sold)
        return found

    def top_up(self, who: int, amount: int, *, where: int = 0) -> None:
        place = self.place(where)
        self.attempt(
            "top-ups",
            top_up,
            actor=place.till,
            member_id=self.person(who),
            store=place.code,
            amount_minor=amount,
            tender=self.dice.choice(MONEY),
            system=SYSTEM,
            number=f"T{self.number + 1}{who:03d}",
        )

    def sell_card(self, buyer: int, face: int, *, where: int = 0) -> None:
        """One of the cards that lie ready, of this value."""
        ready = GiftCard.objects.filter(status="issued", face_minor=face).order_by("id").first()
        place = self.place(where)
        if ready is not None:
            self.attempt(
                "gift cards sold",
                activate_gift_cards,
                actor=place.till,
                codes=codes_of([ready.id]),
                store=place.code,
                tender=self.dice.choice(MONEY),
                buyer_id=self.person(buyer),
            )

    def sell_plan(self, who: int, *, where: int = 0) -> None:
        place = self.place(where)
        sale = Sale(
            tender=self.dice.choice(MONEY),
            store=place.store,
            system=SYSTEM,
            number=f"P{self.number + 1}{who:03d}",
        )
        self.attempt(
            "plans sold", buy_plan, actor=place.till, member_id=self.person(who), plan="plus", sale=sale
        )

    # Rewards and benefits -----------------------------------------------------------------------------------

    def redeem(self, who: int, reward: str, *, where: int = 0) -> Redemption | None:
        place = self.place(where)
        found: Redemption | None = self.attempt(
            "rewards redeemed",
            redeem_reward,
            actor=place.till,
            member_id=self.person(who),
            reward=reward,
            store=place.code,
            tender="wechat",
        )
        return found

    def ready(self, redemption: Redemption | None) -> None:
        if redemption is not None:
            mark_ready(actor=self.shop.manager, redemption_id=redemption.id, now=self.moment())

    def hand_over(self, redemption: Redemption | None) -> None:
        if redemption is not None:
            hand_over(
                actor=self.shop.manager,
                redemption_id=redemption.id,
                store=redemption.pick_up_store,
                now=self.moment(),
            )

    def entitle(self, who: int, entitlement: str, *, where: int = 0) -> None:
        place = self.place(where)
        self.attempt(
            "benefits used",
            redeem_entitlement,
            actor=place.till,
            member_id=self.person(who),
            entitlement=entitlement,
            store=place.store,
        )

    # By hand ------------------------------------------------------------------------------------------------

    def adjust(self, who: int, amount: int, reason: str, *, asker: Actor | None = None) -> Adjustment | None:
        found: Adjustment | None = self.attempt(
            "adjustments",
            request_adjustment,
            actor=asker or self.shop.agent,
            member_id=self.person(who),
            asset="points",
            amount=amount,
            reason=reason,
        )
        return found

    # What every day brings ------------------------------------------------------------------------------------

    def trade(self) -> None:
        """Sales with and without coupons, points and prepaid money; what was redeemed yesterday is fetched."""
        flyers = CodeJob.objects.get(template="flyer-5")
        codes = {0: ("XIANJI",), 1: (code_at(flyers, self.number),), 4: ("XIANJI",)}
        for nth in range(SALES_A_DAY):
            self.sell(
                self.dice.randrange(1, 160),
                where=nth % 2,
                best=nth % 3 != 2,
                codes=codes.get(nth, ()),
                points=nth % 4 == 3,
            )
        self.sell(3 + self.number, where=1, tenders=_PREPAID)
        self.sell_card(self.dice.randrange(1, 160), self.dice.choice((100_00, 200_00)), where=self.number % 2)
        for where in (0, 1):
            self.top_up(self.dice.randrange(4, 160), self.dice.choice(SUMS), where=where)
        open_ones = Redemption.objects.exclude(member_id=self.person(FORGETFUL)).order_by("placed_at", "id")
        for redemption in open_ones.filter(status="ready")[:2]:
            self.hand_over(redemption)
        for redemption in open_ones.filter(status="placed")[:2]:
            self.ready(redemption)


_PREPAID = (TenderRequest("stored_value", 10_000_00, at_most=True), TenderRequest("wechat"))


def _fields(sale: SaleRequest) -> dict[str, Any]:
    return {name: getattr(sale, name) for name in SaleRequest.__slots__}


def fund_cast(act: Act) -> None:
    """Points for those who are to redeem rewards, where the data have not brought them enough."""
    for who in range(min(CAST, len(act.shop.people))):
        balances = balances_of(act.person(who), act.moment())
        if next((each.usable for each in balances if each.asset == "points"), 0) < ENOUGH:
            asked = act.adjust(who, ENOUGH, "示例：只载入部分数据，补足积分", asker=act.shop.manager)
            if asked is not None:
                approve_adjustment(actor=act.shop.owner, adjustment_id=asked.id, now=act.moment())


def tag_people(act: Act) -> None:
    """Mark everybody who takes part."""
    tags = dict(Member.objects.filter(id__in=act.shop.people).values_list("id", "tags"))
    now = act.moment()
    for member_id in act.shop.people:
        set_tags(actor=act.shop.marketer, now=now, member_id=member_id, tags=[*tags[member_id], SYSTEM])


# The days -----------------------------------------------------------------------------------------------------


def _launch(act: Act) -> None:
    """The second version begins: coupons for everybody who takes part, codes for the flyer, cards for the counter."""
    shop = act.shop
    for template in ("basket-40-4", "cheese-5-1", "fresh-15", "milk-half"):
        now = act.moment()
        issued = give_coupons(
            actor=shop.marketer,
            template=template,
            member_ids=shop.people,
            reason="示例：新方案首发",
            now=now,
            reference="sample-launch",
            source="campaign",
        )
        act.counts["coupons handed out"] = act.counts.get("coupons handed out", 0) + len(issued.coupons)
    job = order_coupon_codes(
        actor=shop.marketer, template="flyer-5", count=500, note="示例：门店海报", now=act.moment()
    )
    generate_codes(job_id=job.id, now=act.moment())
    for face, count in ((100_00, 16), (200_00, 8), (500_00, 4)):
        issue_gift_cards(actor=shop.manager, face_minor=face, count=count, now=act.moment())
    act.top_up(0, 500_00)
    for who in range(3, 9):
        act.top_up(who, act.dice.choice(SUMS), where=who % 2)
    act.sell_plan(0)
    act.sell_plan(1, where=1)
    act.trade()


def _second(act: Act) -> None:
    act.sell(0, best=True, tenders=_PREPAID, least=9)
    for who in (0, 2, 5):
        act.sell_card(who, 100_00, where=who % 2)
    act.redeem(FORGETFUL, "eggs")
    act.ready(act.redeem(0, "eggs"))
    act.redeem(6, "voucher-10")
    act.trade()


def _third(act: Act) -> None:
    """A card sold at one store pays at the other, which the settlement between stores shows."""
    card = GiftCard.objects.filter(status="active").order_by("activated_at", "id").first()
    if card is not None:
        gift = TenderRequest("gift_card", code=codes_of([card.id])[0], amount_minor=100_00, at_most=True)
        act.sell(2, where=1, tenders=(gift, TenderRequest("wechat")), least=9)
    for who in (2, 7, 10, 14):
        act.sell_plan(who, where=who % 2)
    act.redeem(1, "mug")
    act.redeem(8, "bonus-10")
    act.trade()


def _fourth(act: Act) -> None:
    """Goods come back."""
    sold = _sales_of(act.number)
    for nth, order in enumerate(sold[1:4]):
        act.attempt(
            "refunds",
            refund_order,
            actor=act.shop.manager,
            order_id=order,
            reason="示例：包装破损" if nth else "示例：顾客改变主意",
            request=ALL_THAT_IS_LEFT if nth == 0 else RefundRequest((LineBack(1, quantity=1000),)),
        )
    for who in (0, 10):
        act.entitle(who, "home-delivery")
    act.entitle(0, "juice")
    act.sell_card(12, 200_00)
    act.trade()


def _fifth(act: Act) -> None:
    """An exchange, and points for a complaint."""
    place, sold = act.place(), _sales_of(act.number)
    if len(sold) > 4:
        order = Order.objects.get(id=sold[4])
        new = SaleRequest(
            store=place.code,
            channel="pos",
            lines=(LineRequest(act.dice.choice(act.shop.goods), 1000),),
            system=SYSTEM,
            number=f"X{act.number + 1}01",
        )
        act.attempt(
            "exchanges",
            exchange_order,
            actor=act.shop.manager,
            order_id=order.id,
            request=RefundRequest((LineBack(1, quantity=1000),)),
            sale=new,
            reason="示例：换口味",
        )
    act.adjust(0, 200, "示例：配送迟到补偿")
    act.ready(act.redeem(9, "mug", where=1))
    act.redeem(12, "eggs", where=1)
    act.sell_plan(16)
    act.trade()


def _sixth(act: Act) -> None:
    """Points go from one member to another; a plan is given up."""
    act.attempt(
        "transfers",
        transfer_points,
        actor=act.shop.agent,
        sender_id=act.person(0),
        receiver_id=act.person(1),
        asset="points",
        amount=300,
        reason="示例：转给家人",
    )
    place = act.place(1)
    act.attempt(
        "plans refunded",
        refund_plan,
        actor=place.till,
        member_id=act.person(14),
        plan="plus",
        sale=Sale(tender="wechat", store=place.store, system=SYSTEM, number="R014"),
        reason="示例：搬家",
        enjoyed=enjoyed_on_sales,
    )
    act.entitle(2, "home-delivery")
    act.entitle(5, "juice", where=1)
    act.sell_card(9, 500_00)
    act.trade()


def _seventh(act: Act) -> None:
    """A lost card is blocked, prepaid money is paid back."""
    card = GiftCard.objects.filter(status="active").order_by("-activated_at", "id").first()
    if card is not None:
        act.attempt(
            "gift cards blocked",
            block_gift_card,
            actor=act.shop.manager,
            code=codes_of([card.id])[0],
            reason="示例：卡片遗失",
        )
    place = act.place()
    act.attempt(
        "stored value returned",
        return_stored_value,
        actor=act.shop.manager,
        member_id=act.person(8),
        store=place.code,
        tender="wechat",
        reason="示例：不再使用",
    )
    act.redeem(15, "voucher-10")
    act.redeem(0, "mug")
    act.trade()


def _eighth(act: Act) -> None:
    act.sell(0, points=True, best=True, least=9)
    act.entitle(0, "home-delivery")
    act.ready(act.redeem(11, "class", where=1))
    cancelled = act.redeem(13, "eggs")
    if cancelled is not None:
        act.attempt(
            "redemptions cancelled",
            cancel_redemption,
            actor=act.shop.manager,
            redemption_id=cancelled.id,
            reason="示例：顾客取消",
        )
    act.sell_plan(19, where=1)
    act.sell_card(3, 100_00, where=1)
    act.trade()


def _ninth(act: Act) -> None:
    act.sell_plan(21)
    act.entitle(1, "home-delivery", where=1)
    act.trade()


def _today(act: Act) -> None:
    """What waits for somebody: adjustments to approve, goods to hand over, a hold, a till that is cut off."""
    shop = act.shop
    while lapse_uncollected(now=act.moment()):
        pass
    while give_plan_packs(now=act.moment()):
        pass
    while give_birthday_gifts(now=act.moment()):
        pass
    act.trade()
    act.sell(0, best=True, tenders=_PREPAID, least=9)
    act.redeem(0, "eggs")
    act.redeem(17, "eggs")
    act.ready(act.redeem(18, "mug"))
    act.redeem(20, "bonus-10")
    agreed = act.adjust(5, 900, "示例：补记漏扫的一单")
    if agreed is not None:
        approve_adjustment(actor=shop.owner, adjustment_id=agreed.id, now=act.moment(), note="小票已核对")
    refused = act.adjust(9, 2000, "示例：顾客要求双倍")
    if refused is not None:
        reject_adjustment(actor=shop.manager, adjustment_id=refused.id, now=act.moment(), note="不在活动期内")
    act.adjust(0, 800, "示例：生日月积分少算")
    act.adjust(22, 1500, "示例：系统故障补偿")
    act.adjust(30, -600, "示例：误发积分收回")
    act.attempt(
        "holds",
        place_hold,
        actor=shop.agent,
        member_id=act.person(0),
        asset="points",
        amount=300,
        reason="示例：团购预留",
        until=act.moment() + timedelta(days=14),
    )
    act.attempt("trials", start_trial, actor=act.place().till, member_id=act.person(23), plan="plus")
    for who in (0, 4):
        place = act.place(who % 2)
        act.attempt(
            "offline allowances",
            issue_allowance,
            actor=place.till,
            member_id=act.person(who),
            device="till-1",
            store=place.code,
        )


def _sales_of(day: int) -> list[UUID]:
    """The sales of the day before the one that is played."""
    found = Order.objects.filter(system=SYSTEM, number__startswith=f"S{day}").order_by("number")
    return list(found.values_list("id", flat=True))


DAYS: tuple[Callable[[Act], None], ...] = (
    _launch,
    _second,
    _third,
    _fourth,
    _fifth,
    _sixth,
    _seventh,
    _eighth,
    _ninth,
    _today,
)
