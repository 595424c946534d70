"""Gift cards as they come to the desk: scanned like a product, or typed into their field."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from shuke.checkout.gift_cards import read_gift_card
from shuke.checkout.gift_codes import read_gift_card_code
from shuke.checkout.models import GiftCardStatus
from shuke.console.views.cashier.cart import Cart
from shuke.core.errors import InvalidInput
from shuke.core.values import Actor

MOST_CARDS = 10


def looks_like_card(text: str) -> bool:
    """Whether this can be the code of a gift card: its check symbol fits."""
    return read_gift_card_code(text) is not None


def take_card(cart: Cart, code: str, asker: Actor, now: datetime) -> None:
    """Let this card pay. Raises InvalidInput in words for the till, BadGiftCardCode, UnknownGiftCard, TooManyWrongCodes."""
    card = read_gift_card(asker=asker, code=code, now=now)
    if any(card["id"] == known for known, _four in cart.cards):
        return
    if len(cart.cards) >= MOST_CARDS:
        raise InvalidInput(field="gift", reason=_("At most ten gift cards pay one sale."))
    if card["status"] == GiftCardStatus.BLOCKED:
        raise InvalidInput(field="gift", reason=_("This gift card is blocked."))
    if card["status"] == GiftCardStatus.ISSUED:
        raise InvalidInput(field="gift", reason=_("This gift card was not sold yet, so it holds nothing."))
    if card["status"] == GiftCardStatus.RETURNED:
        raise InvalidInput(field="gift", reason=_("This gift card was paid back, so it pays no more."))
    if not card["usable_minor"]:
        raise InvalidInput(field="gift", reason=_("There is nothing left on this gift card."))
    cart.cards.append((card["id"], card["last_four"]))
