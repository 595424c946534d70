"""Gift cards: made without value, worth their face once they are paid for, spent by whoever knows the code.

A card is the holder of a book of its own, so its balance is entries and lots like everybody's. Its code is a keyed
function of its id (see gift_codes): shown when it is made, told again to a repeated call, stored nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.checkout.books import (
    MAX_NUMBER,
    MAX_REASON,
    active_member,
    header_of,
    one_line,
    open_lots_of,
    open_store,
    post_transfer,
    take_books,
)
from shuke.checkout.errors import (
    BadGiftCardCode,
    BuyerRequired,
    CardLimitExceeded,
    GiftCardNotIssued,
    GiftCardOutOfRange,
    GiftCardsNotOffered,
    GiftCardTermTooShort,
    TooManyGiftCards,
    UnknownGiftCard,
)
from shuke.checkout.gift_codes import blind_code, gift_card_code, read_gift_card_code, shown_code
from shuke.checkout.models import GiftCard, GiftCardStatus
from shuke.checkout.operations import programme_in_force
from shuke.checkout.posting import NewEntry, NewLot, NewTransfer
from shuke.checkout.stored_value import check_cash, check_tender
from shuke.core.keyset import keyset
from shuke.core.operations import publish_event, record_audit
from shuke.core.rate import limits_guessing
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import add_months, end_of_day, local_date
from shuke.kit.ids import uuid7
from shuke.kit.money import MAX_MINOR
from shuke.ledger.logic import available
from shuke.loyalty.queries import InForce
from shuke.loyalty.tenders import GiftCards

MAX_CARDS = 500


def issue_gift_cards(*, actor: Actor, face_minor: int, count: int, now: datetime) -> list[GiftCard]:
    """Make cards that are worth nothing until they are activated. Their codes: `codes_of`.

    Raises GiftCardsNotOffered, GiftCardOutOfRange, CardLimitExceeded, GiftCardTermTooShort, TooManyGiftCards.
    """
    in_force = programme_in_force(now)
    rules, limits = _offered(in_force), in_force.programme.card_limits
    if not 1 <= count <= MAX_CARDS:
        raise TooManyGiftCards(field="count", most=MAX_CARDS)
    most = min(MAX_MINOR, rules.most if rules.most is not None else MAX_MINOR)
    if limits.bearer_most is not None and face_minor > limits.bearer_most:
        raise CardLimitExceeded(field="face_minor", limit=limits.bearer_most, held=0)
    if not rules.least <= face_minor <= most:
        raise GiftCardOutOfRange(field="face_minor", least=rules.least, most=most)
    if 0 < rules.months < limits.bearer_months_least:
        raise GiftCardTermTooShort(least=limits.bearer_months_least, months=rules.months)
    secret, batch_id = keyset(), uuid7()
    cards = []
    for _number in range(count):
        card_id = uuid7()
        code = gift_card_code(secret, card_id)
        cards.append(
            GiftCard(
                id=card_id,
                blind=blind_code(secret, code),
                last_four=code[-4:],
                currency=in_force.programme.currency,
                face_minor=face_minor,
                issued_at=now,
                batch_id=batch_id,
                actor=actor.reference,
            )
        )
    with transaction.atomic():
        GiftCard.objects.bulk_create(cards)
        _tell(actor, "checkout.gift_cards_issued.v1", now, batch_id, None, cards, face_minor * count)
    return cards


def codes_of(card_ids: Sequence[UUID]) -> list[str]:
    """The codes of cards as they are printed, for whoever has just issued them."""
    secret = keyset()
    return [shown_code(gift_card_code(secret, card_id)) for card_id in card_ids]


def activate_gift_cards(
    *,
    actor: Actor,
    codes: Sequence[str],
    store: str,
    tender: str,
    now: datetime,
    reference: str = "",
    buyer_id: UUID | None = None,
    organisation: bool = False,
) -> list[GiftCard]:
    """Sell cards: they are paid for together, and each holds its face value from now on. All or none.

    The legal limits look at the whole purchase.
    Raises UnknownGiftCard, TooManyWrongCodes, GiftCardNotIssued, BuyerRequired, CashNotAllowed.
    """
    in_force = programme_in_force(now)
    rules, limits = _offered(in_force), in_force.programme.card_limits
    if not 1 <= len(codes) <= MAX_CARDS:
        raise TooManyGiftCards(field="codes", most=MAX_CARDS)
    check_tender(tender)
    reference = clean_text("reference", reference, MAX_NUMBER)
    place = open_store(actor, store)
    if buyer_id is not None:
        active_member(buyer_id)
    blinds = [_blind(code, f"codes/{index}") for index, code in enumerate(codes)]
    expires_at = None
    if rules.months:
        zone = in_force.programme.zone
        expires_at = end_of_day(add_months(local_date(now, zone), rules.months), zone)
    with transaction.atomic():
        with limits_guessing(actor, UnknownGiftCard, member_id=buyer_id):
            rows = GiftCard.objects.select_for_update().filter(blind__in=blinds).order_by("id")
            found = {bytes(card.blind): card for card in rows}
            for index, blind in enumerate(blinds):
                if blind not in found:
                    raise UnknownGiftCard(field=f"codes/{index}")
        for index, blind in enumerate(blinds):
            if found[blind].status != GiftCardStatus.ISSUED:
                raise GiftCardNotIssued(field=f"codes/{index}")
        cards = [found[blind] for blind in dict.fromkeys(blinds)]
        total = sum(card.face_minor for card in cards)
        if limits.name_required_from is not None and total >= limits.name_required_from and not buyer_id:
            raise BuyerRequired(field="buyer", limit=limits.name_required_from)
        check_cash(limits, tender, total, organisation=organisation)
        take_books(card.id for card in cards)
        for card in cards:
            _fill(card, actor, place, in_force, now, expires_at)
            card.status, card.activated_at, card.expires_at = GiftCardStatus.ACTIVE, now, expires_at
            card.store, card.tender, card.reference, card.buyer_id = place, tender, reference, buyer_id
            card.save()
        _tell(actor, "checkout.gift_cards_activated.v1", now, uuid7(), place, cards, total)
    return cards


def _fill(
    card: GiftCard,
    actor: Actor,
    store: Store,
    in_force: InForce,
    now: datetime,
    expires_at: datetime | None,
) -> None:
    lot = NewLot(uuid7(), "gift_card", card.face_minor, card.face_minor, now, now, expires_at)
    entries = (
        NewEntry("member", "gift_card", card.face_minor, lot.id, None),
        NewEntry("topped_up", "gift_card", -card.face_minor, None, None),
    )
    post_transfer(
        NewTransfer(uuid7(), "top_up", entries, (lot,)),
        header_of(card.id, actor, store, in_force.version_id, now),
    )


def read_gift_card(*, asker: Actor, code: str, now: datetime) -> dict[str, Any]:
    """Status and balance of a card, for whoever knows its code. Raises BadGiftCardCode, UnknownGiftCard, TooManyWrongCodes."""
    with limits_guessing(asker, UnknownGiftCard):
        return told(find_by_code(code, "code"), now)


def find_by_code(code: str, field: str) -> GiftCard:
    """The card that bears this code. Raises BadGiftCardCode, UnknownGiftCard."""
    card = GiftCard.objects.filter(blind=_blind(code, field)).first()
    if card is None:
        raise UnknownGiftCard(field=field)
    return card


def told(card: GiftCard, now: datetime) -> dict[str, Any]:
    """A card as it is answered: never with its code."""
    usable = available(open_lots_of(card.id, "gift_card"), now) if card.status == GiftCardStatus.ACTIVE else 0
    return {
        "id": card.id,
        "last_four": card.last_four,
        "status": card.status,
        "currency": card.currency,
        "face_minor": card.face_minor,
        "usable_minor": usable,
        "expires_at": card.expires_at,
    }


def block_gift_card(
    *, actor: Actor, code: str, reason: str, now: datetime, blocked: bool = True
) -> dict[str, Any]:
    """Stop a card from paying, or let it pay again; its money stays where it is. Doing it twice changes nothing."""
    reason = one_line("reason", reason, MAX_REASON, _("Say why: the reason stays with the card."))
    with transaction.atomic():
        with limits_guessing(actor, UnknownGiftCard):
            card = GiftCard.objects.select_for_update().filter(blind=_blind(code, "code")).first()
            if card is None:
                raise UnknownGiftCard(field="code")
        before = card.status
        if blocked and before != GiftCardStatus.RETURNED:
            card.status = GiftCardStatus.BLOCKED
        elif before == GiftCardStatus.BLOCKED:
            card.status = GiftCardStatus.ACTIVE if card.activated_at else GiftCardStatus.ISSUED
        if card.status != before:
            # A sale that has read the card as active finds its book moved on, and looks again.
            take_books([card.id])
            card.save(update_fields=["status"])
            record_audit(
                actor=actor,
                action="checkout.gift_card_blocked.v1" if blocked else "checkout.gift_card_unblocked.v1",
                now=now,
                object_type="gift_card",
                object_id=card.id,
                reason=reason,
                data={"last_four": card.last_four},
            )
            publish_event(
                name="checkout.gift_card_blocked.v1" if blocked else "checkout.gift_card_unblocked.v1",
                member_id=None,
                occurred_at=now,
                payload={"gift_card_id": str(card.id)},
            )
    return told(card, now)


def _offered(in_force: InForce) -> GiftCards:
    if in_force.programme.gift_cards is None:
        raise GiftCardsNotOffered
    return in_force.programme.gift_cards


def _blind(code: str, field: str) -> bytes:
    plain = read_gift_card_code(code)
    if plain is None:
        raise BadGiftCardCode(field=field)
    return blind_code(keyset(), plain)


def _tell(
    actor: Actor,
    name: str,
    now: datetime,
    act_id: UUID,
    store: Store | None,
    cards: Sequence[GiftCard],
    total: int,
) -> None:
    facts = {"count": len(cards), "total_minor": total}
    record_audit(
        actor=actor,
        action=name,
        now=now,
        object_type="gift_cards",
        object_id=act_id,
        store_id=store.id if store else None,
        data=facts,
    )
    publish_event(
        name=name,
        member_id=None,
        occurred_at=now,
        payload={**facts, "gift_card_ids": [str(card.id) for card in cards]},
    )
