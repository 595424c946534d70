"""Redeeming rewards under the programme in force: it says what there is, for whom, at which price and on which terms.

The catalogue below knows no programme; these are its operations with the offer filled in, and what tiers and coupons have
to do with it. One call is one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from shuke.catalog.errors import UnknownStore
from shuke.catalog.models import Store
from shuke.core.values import SYSTEM, Actor
from shuke.kit.clock import add_months, end_of_day, local_date, start_of_day
from shuke.loyalty.books import terms_of
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.models import Standing
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_grants import grant_tier
from shuke.loyalty.tiers import MAIN
from shuke.rewards.catalogue import operations as catalogue
from shuke.rewards.catalogue.errors import NotCancellable, UnknownReward
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.catalogue.queries import pieces_had, stock_taken
from shuke.rewards.catalogue.values import Offer, Price, Terms
from shuke.rewards.errors import CouponNotOpen
from shuke.rewards.models import Coupon, State
from shuke.rewards.operations import issue_coupons, void_coupon


@dataclass(frozen=True, slots=True)
class Shelf:
    """A reward as it stands now: `stock` pieces are left for everybody, of which the member it was asked for may have `allowed`
    more (None: no limit); `price` for that member; `missing` is why that member cannot have it: "", "dates", "stock",
    "tier", "limit" or "points"."""

    offer: Offer
    price: Price
    stock: int | None
    allowed: int | None
    missing: str

    @property
    def left(self) -> int | None:
        """How many can be had now, by the stock and by the member's own limit."""
        return min((limit for limit in (self.stock, self.allowed) if limit is not None), default=None)


def shelf(*, now: datetime, member_id: UUID | None = None, usable: int = 0) -> list[Shelf]:
    """Everything that the programme in force offers, in its order; for a member with `usable` points, what they may have.

    Raises NoProgramme.
    """
    in_force = _in_force(now)
    offers = in_force.programme.rewards
    taken = stock_taken(offers)
    tier = tier_of(in_force.programme, member_id) if member_id else ""
    had: dict[str, int] = {}
    if member_id is not None:
        limited = [offer for offer in offers.values() if offer.member_limit is not None]
        had = pieces_had(member_id, {offer.code: _since(offer, in_force.programme, now) for offer in limited})
    found = []
    for offer in offers.values():
        left = None if offer.stock is None else max(offer.stock - taken.get(offer.code, 0), 0)
        allowed = None
        if member_id is not None and offer.member_limit is not None:
            allowed = max(offer.member_limit - had.get(offer.code, 0), 0)
        price = offer.price_for(tier)
        missing = ""
        if not offer.is_open(now):
            missing = "dates"
        elif left == 0:
            missing = "stock"
        elif member_id is not None and offer.tiers and tier not in offer.tiers:
            missing = "tier"
        elif allowed == 0:
            missing = "limit"
        elif member_id is not None and usable < price.points:
            missing = "points"
        found.append(Shelf(offer, price, left, allowed, missing))
    return found


def redeem_reward(
    *,
    actor: Actor,
    member_id: UUID,
    reward: str,
    now: datetime,
    quantity: int = 1,
    store: str = "",
    pick_up_store: str = "",
    tender: str = "",
    tender_reference: str = "",
    expected: Price | None = None,
) -> Redemption:
    """As `rewards.catalogue.operations.redeem`. `store` is where it is asked for, if at a store.

    Raises also NoProgramme, UnknownReward, UnknownStore.
    """
    in_force = _in_force(now)
    programme = in_force.programme
    offer = programme.rewards.get(reward)
    if offer is None:
        raise UnknownReward(field="reward")
    place = _store(actor, store, "store")
    pick_up = _store(None, pick_up_store, "pick_up_store")
    if offer.fulfilment == "pick_up" and pick_up is None:
        pick_up = place
    return catalogue.redeem(
        actor=actor,
        member_id=member_id,
        tier=lambda: tier_of(programme, member_id),
        offer=offer,
        terms=_terms(programme, offer, now),
        wish=catalogue.Wish(quantity, place, pick_up, tender, tender_reference, expected),
        currency=programme.currency,
        programme_version_id=in_force.version_id,
        now=now,
        give=_given_with(in_force, offer, now),
    )


def cancel_redemption(*, actor: Actor, redemption_id: UUID, reason: str, now: datetime) -> Redemption:
    """As `rewards.catalogue.operations.cancel_redemption`. Coupons go back only while the member still holds all of them."""

    def take_back(redemption: Redemption) -> None:
        if redemption.kind == "coupon":
            _take_coupons_back(redemption, actor, reason, now)

    return catalogue.cancel_redemption(
        actor=actor, redemption_id=redemption_id, reason=reason, now=now, take_back=take_back
    )


