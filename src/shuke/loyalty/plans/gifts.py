"""Plans that are given away: paid for by one, redeemed by another who has the code.

A code is a keyed function of the gift's id, so it can be printed again although it is stored nowhere; the gift is found by
a keyed blind index of it. Until it is redeemed its whole price is unearned.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.core.rate import limits_guessing
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import add_months, end_of_day, local_date
from shuke.kit.crypto import Keyset
from shuke.kit.ids import uuid7
from shuke.kit.typed_codes import ALPHABET, BODY, read_code, shown_code, with_check
from shuke.loyalty.plans.errors import (
    BadPlanCode,
    PlanCodeExpired,
    PlanCodeUsed,
    PlanNotOnSale,
    UnknownPlanCode,
)
from shuke.loyalty.plans.models import GiftState, PlanGift, PlanRefund, PlanTerm, TermCause
from shuke.loyalty.plans.rows import (
    Sale,
    Scene,
    add_term,
    checked,
    holding_of,
    lock_member,
    note,
    require_member,
    scene_of,
)
from shuke.loyalty.plans.selling import check_places, check_times, plan_next_charge, tell

MAX_GIFTS = 100
MAX_REASON = 300


def gift_plan(
    *, actor: Actor, plan: str, sale: Sale, now: datetime, count: int = 1, buyer_id: UUID | None = None
) -> list[PlanGift]:
    """Sell codes for a plan; each is redeemed by one member. `codes_of` prints them.

    Raises UnknownPlan, PlanNotOnSale.
    """
    scene, sale = scene_of(actor, plan, now), checked(sale)
    if not scene.plan.on_sale:
        raise PlanNotOnSale(field="plan", plan=plan)
    if not 1 <= count <= MAX_GIFTS:
        raise InvalidInput(field="count", reason=_("Up to %s codes at a time.") % MAX_GIFTS)
    gifts = new_gifts(
        count,
        plan=plan,
        buyer_id=buyer_id,
        currency=scene.in_force.programme.currency,
        price_minor=scene.plan.price,
        tender=sale.tender,
        reference=sale.reference,
        store=sale.store,
        occurred_at=now,
        expires_at=gifts_expire(scene),
        programme_version_id=scene.in_force.version_id,
        actor=actor.reference,
    )
    with transaction.atomic():
        if buyer_id is not None:
            require_member(buyer_id)
        PlanGift.objects.bulk_create(gifts)
        facts = {
            "gifts": [str(gift.id) for gift in gifts],
            "paid_minor": scene.plan.price * count,
            "currency": scene.in_force.programme.currency,
            "tender": sale.tender,
        }
        note(actor, now, "plan_gift_issued", plan=plan, member_id=buyer_id, facts=facts, store=sale.store)
    return gifts


def gifts_expire(scene: Scene) -> datetime | None:
    """The end of the local day until which codes sold now are good; None: for ever."""
    if not scene.plan.gift_code_months:
        return None
    zone = scene.in_force.programme.zone
    return end_of_day(add_months(local_date(scene.now, zone), scene.plan.gift_code_months), zone)


def new_gifts(count: int, **facts: Any) -> list[PlanGift]:
    """Gifts with their codes, not yet written."""
    secret, gifts = keyset(), []
    for _number in range(count):
        gift_id = uuid7()
        code = _code(secret, gift_id)
        gifts.append(PlanGift(id=gift_id, blind=_blind(secret, code), last_four=code[-4:], **facts))
    return gifts


def codes_of(gifts: Iterable[PlanGift]) -> list[str]:
    """The codes as they are printed, for whoever has just sold them."""
    secret = keyset()
    return [shown_code(_code(secret, gift.id)) for gift in gifts]


def redeem_plan_code(*, actor: Actor, member_id: UUID, code: str, now: datetime) -> PlanTerm:
    """Give a member the plan that a code stands for: now, or after what they hold of it.

    Raises BadPlanCode, UnknownPlanCode, TooManyWrongCodes, PlanCodeUsed, PlanCodeExpired, UnknownPlan, PlanLimitReached,
    PlanSoldOut.
    """
    with transaction.atomic():
        require_member(member_id)
        found = _find(actor, code, member_id)
        scene = scene_of(actor, found.plan, now)
        holding = holding_of(member_id, found.plan)
        if holding is None or holding.grace_until <= now:
            check_places(scene)
        lock_member(member_id)
        gift = PlanGift.objects.select_for_update().get(id=found.id)
        _require_open(gift, now)
        holding = holding_of(member_id, found.plan)
        check_times(scene, holding)
        sale = Sale(gift.tender, store=gift.store, system="plan_gift", number=str(gift.id))
        holding, term = add_term(
            scene, member_id, holding, TermCause.GIFT, paid=gift.price_minor, sale=sale, gift_id=gift.id
        )
        gift.state, gift.redeemed_by_id, gift.redeemed_at = GiftState.REDEEMED, member_id, now
        gift.save()
        plan_next_charge(scene, holding)
        tell(scene, "plan_gift_redeemed", holding, term, Sale(), {"gift_id": str(gift.id)})
    return term


def find_plan_code(*, actor: Actor, code: str, now: datetime) -> PlanGift:
    """What a code stands for that can be redeemed.

    Raises BadPlanCode, UnknownPlanCode, TooManyWrongCodes, PlanCodeUsed, PlanCodeExpired.
    """
    found = _find(actor, code)
    _require_open(found, now)
    return found


def take_back_gift(*, actor: Actor, gift_id: UUID, sale: Sale, reason: str, now: datetime) -> PlanRefund:
    """Pay an unredeemed gift back; its code is void. Raises UnknownPlanCode (also for one that was sold at a store out of
    reach), PlanCodeUsed."""
    reason = clean_text("reason", reason, MAX_REASON)
    sale = checked(sale)
    with transaction.atomic():
        gift = PlanGift.objects.select_for_update().filter(id=gift_id).first()
        if gift is None or not _may_take_back(actor, gift):
            raise UnknownPlanCode(field="gift")
        if gift.state != GiftState.ISSUED:
            raise PlanCodeUsed(field="gift")
        gift.state = GiftState.VOID
        gift.save()
        refund = refund_of(gift, actor, sale, reason, now)
        refund.save(force_insert=True)
        facts = {"gift_id": str(gift.id), "refund_minor": gift.price_minor, "tender": sale.tender}
        note(
            actor,
            now,
            "plan_gift_taken_back",
            plan=gift.plan,
            member_id=gift.buyer_id,
            facts=facts,
            store=sale.store,
            reason=reason,
        )
    return refund


def refund_of(gift: PlanGift, actor: Actor, sale: Sale, reason: str, now: datetime) -> PlanRefund:
    """The whole price of a gift that nobody has redeemed, not yet written."""
    return PlanRefund(
        id=uuid7(),
        gift_id=gift.id,
        occurred_at=now,
        currency=gift.currency,
        refund_minor=gift.price_minor,
        sums={"paid_minor": gift.price_minor},
        tender=sale.tender,
        reference=sale.reference,
        reason=reason,
        store=sale.store,
        actor=actor.reference,
    )


def within_reach(actor: Actor, store_id: UUID | None) -> bool:
    """True when an order for codes that was placed at a store, or at none by the head office, is the actor's business."""
    return actor.all_stores or store_id in actor.store_ids


