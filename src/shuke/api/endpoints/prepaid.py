"""Stored value and gift cards: top up, look, return; issue, activate, read, block."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from ninja import Router

from shuke.api.contracts.prepaid import (
    ActivateIn,
    BlockIn,
    CodeIn,
    GiftCardList,
    GiftCardOut,
    GiftCardReturned,
    GiftCardReturnIn,
    GiftCardsIn,
    IssuedCards,
    ReturnIn,
    ReturnOut,
    ReturnQuote,
    StoredValueOut,
    TopUpIn,
    TopUpOut,
)
from shuke.api.endpoint import Call, Reply, endpoint
from shuke.checkout import errors
from shuke.checkout.gift_card_returns import return_gift_card
from shuke.checkout.gift_cards import (
    activate_gift_cards,
    block_gift_card,
    codes_of,
    issue_gift_cards,
    read_gift_card,
    told,
)
from shuke.checkout.stored_value import quote_return, return_stored_value, stored_value_of, top_up
from shuke.core.errors import InvalidInput, NotFound, TooManyWrongCodes
from shuke.core.idempotency import run_once
from shuke.core.values import Scope
from shuke.kit.errors import ShukeError
from shuke.members.queries import get_candidate

router = Router()
_json = msgspec.json.Encoder()
PLACE: tuple[type[ShukeError], ...] = (
    errors.NoProgramme,
    errors.UnknownStore,
    errors.StoreClosed,
    errors.StoreOutOfScope,
    InvalidInput,
)
MEMBER: tuple[type[ShukeError], ...] = (errors.UnknownMember, errors.MemberNotActive)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/stored-value",
    scope=Scope.LEDGER_READ,
    answers={200: StoredValueOut},
    tag="prepaid",
    refusals=(NotFound, errors.NoProgramme),
)
def stored_value(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read a member's stored value.

    Principal and bonus money usable now, what of the bonus is still to come, and the last top-ups.
    """
    _covered(call, member_id)
    return 200, stored_value_of(member_id, call.now)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/top-ups",
    scope=Scope.CHECKOUT_WRITE,
    body=TopUpIn,
    answers={201: TopUpOut},
    tag="prepaid",
    keyed="once",
    refusals=(
        *PLACE,
        *MEMBER,
        errors.StoredValueNotOffered,
        errors.TopUpOutOfRange,
        errors.CardLimitExceeded,
        errors.CashNotAllowed,
        errors.TopUpExists,
    ),
)
def add_stored_value(call: Call, member_id: UUID, body: TopUpIn) -> tuple[int, dict[str, Any]]:
    """Top up stored value.

    The bonus of the programme's rule comes with it, at once or in instalments. What the member owes is settled first.
    """
    return 201, top_up(
        actor=call.caller.as_actor(),
        member_id=member_id,
        store=body.store,
        amount_minor=body.amount_minor,
        tender=body.tender,
        reference=body.reference,
        system=body.system,
        number=body.number,
        organisation=body.organisation,
        now=call.now,
    )


@endpoint(
    router,
    "GET",
    "/members/{member_id}/stored-value/return-quote",
    scope=Scope.CHECKOUT_READ,
    answers={200: ReturnQuote},
    tag="prepaid",
    refusals=(NotFound, errors.NoProgramme, errors.StoredValueNotOffered, *MEMBER),
)
def stored_value_return_quote(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """See what returning the card would pay back.

    Writes nothing.
    """
    _covered(call, member_id)
    return 200, quote_return(member_id=member_id, now=call.now)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/stored-value/return",
    scope=Scope.CHECKOUT_WRITE,
    body=ReturnIn,
    answers={201: ReturnOut},
    tag="prepaid",
    keyed="once",
    refusals=(
        NotFound,
        *PLACE,
        *MEMBER,
        errors.StoredValueNotOffered,
        errors.NotReturnable,
        errors.NothingToReturn,
    ),
)
def stored_value_return(call: Call, member_id: UUID, body: ReturnIn) -> tuple[int, dict[str, Any]]:
    """Return the card.

    All principal is paid back, less bonus money that is spent already; unspent bonus money is forfeited.
    """
    _covered(call, member_id)
    return 201, return_stored_value(
        actor=call.caller.as_actor(),
        member_id=member_id,
        store=body.store,
        tender=body.tender,
        reason=body.reason,
        reference=body.reference,
        now=call.now,
    )


