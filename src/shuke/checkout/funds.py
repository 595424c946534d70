"""What a sale can be paid from: the member's open lots and those of the gift cards named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shuke.checkout.errors import BadGiftCardCode, GiftCardNotActive, UnknownGiftCard
from shuke.checkout.gift_codes import blind_code, read_gift_card_code
from shuke.checkout.tender_logic import Funds, Tender
from shuke.checkout.values import TenderRequest
from shuke.core.keyset import keyset
from shuke.core.rate import limits_guessing
from shuke.core.values import Actor
from shuke.kit.prepared import Statement
from shuke.kit.sql import load
from shuke.ledger.logic import OpenLot, available

_CARDS = Statement("shuke_cards", load("checkout", "read_cards"), "t")


@dataclass(frozen=True, slots=True)
class CardFunds:
    """A gift card with the revision of its book, read in one snapshot with its lots."""

    id: UUID
    status: str
    revision: int
    lots: Sequence[OpenLot]


@dataclass(frozen=True, slots=True)
class Purse:
    """Open lots by asset of the member, and the gift cards by the blind index of their code."""

    lots: Mapping[str, Sequence[OpenLot]] = field(default_factory=dict)
    cards: Mapping[bytes, CardFunds] = field(default_factory=dict)

    def of(self, asset: str) -> Sequence[OpenLot]:
        """The member's open lots of an asset."""
        return self.lots.get(asset, ())

    def usable(self, asset: str, at: datetime) -> int:
        """What the member can spend of an asset at an instant."""
        return available(self.of(asset), at)

    def funds(self, at: datetime) -> Funds:
        """The purse as pricing sees it."""
        return Funds(
            self.usable("stored_value", at),
            self.usable("bonus", at),
            {card.id: available(card.lots, at) for card in self.cards.values()},
        )

    def card(self, holder: UUID) -> CardFunds:
        """The gift card with this id; it was named in the cart."""
        return next(card for card in self.cards.values() if card.id == holder)


EMPTY_PURSE = Purse()


def assets_to_read(tenders: Sequence[TenderRequest], *, with_points: bool) -> list[str]:
    """Which of the member's assets a sale can touch."""
    money = ["stored_value", "bonus"] if any(t.kind == "stored_value" for t in tenders) else []
    return ["points", *money] if with_points else money


def read_cards(blinds: Sequence[bytes]) -> dict[bytes, CardFunds]:
    """The gift cards under these blind indexes. One that nobody knows is absent."""
    cards: dict[bytes, CardFunds] = {}
    lots: dict[bytes, list[OpenLot]] = {}
    for holder, found, status, revision, *lot in _CARDS.rows([list(blinds)]):
        blind = bytes(found)
        mine = lots.setdefault(blind, [])
        cards.setdefault(blind, CardFunds(holder, status, revision, mine))
        if lot[0] is not None:
            mine.append(OpenLot(*lot))
    return cards


def card_blinds(tenders: Sequence[TenderRequest]) -> dict[int, bytes]:
    """Position of each gift card tender → blind index. Raises BadGiftCardCode for what cannot be a code."""
    found: dict[int, bytes] = {}
    for index, tender in enumerate(tenders):
        if tender.kind == "gift_card":
            code = read_gift_card_code(tender.code)
            if code is None:
                raise BadGiftCardCode(field=f"tenders/{index}/code")
            found[index] = blind_code(keyset(), code)
    return found


def named_cards(actor: Actor, blinds: Mapping[int, bytes], member_id: UUID | None) -> dict[bytes, CardFunds]:
    """The gift cards that a sale of this member names (`card_blinds`). Raises UnknownGiftCard and TooManyWrongCodes.

    Of several that nobody knows the answer tells the first only, so that it counts as one guess.
    """
    with limits_guessing(actor, UnknownGiftCard, member_id=member_id):
        cards = read_cards(list(blinds.values()))
        for index, blind in blinds.items():
            if blind not in cards:
                raise UnknownGiftCard(field=f"tenders/{index}/code")
    return cards


def tenders_of(tenders: Sequence[TenderRequest], blinds: Mapping[int, bytes], purse: Purse) -> list[Tender]:
    """The tenders with their holders, whose cards are in the purse. Raises GiftCardNotActive."""
    found = []
    for index, tender in enumerate(tenders):
        holder = None
        if index in blinds:
            card = purse.cards[blinds[index]]
            if card.status != "active":
                raise GiftCardNotActive(field=f"tenders/{index}/code")
            holder = card.id
        found.append(Tender(tender.kind, tender.amount_minor, holder, tender.reference, tender.at_most))
    return found
