"""Redeeming a reward, handing it over, and undoing it. The member's book is the lock; the stock counter is taken last.

One call is one transaction. `give` and `take_back` let the room above do its part in it: issue coupons, grant a tier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shuke.catalog.models import Store
from shuke.core.keyset import keyset
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import clean_text
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.ledger.errors import NotEnough
from shuke.ledger.logic import available, consume
from shuke.ledger.models import Entry, Lot
from shuke.ledger.writing import (
    MAX_UNITS,
    Cause,
    Leg,
    Opened,
    checked_reason,
    debt_of,
    free_lots,
    post,
    require_active,
    take_books,
)
from shuke.members.models import Member
from shuke.rewards.catalogue.codes import blind_pick_up_code, pick_up_code
from shuke.rewards.catalogue.errors import (
    BadQuantity,
    BeyondMemberLimit,
    NotCancellable,
    OutOfStock,
    PickUpStoreMissing,
    PriceChanged,
    RedemptionEnded,
    RewardClosed,
    RewardNotForTier,
    RewardNotHere,
    TenderMissing,
    UnknownRedemption,
    WrongPickUpStore,
)
from shuke.rewards.catalogue.models import (
    OPEN,
    Redemption,
    RedemptionStatus,
    RedemptionStep,
    RewardStock,
)
from shuke.rewards.catalogue.queries import pieces_had
from shuke.rewards.catalogue.values import MAX_QUANTITY, Offer, Price, Terms

LAPSE_BATCH = 200
TENDERS = ("cash", "card", "wechat", "alipay", "transfer", "other")

Give = Callable[[Redemption], dict[str, Any]]
TakeBack = Callable[[Redemption], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member wants. `expected`: the price that was shown; another one by now is refused."""

    quantity: int = 1
    store: Store | None = None
    pick_up_store: Store | None = None
    tender: str = ""
    tender_reference: str = ""
    expected: Price | None = None


def redeem(
    *,
    actor: Actor,
    member_id: UUID,
    tier: Callable[[], str],
    offer: Offer,
    terms: Terms,
    wish: Wish,
    currency: str,
    programme_version_id: UUID,
    now: datetime,
    give: Give | None = None,
) -> Redemption:
    """Exchange points (and money paid outside) for a reward. `tier` is asked under the member's book.

    :raises RewardClosed, RewardNotForTier, RewardNotHere, PickUpStoreMissing, BadQuantity, TenderMissing, PriceChanged,
        BeyondMemberLimit, OutOfStock: by the offer. NotEnough, UnknownHolder: by the book.
    Publishes `rewards.reward_redeemed.v1`.
    """
    if not 1 <= wish.quantity <= MAX_QUANTITY:
        raise BadQuantity(field="quantity", most=MAX_QUANTITY)
    if not offer.is_open(now):
        raise RewardClosed(field="reward")
    _check_place(offer, wish)
    require_active(member_id, "member")
    with transaction.atomic():
        take_books([member_id])
        code = tier()
        if offer.tiers and code not in offer.tiers:
            raise RewardNotForTier(field="reward")
        price = offer.price_for(code)
        points, cash = price.points * wish.quantity, price.cash_minor * wish.quantity
        if wish.expected is not None and wish.expected != Price(points, cash):
            raise PriceChanged(field="expected", points=points, cash_minor=cash)
        if points > MAX_UNITS or cash > MAX_UNITS:
            raise BadQuantity(field="quantity", most=MAX_QUANTITY)
        if cash and wish.tender not in TENDERS:
            raise TenderMissing(field="tender")
        _check_member_limit(member_id, offer, wish.quantity, terms.since)
        redemption = Redemption(
            id=uuid7(),
            member_id=member_id,
            reward=offer.code,
            kind=offer.kind,
            fulfilment=offer.fulfilment,
            names=dict(offer.names),
            quantity=wish.quantity,
            points=points,
            cash_minor=cash,
            currency=currency,
            tender=wish.tender if cash else "",
            tender_reference=clean_text("tender_reference", wish.tender_reference, 80) if cash else "",
            status=RedemptionStatus.DONE if offer.fulfilment == "at_once" else RedemptionStatus.PLACED,
            store=wish.store,
            pick_up_store=wish.pick_up_store if offer.fulfilment == "pick_up" else None,
            placed_at=now,
            collect_by=terms.collect_by if offer.fulfilment == "pick_up" else None,
            returns_uncollected=offer.returns_uncollected,
            ended_at=now if offer.fulfilment == "at_once" else None,
            programme_version_id=programme_version_id,
            actor=actor.reference,
        )
        if offer.fulfilment == "pick_up":
            _number(redemption)
        if points:
            redemption.transfer_id = _pay(redemption, terms, actor, now)
        if offer.kind == "bonus":
            redemption.given = _give_bonus(redemption, offer, terms, actor, now)
        elif give is not None:
            redemption.given = give(redemption)
        redemption.save(force_insert=True)
        _step(redemption, actor, now, store=wish.store, transfer_id=redemption.transfer_id)
        _tell("rewards.reward_redeemed.v1", redemption, actor, now)
        _take_stock(offer, wish.quantity)
    return redemption