@endpoint(
    router,
    "POST",
    "/gift-cards",
    scope=Scope.CHECKOUT_WRITE,
    body=GiftCardsIn,
    answers={201: IssuedCards},
    tag="prepaid",
    keyed="own",
    refusals=(
        errors.NoProgramme,
        errors.GiftCardsNotOffered,
        errors.GiftCardOutOfRange,
        errors.CardLimitExceeded,
        errors.GiftCardTermTooShort,
        errors.TooManyGiftCards,
    ),
)
def issue_cards(call: Call, body: GiftCardsIn) -> Reply:
    """Make gift cards.

    They are worth nothing until they are activated. Their codes are in this answer only; a repeated call gets them again,
    although they are stored nowhere.
    """

    def work() -> tuple[int, bytes]:
        cards = issue_gift_cards(
            actor=call.caller.as_actor(), face_minor=body.face_minor, count=body.count, now=call.now
        )
        kept = {"currency": cards[0].currency, "face_minor": body.face_minor, "cards": [c.id for c in cards]}
        return 201, _json.encode(kept)

    assert call.key is not None
    answer = run_once(
        caller_id=call.caller.id, key=call.key, input_hash=call.input_hash, now=call.now, work=work
    )
    # The answer is stored without the codes; they are made again from the ids.
    stored = msgspec.json.decode(answer.body)
    ids = [UUID(card_id) for card_id in stored["cards"]]
    cards = [
        {"id": card_id, "code": code, "last_four": code[-4:]}
        for card_id, code in zip(ids, codes_of(ids), strict=True)
    ]
    return Reply(answer.status, _json.encode({**stored, "cards": cards}), answer.replayed)


@endpoint(
    router,
    "POST",
    "/gift-cards/activate",
    scope=Scope.CHECKOUT_WRITE,
    body=ActivateIn,
    answers={201: GiftCardList},
    tag="prepaid",
    keyed="once",
    refusals=(
        *PLACE,
        *MEMBER,
        errors.GiftCardsNotOffered,
        errors.BadGiftCardCode,
        errors.UnknownGiftCard,
        TooManyWrongCodes,
        errors.GiftCardNotIssued,
        errors.BuyerRequired,
        errors.CashNotAllowed,
        errors.TooManyGiftCards,
    ),
)
def activate_cards(call: Call, body: ActivateIn) -> tuple[int, dict[str, Any]]:
    """Sell gift cards.

    Each holds its face value from now on. All of them, or none.
    """
    cards = activate_gift_cards(
        actor=call.caller.as_actor(),
        codes=body.codes,
        store=body.store,
        tender=body.tender,
        reference=body.reference,
        buyer_id=body.buyer,
        organisation=body.organisation,
        now=call.now,
    )
    return 201, {"cards": [told(card, call.now) for card in cards]}


@endpoint(
    router,
    "POST",
    "/gift-cards/balance",
    scope=Scope.CHECKOUT_READ,
    body=CodeIn,
    answers={200: GiftCardOut},
    tag="prepaid",
    refusals=(errors.BadGiftCardCode, errors.UnknownGiftCard, TooManyWrongCodes),
)
def card_balance(call: Call, body: CodeIn) -> tuple[int, dict[str, Any]]:
    """Read a gift card.

    Status and balance for whoever knows the code. Writes nothing.
    """
    return 200, read_gift_card(asker=call.caller.as_actor(), code=body.code, now=call.now)


@endpoint(
    router,
    "POST",
    "/gift-cards/block",
    scope=Scope.CHECKOUT_WRITE,
    body=BlockIn,
    answers={200: GiftCardOut},
    tag="prepaid",
    keyed="once",
    refusals=(errors.BadGiftCardCode, errors.UnknownGiftCard, TooManyWrongCodes, InvalidInput),
)
def block_card(call: Call, body: BlockIn) -> tuple[int, dict[str, Any]]:
    """Block a gift card, or let it pay again.

    Its money stays where it is.
    """
    return 200, block_gift_card(
        actor=call.caller.as_actor(), code=body.code, reason=body.reason, blocked=body.blocked, now=call.now
    )


@endpoint(
    router,
    "POST",
    "/gift-cards/return",
    scope=Scope.CHECKOUT_WRITE,
    body=GiftCardReturnIn,
    answers={200: GiftCardReturned},
    tag="prepaid",
    keyed="once",
    refusals=(
        *PLACE,
        errors.GiftCardsNotOffered,
        errors.GiftCardNotReturnable,
        errors.BadGiftCardCode,
        errors.UnknownGiftCard,
        TooManyWrongCodes,
        errors.GiftCardNotActive,
        errors.NothingToReturn,
    ),
)
def return_card_of_a_bearer(call: Call, body: GiftCardReturnIn) -> tuple[int, dict[str, Any]]:
    """Pay a gift card back.

    What is left on it is paid out, and it pays no more. Only where the programme says `returnable`.
    """
    return 200, return_gift_card(
        actor=call.caller.as_actor(),
        code=body.code,
        store=body.store,
        tender=body.tender,
        reason=body.reason,
        reference=body.reference,
        now=call.now,
    )


def _covered(call: Call, member_id: UUID) -> None:
    """Raises NotFound for a stranger, and for one who joined at a store that the key does not cover. A top-up is a sale: any
    store takes it."""
    if not call.covers(get_candidate(member_id).join_store_id):
        raise NotFound