def _given_with(in_force: InForce, offer: Offer, now: datetime) -> catalogue.Give | None:
    """What the rooms below cannot give themselves."""
    if offer.kind == "coupon":
        return _coupons_of(in_force, offer, now)
    return _tier_of(in_force, offer, now) if offer.kind == "tier" else None


def _tier_of(in_force: InForce, offer: Offer, now: datetime) -> catalogue.Give:
    """What grants the level, from now to the end of the day on which its months are over; several pieces last longer."""
    programme = in_force.programme

    def give(redemption: Redemption) -> dict[str, Any]:
        track = programme.track_of(offer.tier)
        last = add_months(local_date(now, programme.zone), offer.tier_months * redemption.quantity)
        until = end_of_day(last, programme.zone)
        made = grant_tier(
            actor=SYSTEM,
            member_id=redemption.member_id,
            track=track.code if track else MAIN,
            level=offer.tier,
            until=until,
            source="bought",
            reference=str(redemption.id),
            now=now,
            points=redemption.points,
        )
        return {"tier": made.tier, "until": until.isoformat(), "grant": str(made.id)}

    return give


def _coupons_of(in_force: InForce, offer: Offer, now: datetime) -> catalogue.Give:
    """What hands the coupons out, as many as were redeemed: by the house, since it is the reward's price that pays."""

    def give(redemption: Redemption) -> dict[str, Any]:
        issued = issue_coupons(
            actor=SYSTEM,
            template=in_force.programme.coupons[offer.coupon],
            version_id=in_force.version_id,
            zone=in_force.programme.zone,
            member_ids=[redemption.member_id],
            source="reward",
            reference=str(redemption.id),
            now=now,
            count=redemption.quantity,
        )
        return {
            "template": offer.coupon,
            "coupons": [str(coupon_id) for coupon_id, _member in issued.coupons],
        }

    return give


def _take_coupons_back(redemption: Redemption, actor: Actor, reason: str, now: datetime) -> None:
    """Raises NotCancellable when one of them was used, passed on, or has lapsed."""
    given = [UUID(each) for each in redemption.given["coupons"]]
    held = Coupon.objects.filter(id__in=given, member_id=redemption.member_id, state=State.HELD)
    # Locked, so that none is used or passed on meanwhile.
    pieces = list(held.select_for_update().order_by("id"))
    # By its term, not by the job that marks it: what was let lapse is not turned into points again.
    lapsed = any(each.valid_until is not None and each.valid_until <= now for each in pieces)
    if len(pieces) != len(given) or lapsed:
        raise NotCancellable
    try:
        for coupon_id in sorted(given):
            void_coupon(actor=actor, coupon_id=coupon_id, reason=reason, now=now)
    except CouponNotOpen as error:
        raise NotCancellable from error


def currency_of(now: datetime) -> str:
    """The currency of the programme in force. Raises NoProgramme."""
    return _in_force(now).programme.currency


def tier_of(programme: Programme, member_id: UUID) -> str:
    """The tier that the member holds now."""
    found = Standing.objects.filter(member_id=member_id).values_list("tier", flat=True).first()
    return programme.tiers.level(found).code if found else programme.tiers.levels[0].code


def _terms(programme: Programme, offer: Offer, now: datetime) -> Terms:
    points = terms_of(programme, "points", now)
    return Terms(
        bonus=terms_of(programme, "bonus", now) if offer.kind == "bonus" else None,
        slides=[("points", points.expires_at)] if points.slides and points.expires_at else [],
        since=_since(offer, programme, now),
        collect_by=end_of_day(
            local_date(now, programme.zone) + timedelta(days=offer.collect_days), programme.zone
        )
        if offer.collect_days
        else None,
    )


def _since(offer: Offer, programme: Programme, now: datetime) -> datetime | None:
    """When the period of the member's limit began; None: it never ends."""
    today = local_date(now, programme.zone)
    first: dict[str, date] = {
        "day": today,
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    return start_of_day(first[offer.limit_per], programme.zone) if offer.limit_per in first else None


def _store(actor: Actor | None, code: str, field: str) -> Store | None:
    """The store by its code, open, and within the actor's reach where that matters."""
    if not code:
        return None
    store = Store.objects.filter(code=code, is_open=True).first() if "\x00" not in code else None
    if store is None or (actor is not None and not actor.may_touch_store(store.id)):
        raise UnknownStore(field=field, code=code)
    return store


def _in_force(now: datetime) -> InForce:
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force