def mark_ready(*, actor: Actor, redemption_id: UUID, now: datetime, tracking: str = "") -> Redemption:
    """The goods lie at the counter, or are on their way under `tracking`. Twice changes nothing.

    Raises UnknownRedemption, RedemptionEnded. Publishes `rewards.reward_ready.v1`.
    """
    tracking = clean_text("tracking", tracking, 80)
    with transaction.atomic():
        redemption = _open(actor, redemption_id)
        if redemption.status == RedemptionStatus.PLACED or tracking != redemption.tracking:
            redemption.status, redemption.tracking = RedemptionStatus.READY, tracking
            redemption.save(update_fields=["status", "tracking"])
            _step(redemption, actor, now)
            _tell("rewards.reward_ready.v1", redemption, actor, now)
    return redemption


def hand_over(*, actor: Actor, redemption_id: UUID, store: Store | None, now: datetime) -> Redemption:
    """The member has it. Raises UnknownRedemption, RedemptionEnded (also when it was handed over before), WrongPickUpStore.

    Publishes `rewards.reward_handed_over.v1`.
    """
    with transaction.atomic():
        redemption = _open(actor, redemption_id)
        if redemption.collect_by is not None and redemption.collect_by <= now:
            raise RedemptionEnded
        place = redemption.pick_up_store
        elsewhere = place is not None and store is not None and place.id != store.id
        # Whoever took the order at another store may cancel it, but the goods do not lie there.
        if place is not None and (elsewhere or not actor.may_touch_store(place.id)):
            raise WrongPickUpStore(field="store", store=place.name)
        redemption.status, redemption.ended_at = RedemptionStatus.DONE, now
        redemption.save(update_fields=["status", "ended_at"])
        _step(redemption, actor, now, store=store or place)
        _tell("rewards.reward_handed_over.v1", redemption, actor, now)
    return redemption


def cancel_redemption(
    *, actor: Actor, redemption_id: UUID, reason: str, now: datetime, take_back: TakeBack | None = None
) -> Redemption:
    """Undo it: points go back to their own lots, what has lapsed meanwhile lapses again, stock is free again.

    What was handed over stays, and so does what was not collected in time. Bonus money and coupons go back only while they
    are untouched; `take_back` sees to those of the room above. The money that was paid is given back outside. Raises
    UnknownRedemption, RedemptionEnded, NotCancellable, ReasonMissing. Publishes `rewards.redemption_cancelled.v1`.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        redemption = _booked(actor, redemption_id)
        untouched = redemption.status == RedemptionStatus.DONE and redemption.kind in ("coupon", "bonus")
        late = redemption.collect_by is not None and redemption.collect_by <= now
        if not untouched and (late or redemption.status not in OPEN):
            raise RedemptionEnded  # what nobody collected ends by the programme's terms, however late the job is
        if redemption.kind == "tier":
            raise NotCancellable
        if redemption.kind == "bonus":
            _take_bonus_back(redemption, actor, now, reason)
        elif take_back is not None:
            take_back(redemption)
        _end(redemption, RedemptionStatus.CANCELLED, actor, now, reason, returns=True)
        _tell("rewards.redemption_cancelled.v1", redemption, actor, now, reason=reason)
    return redemption


def lapse_uncollected(*, now: datetime, limit: int = LAPSE_BATCH) -> int:
    """End what nobody collected in time, a transaction each, so that a killed run goes on where it stopped.

    Points go back where the programme said so. Returns how many ended; call it until it returns 0.
    """
    due = Redemption.objects.filter(status__in=OPEN, collect_by__lte=now).order_by("collect_by", "id")
    ended = 0
    for redemption_id in due.values_list("id", flat=True)[:limit]:
        with transaction.atomic():
            redemption = _booked(SYSTEM, redemption_id)
            if redemption.status not in OPEN:
                continue
            _end(redemption, RedemptionStatus.LAPSED, SYSTEM, now, "", returns=redemption.returns_uncollected)
            _tell("rewards.redemption_lapsed.v1", redemption, SYSTEM, now)
            ended += 1
    return ended


def code_of(redemption: Redemption) -> str:
    """The pick-up code as the member shows it; "" for what is not picked up."""
    return pick_up_code(keyset(), redemption.id) if redemption.blind is not None else ""


# What the above is made of ---------------------------------------------------------------------------


def _check_place(offer: Offer, wish: Wish) -> None:
    if offer.fulfilment == "pick_up":
        if wish.pick_up_store is None:
            raise PickUpStoreMissing(field="pick_up_store")
        if offer.stores and wish.pick_up_store.code not in offer.stores:
            raise RewardNotHere(field="pick_up_store")


def _check_member_limit(member_id: UUID, offer: Offer, quantity: int, since: datetime | None) -> None:
    """Counted under the member's book, so two redemptions of a member see each other."""
    if offer.member_limit is None:
        return
    had = pieces_had(member_id, {offer.code: since}).get(offer.code, 0)
    if had + quantity > offer.member_limit:
        raise BeyondMemberLimit(field="quantity", limit=offer.member_limit, had=had)


