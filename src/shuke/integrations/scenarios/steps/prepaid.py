"""Steps of prepaid money: stored value topped up and returned, gift cards sold and blocked, sales uploaded late."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shuke.checkout.gift_card_returns import return_gift_card
from shuke.checkout.gift_cards import activate_gift_cards, block_gift_card, codes_of, issue_gift_cards, told
from shuke.checkout.models import GiftCard
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.stored_value import quote_return, return_stored_value, top_up
from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, figures_of, step
from shuke.integrations.scenarios.steps.checkout import SALE, sale_request
from shuke.integrations.scenarios.world import World
from shuke.loyalty.readers import Key, boolean, mapping, sequence

_MEMBER = Key(words.thing("member"), required=True)
_PAID = {
    "store": Key(words.thing("store"), default="S1"),
    "tender": Key(words.name, default="wechat"),
    "organisation": Key(boolean, default=False),
}
_CARD = {"card": Key(words.thing("gift_card"), required=True)}


@step(
    "top_up",
    {"member": _MEMBER, "amount": Key(words.money, required=True), "number": Key(words.name), **_PAID},
    makes="top_up",
)
def add_money(act: Act) -> Mapping[str, Any]:
    """Take money in advance, and give the bonus money that it brings."""
    return top_up(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        store=act.given["store"],
        amount_minor=act.given["amount"],
        tender=act.given["tender"],
        now=act.now,
        system=act.actor.name,
        number=act.given.get("number"),
        organisation=act.given["organisation"],
    )


@step("quote_return", words.short_or("member", {"member": _MEMBER}))
def return_quote(act: Act) -> Mapping[str, Any]:
    """What a member would get back for the stored value now."""
    return quote_return(member_id=act.ref("member", "member"), now=act.now)


@step(
    "return_stored_value",
    words.short_or("member", {"member": _MEMBER, "reason": Key(words.words, default="scenario"), **_PAID}),
)
def give_money_back(act: Act) -> Mapping[str, Any]:
    """Pay the stored value back and close the card."""
    return return_stored_value(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        store=act.given["store"],
        tender=act.given["tender"],
        reason=act.given["reason"],
        now=act.now,
    )


@step(
    "issue_gift_card",
    words.short_or("amount", {"amount": Key(words.money, required=True)}),
    makes="gift_card",
)
def issue(act: Act) -> Mapping[str, Any]:
    """Make a gift card, worth nothing until it is activated."""
    (card,) = issue_gift_cards(actor=act.actor, face_minor=act.given["amount"], count=1, now=act.now)
    return told(card, act.now)


@step("activate_gift_card", words.short_or("card", {**_CARD, **_PAID, "buyer": Key(words.thing("member"))}))
def activate(act: Act) -> Mapping[str, Any]:
    """Sell a gift card: it is paid for, and holds its value from now on."""
    (card,) = activate_gift_cards(
        actor=act.actor,
        codes=[_code(act)],
        store=act.given["store"],
        tender=act.given["tender"],
        now=act.now,
        buyer_id=act.maybe_ref("buyer", "member"),
        organisation=act.given["organisation"],
    )
    return told(card, act.now)


@step("block_gift_card", words.short_or("card", {**_CARD, "blocked": Key(boolean, default=True)}))
def block(act: Act) -> Mapping[str, Any]:
    """Stop a gift card from paying, or let it pay again."""
    return block_gift_card(
        actor=act.actor, code=_code(act), reason="scenario", now=act.now, blocked=act.given["blocked"]
    )


@step(
    "return_gift_card",
    words.short_or("card", {**_CARD, "reason": Key(words.words, default="scenario"), **_PAID}),
)
def give_card_back(act: Act) -> Mapping[str, Any]:
    """Pay out what a gift card holds and close it."""
    return return_gift_card(
        actor=act.actor,
        code=_code(act),
        store=act.given["store"],
        tender=act.given["tender"],
        reason=act.given["reason"],
        now=act.now,
    )


def _code(act: Act) -> str:
    return codes_of([act.ref("card", "gift_card")])[0]


_UPLOADED = mapping({**SALE, "occurred_at": Key(words.moment, required=True)})


@step("upload", {"sales": Key(words.for_engine(sequence(_UPLOADED, most=200)), required=True)})
def upload(act: Act) -> Mapping[str, Any]:
    """Upload sales that a till made while it was cut off; answers row by row."""
    rows = [
        OfflineSale(sale_request(replace(act, given=sale)), sale["occurred_at"])
        for sale in act.given["sales"]
    ]
    results = commit_offline_sales(actor=act.actor, rows=rows, now=act.now)
    return {
        "rows": [
            {
                "status": result.status,
                "error": result.error.code if result.error else None,
                "order": json.loads(result.answer.body) if result.answer else None,
            }
            for result in results
        ]
    }


@figures_of("gift_card")
def gift_card_figures(world: World, card_id: UUID, now: datetime) -> Figures:
    return Figures.of(told(GiftCard.objects.get(id=card_id), now))


@figures_of("top_up")
def top_up_figures(world: World, top_up_id: UUID, now: datetime) -> Figures:
    return Figures.of({"id": top_up_id})
