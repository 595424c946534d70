"""The reward catalogue: what there is, redeem, find by pick-up code, hand over, cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from ninja import Router

from shuke.api.contracts.rewards import (
    CancelRedemptionIn,
    HandOverIn,
    PickUpCodeIn,
    ReadyIn,
    RedemptionIn,
    RedemptionList,
    RedemptionOut,
    RedemptionsQuery,
    RewardList,
    RewardsQuery,
)
from shuke.api.cursors import BY_TIME, checked_cursor
from shuke.api.endpoint import Call, Reply, endpoint
from shuke.catalog.errors import UnknownStore
from shuke.catalog.models import Store
from shuke.core.errors import InvalidInput, NotFound, TooManyWrongCodes
from shuke.core.idempotency import run_once
from shuke.core.values import Scope
from shuke.ledger.errors import NotEnough, ReasonMissing, UnknownHolder
from shuke.ledger.queries import balances_of
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.redemptions import cancel_redemption, currency_of, redeem_reward, shelf
from shuke.loyalty.words import localized
from shuke.members.queries import get_candidate
from shuke.rewards.catalogue import errors
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.catalogue.operations import code_of, hand_over, mark_ready
from shuke.rewards.catalogue.queries import find_by_code, get_redemption, list_redemptions
from shuke.rewards.catalogue.values import Price

router = Router()
_json = msgspec.json.Encoder()


@endpoint(
    router,
    "GET",
    "/rewards",
    scope=Scope.PROGRAMME_READ,
    query=RewardsQuery,
    answers={200: RewardList},
    tag="rewards",
    refusals=(NoProgramme, NotFound),
)
def rewards(call: Call, query: RewardsQuery) -> tuple[int, dict[str, Any]]:
    """List the reward catalogue.

    With `member_id`, as this member sees it: prices of the tier, and what stands in the way.
    """
    member_id = query.member_id or None
    usable = 0
    if member_id is not None:
        _covered(call, member_id)
        usable = next((b.usable for b in balances_of(member_id, call.now) if b.asset == "points"), 0)
    currency = currency_of(call.now)
    rows = [
        {
            "code": each.offer.code,
            "name": localized(each.offer.names, call.language),
            "kind": each.offer.kind,
            "points": each.price.points,
            "cash_minor": each.price.cash_minor,
            "currency": currency,
            "fulfilment": each.offer.fulfilment,
            "tiers": sorted(each.offer.tiers),
            "stores": sorted(each.offer.stores),
            "left": each.left,
            "opens": each.offer.opens,
            "ends": each.offer.ends,
            "missing": each.missing,
        }
        for each in shelf(now=call.now, member_id=member_id, usable=usable)
    ]
    return 200, {"rewards": rows}


@endpoint(
    router,
    "POST",
    "/members/{member_id}/redemptions",
    scope=Scope.CHECKOUT_WRITE,
    body=RedemptionIn,
    answers={201: RedemptionOut},
    tag="rewards",
    keyed="own",
    refusals=(
        NotFound,
        NoProgramme,
        UnknownStore,
        UnknownHolder,
        NotEnough,
        InvalidInput,
        errors.UnknownReward,
        errors.RewardClosed,
        errors.RewardNotForTier,
        errors.RewardNotHere,
        errors.PickUpStoreMissing,
        errors.OutOfStock,
        errors.BeyondMemberLimit,
        errors.BadQuantity,
        errors.TenderMissing,
        errors.PriceChanged,
    ),
)
def redeem(call: Call, member_id: UUID, body: RedemptionIn) -> Reply:
    """Redeem a reward.

    Points are taken now, soonest expiry first; money that it costs besides is paid outside and kept as a fact. What is
    picked up waits under a code, which a repeated call gets again although it is stored nowhere.
    """
    _covered(call, member_id)

    def work() -> tuple[int, bytes]:
        made = redeem_reward(
            actor=call.caller.as_actor(),
            member_id=member_id,
            reward=body.reward,
            quantity=body.quantity,
            store=body.store,
            pick_up_store=body.pick_up_store,
            tender=body.tender,
            tender_reference=body.tender_reference,
            expected=Price(body.expected.points, body.expected.cash_minor) if body.expected else None,
            now=call.now,
        )
        return 201, _json.encode({**_told(made, call.language), "pick_up_code": ""})

    assert call.key is not None
    answer = run_once(
        caller_id=call.caller.id, key=call.key, input_hash=call.input_hash, now=call.now, work=work
    )
    stored = msgspec.json.decode(answer.body)
    code = code_of(Redemption.objects.get(id=stored["id"]))
    return Reply(answer.status, _json.encode({**stored, "pick_up_code": code}), answer.replayed)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/redemptions",
    scope=Scope.CHECKOUT_READ,
    query=RedemptionsQuery,
    answers={200: RedemptionList},
    tag="rewards",
    refusals=(NotFound, InvalidInput),
)
def member_redemptions(call: Call, member_id: UUID, query: RedemptionsQuery) -> tuple[int, dict[str, Any]]:
    """List a member's redemptions, newest first."""
    _covered(call, member_id)
    return 200, _page(call, query, member_id)


@endpoint(
    router,
    "GET",
    "/redemptions",
    scope=Scope.CHECKOUT_READ,
    query=RedemptionsQuery,
    answers={200: RedemptionList},
    tag="rewards",
    refusals=(InvalidInput,),
)
def redemptions(call: Call, query: RedemptionsQuery) -> tuple[int, dict[str, Any]]:
    """List redemptions, newest first.

    A key that covers some stores sees those that are asked for or picked up there.
    """
    return 200, _page(call, query, None)