def _take_stock(offer: Offer, quantity: int) -> None:
    """The last statement of the transaction: the counter's row is held for as short as can be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rewards_rewardstock AS s (reward, taken) VALUES (%s, 0) ON CONFLICT DO NOTHING",
            [offer.code],
        )
        cursor.execute(
            "UPDATE rewards_rewardstock SET taken = taken + %s WHERE reward = %s"
            " AND (%s::bigint IS NULL OR taken + %s <= %s)",
            [quantity, offer.code, offer.stock, quantity, offer.stock],
        )
        if cursor.rowcount == 0:
            taken = RewardStock.objects.get(reward=offer.code).taken
            raise OutOfStock(field="quantity", left=max((offer.stock or 0) - taken, 0))


def _number(redemption: Redemption) -> None:
    """Give it a pick-up code that no other has."""
    secret = keyset()
    while True:
        code = pick_up_code(secret, redemption.id)
        blind = blind_pick_up_code(secret, code)
        if not Redemption.objects.filter(blind=blind).exists():
            redemption.blind, redemption.last_four = blind, code[-4:]
            return
        redemption.id = uuid7()


def _pay(redemption: Redemption, terms: Terms, actor: Actor, now: datetime) -> UUID:
    lots = free_lots(redemption.member_id, "points")
    usable = available(lots, now)
    if usable < redemption.points:
        raise NotEnough(field="points", asset="points", usable=usable, asked=redemption.points)
    explain = {"reward": redemption.reward, "redemption": str(redemption.id)}
    legs = [
        Leg("member", "points", -part, lot_id, explain)
        for lot_id, part in consume(lots, redemption.points, now)
    ]
    legs.append(Leg("redeemed", "points", redemption.points))
    return post(
        uuid7(), "redeem", redemption.member_id, _cause(redemption, actor, now), legs, slides=terms.slides
    )


def _give_bonus(
    redemption: Redemption, offer: Offer, terms: Terms, actor: Actor, now: datetime
) -> dict[str, Any]:
    assert terms.bonus is not None
    units = offer.bonus_minor * redemption.quantity
    settled = min(debt_of(redemption.member_id, "bonus"), units)
    explain = {"reward": redemption.reward, "redemption": str(redemption.id)}
    legs, lots = [], []
    if settled:
        legs.append(Leg("member", "bonus", settled, None, explain))
    if units > settled:
        lots.append(
            Opened(
                uuid7(),
                "bonus",
                units - settled,
                now,
                terms.bonus.active_at,
                terms.bonus.expires_at,
                terms.bonus.waits_for,
                terms.bonus.slides,
            )
        )
        legs.append(Leg("member", "bonus", units - settled, lots[0].id, explain))
    legs.append(Leg("bonus", "bonus", -units))
    post(uuid7(), "accrue", redemption.member_id, _cause(redemption, actor, now), legs, lots)
    return {"bonus_minor": units, "lot": str(lots[0].id) if lots else None}


def _take_bonus_back(redemption: Redemption, actor: Actor, now: datetime, reason: str) -> None:
    """Only whole and unspent: bonus money that paid something, or has lapsed, is not called back."""
    units, lot_id = redemption.given["bonus_minor"], redemption.given["lot"]
    lot = next((each for each in free_lots(redemption.member_id, "bonus") if str(each.id) == lot_id), None)
    lapsed = lot is not None and lot.expires_at is not None and lot.expires_at <= now
    if lot is None or lot.free != units or lapsed:
        raise NotCancellable
    explain = {"redemption": str(redemption.id)}
    legs = [Leg("member", "bonus", -units, lot.id, explain), Leg("bonus", "bonus", units)]
    post(uuid7(), "reversal", redemption.member_id, _cause(redemption, actor, now, reason), legs)


def _booked(actor: Actor, redemption_id: UUID) -> Redemption:
    """The redemption under the book of its member. Raises UnknownRedemption, also for one at a store out of reach."""
    found = Redemption.objects.filter(id=redemption_id).values_list("member_id", flat=True).first()
    if found is None:
        raise UnknownRedemption
    take_books([found])
    return _in_reach(actor, Redemption.objects.select_for_update().get(id=redemption_id))


def _open(actor: Actor, redemption_id: UUID) -> Redemption:
    redemption = Redemption.objects.select_for_update().filter(id=redemption_id).first()
    if redemption is None:
        raise UnknownRedemption
    _in_reach(actor, redemption)
    if redemption.status not in OPEN:
        raise RedemptionEnded
    return redemption


def _in_reach(actor: Actor, redemption: Redemption) -> Redemption:
    places = [place for place in (redemption.pick_up_store_id, redemption.store_id) if place is not None]
    if not places and not actor.all_stores:  # sent home, and asked for nowhere: it goes with the member
        places = list(
            Member.objects.filter(id=redemption.member_id, join_store__isnull=False).values_list(
                "join_store_id", flat=True
            )
        )
    if places and not any(actor.may_touch_store(place) for place in places):
        raise UnknownRedemption
    return redemption


def _end(
    redemption: Redemption,
    status: RedemptionStatus,
    actor: Actor,
    now: datetime,
    reason: str,
    *,
    returns: bool,
) -> None:
    transfer_id = _return_points(redemption, actor, now, reason) if returns and redemption.points else None
    redemption.status, redemption.ended_at = status, now
    redemption.save(update_fields=["status", "ended_at"])
    _step(redemption, actor, now, reason=reason, transfer_id=transfer_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rewards_rewardstock SET taken = taken - %s WHERE reward = %s",
            [redemption.quantity, redemption.reward],
        )


def _return_points(redemption: Redemption, actor: Actor, now: datetime, reason: str) -> UUID:
    """Back to their own lots; what lapsed meanwhile lapses again; what the member owes is paid from the rest."""
    assert redemption.transfer_id is not None
    explain = {"redemption": str(redemption.id)}
    spent = Entry.objects.filter(
        transfer_id=redemption.transfer_id, account="member", asset="points", lot_id__isnull=False
    ).values_list("lot_id", "amount")
    back: dict[UUID, int] = {}
    for lot_id, units in spent:
        assert lot_id is not None
        back[lot_id] = back.get(lot_id, 0) - units
    ends = dict(Lot.objects.filter(id__in=back).values_list("id", "expires_at"))
    lapsed = {lot: units for lot, units in back.items() if (end := ends[lot]) is not None and end <= now}
    legs = [Leg("member", "points", units, lot, explain) for lot, units in back.items()]
    legs.append(Leg("redeemed", "points", -redemption.points))
    owed = debt_of(redemption.member_id, "points")
    for lot, units in back.items():
        part = min(owed, units) if lot not in lapsed else 0
        if part:
            owed -= part
            legs.append(Leg("member", "points", -part, lot, explain))
            legs.append(Leg("member", "points", part, None, explain))
    cause = _cause(redemption, actor, now, reason)
    transfer_id = post(uuid7(), "reversal", redemption.member_id, cause, legs)
    if lapsed:
        gone = [Leg("member", "points", -units, lot, explain) for lot, units in lapsed.items()]
        gone.append(Leg("expired", "points", sum(lapsed.values())))
        post(uuid7(), "expire", redemption.member_id, cause, gone)
    return transfer_id


def _cause(redemption: Redemption, actor: Actor, now: datetime, reason: str = "") -> Cause:
    return Cause(
        actor,
        now,
        reason,
        programme_version_id=redemption.programme_version_id,
        store_id=redemption.store_id or redemption.pick_up_store_id,
    )


def _step(
    redemption: Redemption,
    actor: Actor,
    now: datetime,
    *,
    reason: str = "",
    store: Store | None = None,
    transfer_id: UUID | None = None,
) -> None:
    RedemptionStep.objects.create(
        redemption=redemption,
        status=redemption.status,
        at=now,
        actor=actor.reference,
        reason=reason,
        store_id=store.id if store else None,
        transfer_id=transfer_id,
    )


def _tell(name: str, redemption: Redemption, actor: Actor, now: datetime, *, reason: str = "") -> None:
    facts = {
        "redemption_id": str(redemption.id),
        "reward": redemption.reward,
        "quantity": redemption.quantity,
        "points": redemption.points,
        "cash_minor": redemption.cash_minor,
        "status": redemption.status,
    }
    if actor.kind == "staff":
        record_audit(
            actor=actor,
            action=name,
            now=now,
            object_type="redemption",
            object_id=redemption.id,
            store_id=redemption.store_id or redemption.pick_up_store_id,
            reason=reason,
            data=facts,
        )
    publish_event(name=name, member_id=redemption.member_id, occurred_at=now, payload=facts)
