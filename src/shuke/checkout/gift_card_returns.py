"""A gift card given back: what is left on it is paid out, and it pays no more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.checkout.books import (
    MAX_NUMBER,
    MAX_REASON,
    header_of,
    one_line,
    open_lots_of,
    open_store,
    post_transfer,
    take_books,
)
from shuke.checkout.errors import (
    BadGiftCardCode,
    GiftCardNotActive,
    GiftCardNotReturnable,
    GiftCardsNotOffered,
    NothingToReturn,
    UnknownGiftCard,
)
from shuke.checkout.gift_cards import told
from shuke.checkout.gift_codes import blind_code, read_gift_card_code
from shuke.checkout.models import GiftCard, GiftCardStatus
from shuke.checkout.operations import programme_in_force
from shuke.checkout.posting import NewEntry, NewTransfer
from shuke.checkout.stored_value import check_tender
from shuke.core.keyset import keyset
from shuke.core.operations import publish_event, record_audit
from shuke.core.rate import limits_guessing
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.ids import uuid7

_MAY_BE_PAID_BACK = (GiftCardStatus.ACTIVE, GiftCardStatus.RETURNED)
"""A returned card may be returned again: a refund of what it paid brings money back onto it."""


def return_gift_card(
    *, actor: Actor, code: str, store: str, tender: str, reason: str, now: datetime, reference: str = ""
) -> dict[str, Any]:
    """Pay out what a card holds and close it, in one transaction. What has lapsed is not paid.

    Raises GiftCardsNotOffered, GiftCardNotReturnable (the programme's switch), BadGiftCardCode, UnknownGiftCard,
    TooManyWrongCodes, GiftCardNotActive (not sold yet, or blocked), NothingToReturn and the refusals of the store.
    """
    in_force = programme_in_force(now)
    if in_force.programme.gift_cards is None:
        raise GiftCardsNotOffered
    if not in_force.programme.gift_cards.returnable:
        raise GiftCardNotReturnable
    check_tender(tender)
    reason = one_line("reason", reason, MAX_REASON, _("Say why: the reason stays with the return."))
    reference = clean_text("reference", reference, MAX_NUMBER)
    place = open_store(actor, store)
    plain = read_gift_card_code(code)
    if plain is None:
        raise BadGiftCardCode(field="code")
    with transaction.atomic():
        with limits_guessing(actor, UnknownGiftCard):
            card = GiftCard.objects.select_for_update().filter(blind=blind_code(keyset(), plain)).first()
            if card is None:
                raise UnknownGiftCard(field="code")
        if card.status not in _MAY_BE_PAID_BACK:
            raise GiftCardNotActive(field="code")
        # A sale that has read the card as active finds its book moved on, and looks again.
        take_books([card.id])
        alive = [lot for lot in open_lots_of(card.id, "gift_card") if lot.is_usable(now)]
        paid = sum(lot.free for lot in alive)
        if paid == 0:
            raise NothingToReturn
        entries = [NewEntry("member", "gift_card", -lot.free, lot.id, {"card": "returned"}) for lot in alive]
        entries.append(NewEntry("paid_out", "gift_card", paid, None, None))
        transfer = NewTransfer(uuid7(), "reversal", tuple(entries), ())
        post_transfer(transfer, header_of(card.id, actor, place, in_force.version_id, now, reason))
        card.status = GiftCardStatus.RETURNED
        card.save(update_fields=["status"])
        facts = {"paid_minor": paid, "tender": tender, "reference": reference}
        record_audit(
            actor=actor,
            action="checkout.gift_card_returned.v1",
            now=now,
            object_type="gift_card",
            object_id=card.id,
            store_id=place.id,
            reason=reason,
            data={**facts, "last_four": card.last_four},
        )
        publish_event(
            name="checkout.gift_card_returned.v1",
            member_id=None,
            occurred_at=now,
            payload={**facts, "gift_card_id": str(card.id), "store": place.code},
        )
    return {**told(card, now), "paid_minor": paid}