@endpoint(
    router,
    "POST",
    "/redemptions/find",
    scope=Scope.CHECKOUT_READ,
    body=PickUpCodeIn,
    answers={200: RedemptionOut},
    tag="rewards",
    refusals=(errors.BadPickUpCode, errors.UnknownRedemption, TooManyWrongCodes),
)
def find_redemption(call: Call, body: PickUpCodeIn) -> tuple[int, dict[str, Any]]:
    """Find a redemption by its pick-up code.

    The code travels in the body, so that no log of addresses holds it. Writes nothing.
    """
    return 200, _told(
        find_by_code(body.code, asker=call.caller.as_actor(), stores=call.stores), call.language
    )


@endpoint(
    router,
    "GET",
    "/redemptions/{redemption_id}",
    scope=Scope.CHECKOUT_READ,
    answers={200: RedemptionOut},
    tag="rewards",
    refusals=(errors.UnknownRedemption,),
)
def redemption(call: Call, redemption_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read a redemption."""
    return 200, _told(get_redemption(redemption_id, stores=call.stores), call.language)


@endpoint(
    router,
    "POST",
    "/redemptions/{redemption_id}/ready",
    scope=Scope.CHECKOUT_WRITE,
    body=ReadyIn,
    answers={200: RedemptionOut},
    tag="rewards",
    keyed="once",
    refusals=(errors.UnknownRedemption, errors.RedemptionEnded, InvalidInput),
)
def redemption_ready(call: Call, redemption_id: UUID, body: ReadyIn) -> tuple[int, dict[str, Any]]:
    """Say that the goods are ready.

    At the counter, or on their way with a carrier's number. Doing it twice changes nothing.
    """
    made = mark_ready(
        actor=call.caller.as_actor(), redemption_id=redemption_id, tracking=body.tracking, now=call.now
    )
    return 200, _without_code(made, call.language)


@endpoint(
    router,
    "POST",
    "/redemptions/{redemption_id}/hand-over",
    scope=Scope.CHECKOUT_WRITE,
    body=HandOverIn,
    answers={200: RedemptionOut},
    tag="rewards",
    keyed="once",
    refusals=(errors.UnknownRedemption, errors.RedemptionEnded, errors.WrongPickUpStore, UnknownStore),
)
def redemption_handed_over(call: Call, redemption_id: UUID, body: HandOverIn) -> tuple[int, dict[str, Any]]:
    """Hand a reward over.

    Once: what was handed over, cancelled or not collected in time is refused.
    """
    store = None
    if body.store:
        store = Store.objects.filter(code=body.store).first() if "\x00" not in body.store else None
        if store is None or not call.covers(store.id):
            raise UnknownStore(field="store", code=body.store)
    made = hand_over(actor=call.caller.as_actor(), redemption_id=redemption_id, store=store, now=call.now)
    return 200, _without_code(made, call.language)


@endpoint(
    router,
    "POST",
    "/redemptions/{redemption_id}/cancel",
    scope=Scope.CHECKOUT_WRITE,
    body=CancelRedemptionIn,
    answers={200: RedemptionOut},
    tag="rewards",
    keyed="once",
    refusals=(errors.UnknownRedemption, errors.RedemptionEnded, errors.NotCancellable, ReasonMissing),
)
def redemption_cancelled(
    call: Call, redemption_id: UUID, body: CancelRedemptionIn
) -> tuple[int, dict[str, Any]]:
    """Cancel a redemption.

    Points go back to their own lots, and lapse again where these lapsed meanwhile; the stock is free again. Give the money
    back outside. What was handed over stays.
    """
    made = cancel_redemption(
        actor=call.caller.as_actor(), redemption_id=redemption_id, reason=body.reason, now=call.now
    )
    return 200, _without_code(made, call.language)


def _page(call: Call, query: RedemptionsQuery, member_id: UUID | None) -> dict[str, Any]:
    page = list_redemptions(
        member_id=member_id,
        status=query.status or "",
        reward=query.reward or "",
        stores=call.stores,
        cursor=checked_cursor(query.cursor, BY_TIME),
        limit=query.limit,
    )
    return {
        "redemptions": [_told(each, call.language) for each in page.redemptions],
        "next_cursor": page.next_cursor,
    }


def _covered(call: Call, member_id: UUID) -> None:
    """Raises NotFound for a stranger, and for one who joined at a store that the key does not cover."""
    if not call.covers(get_candidate(member_id).join_store_id):
        raise NotFound


def _without_code(each: Redemption, language: str) -> dict[str, Any]:
    """As it is kept under an Idempotency-Key: stored answers hold no code."""
    return {**_told(each, language), "pick_up_code": ""}


def _told(each: Redemption, language: str) -> dict[str, Any]:
    return {
        "id": each.id,
        "member_id": each.member_id,
        "reward": each.reward,
        "name": localized(each.names, language),
        "kind": each.kind,
        "fulfilment": each.fulfilment,
        "quantity": each.quantity,
        "points": each.points,
        "cash_minor": each.cash_minor,
        "currency": each.currency,
        "tender": each.tender,
        "status": each.status,
        "store": each.store.code if each.store else None,
        "pick_up_store": each.pick_up_store.code if each.pick_up_store else None,
        "pick_up_code": code_of(each),
        "tracking": each.tracking,
        "placed_at": each.placed_at,
        "collect_by": each.collect_by,
        "ended_at": each.ended_at,
        "transfer_id": each.transfer_id,
    }