def _may_take_back(actor: Actor, gift: PlanGift) -> bool:
    return (
        within_reach(actor, gift.store_id)
        if gift.order_id is not None
        else actor.may_touch_store(gift.store_id)
    )


def _require_open(gift: PlanGift, now: datetime) -> None:
    if gift.state != GiftState.ISSUED:
        raise PlanCodeUsed(field="code")
    if gift.expires_at is not None and gift.expires_at <= now:
        raise PlanCodeExpired(field="code", until=gift.expires_at.isoformat())


def _find(actor: Actor, code: str, member_id: UUID | None = None) -> PlanGift:
    plain = read_code(code)
    if plain is None:
        raise BadPlanCode(field="code")
    with limits_guessing(actor, UnknownPlanCode, member_id=member_id):
        gift = PlanGift.objects.filter(blind=_blind(keyset(), plain)).first()
        if gift is None:
            raise UnknownPlanCode(field="code")
    return gift


def _code(secret: Keyset, gift_id: UUID) -> str:
    digest = int.from_bytes(secret.derive("loyalty.plan_gift_code", gift_id.bytes)[:10], "big")
    return with_check("".join(ALPHABET[digest >> (5 * place) & 31] for place in range(BODY)))


def _blind(secret: Keyset, code: str) -> bytes:
    return secret.blind_index("loyalty.plan_gift", code)
