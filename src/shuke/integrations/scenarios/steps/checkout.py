"""Steps of the sale: quote, commit, refund, and what can be expected of an order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shuke.checkout.gift_cards import codes_of
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import get_order
from shuke.checkout.refunds import quote_refund, refund_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.values import OUTSIDE_TENDERS, LineRequest, MemberRef, SaleRequest, TenderRequest
from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, figures_of, step
from shuke.integrations.scenarios.steps.coupons import coupon_named
from shuke.integrations.scenarios.world import World
from shuke.loyalty.readers import Key, boolean, choice, mapping, whole

MemberKind = Literal["id", "number", "phone", "email", "card", "external"]
MEMBER_KINDS: tuple[MemberKind, ...] = ("id", "number", "phone", "email", "card", "external")
_TENDER = words.short_or(
    "kind",
    {
        "kind": Key(choice("stored_value", "gift_card", *sorted(OUTSIDE_TENDERS)), required=True),
        "amount": Key(words.money),
        "card": Key(words.thing("gift_card")),
    },
)
SALE: dict[str, Key] = {
    "lines": Key(words.sold, required=True),
    "member": Key(words.thing("member")),
    "member_by": Key(mapping({kind: Key(words.word) for kind in (*MEMBER_KINDS, "system")})),
    "points": Key(words.points, default=0),
    "store": Key(words.thing("store"), default="S1"),
    "channel": Key(words.name, default="pos"),
    "settled": Key(boolean, default=False),
    "currency": Key(words.name),
    "number": Key(words.name),
    "facts": Key(words.mapping_of(words.word)),
    "tenders": Key(words.list_of(_TENDER), default=[]),
    "coupons": Key(words.list_of(words.word), default=[]),
}
_BACK = words.short_or(
    "line",
    {"line": Key(whole(1, 1000), required=True), "quantity": Key(words.quantity), "amount": Key(words.money)},
)
BACK: dict[str, Key] = {
    "order": Key(words.thing("order"), required=True),
    "lines": Key(words.list_of(_BACK), default=[]),
    "amount": Key(words.money),
}
WHY = {"reason": Key(words.words, default="scenario")}


def refund_request(act: Act) -> RefundRequest:
    """These lines, or a value over all lines, or (neither given) all that is left."""
    lines = tuple(
        LineBack(line["line"], line.get("quantity"), line.get("amount")) for line in act.given["lines"]
    )
    return RefundRequest(lines, act.given.get("amount"))


def sale_request(act: Act) -> SaleRequest:
    """What the till sends for a step's cart."""
    given = act.given
    return SaleRequest(
        store=given["store"],
        channel=given["channel"],
        lines=tuple(_line(line) for line in given["lines"]),
        member=_member(act),
        currency=given.get("currency", act.world.currency),
        settled=given["settled"],
        points_to_use=given["points"],
        system=act.actor.name,
        number=given.get("number"),
        facts=given.get("facts"),
        tenders=tuple(_tender(act, tender) for tender in given["tenders"]),
        coupons=tuple(coupon_named(act.world, each) for each in given["coupons"]),
        all_coupons=given.get("all_coupons", False),
    )


def _tender(act: Act, tender: Mapping[str, Any]) -> TenderRequest:
    code = codes_of([act.world.ref(tender["card"], "gift_card")])[0] if "card" in tender else ""
    return TenderRequest(tender["kind"], tender.get("amount"), code)


def _line(line: Mapping[str, Any]) -> LineRequest:
    return LineRequest(
        line["sku"],
        line["quantity"],
        line.get("price"),
        line.get("total"),
        tuple(line["discounts"].items()),
        line.get("tax"),
    )


def _member(act: Act) -> MemberRef | None:
    """By the scenario's name for the member, or as a till would: {card: …}, {phone: …}, {external: …, system: …}."""
    asked = act.given.get("member_by")
    if asked and asked.keys() != {"system"}:
        kind = next(kind for kind in MEMBER_KINDS if kind in asked)
        return MemberRef(kind, asked[kind], asked.get("system", ""))
    member_id = act.maybe_ref("member", "member")
    return MemberRef("id", str(member_id)) if member_id else None


@step("quote", {**SALE, "all_coupons": Key(boolean, default=False)})
def quote(act: Act) -> Mapping[str, Any]:
    """Price a cart; writes nothing."""
    return quote_order(actor=act.actor, sale=sale_request(act), now=act.now)


@step("commit", {**SALE, "key": Key(words.name), "occurred_at": Key(words.moment)}, makes="order")
def commit(act: Act) -> Mapping[str, Any]:
    """Sell; makes an order."""
    answer = commit_order(
        actor=act.actor,
        sale=sale_request(act),
        now=act.now,
        key=act.given.get("key"),
        input_hash=act.digest,
        occurred_at=act.given.get("occurred_at"),
    )
    return {**json.loads(answer.body), "status_code": answer.status, "replayed": answer.replayed}


@step("quote_refund", words.short_or("order", BACK))
def refund_quote(act: Act) -> Mapping[str, Any]:
    """What a refund would do now."""
    return quote_refund(
        actor=act.actor, order_id=act.ref("order", "order"), now=act.now, request=refund_request(act)
    )


@step("refund", words.short_or("order", {**BACK, **WHY}), makes="refund")
def refund(act: Act) -> Mapping[str, Any]:
    """Refund an order, or part of it."""
    return refund_order(
        actor=act.actor,
        order_id=act.ref("order", "order"),
        reason=act.given["reason"],
        now=act.now,
        request=refund_request(act),
    )


@figures_of("order")
def order_figures(world: World, order_id: UUID, now: datetime) -> Figures:
    return Figures.of(get_order(order_id=order_id))


@figures_of("refund")
def refund_figures(world: World, refund_id: UUID, now: datetime) -> Figures:
    return Figures.of({"id": refund_id})
