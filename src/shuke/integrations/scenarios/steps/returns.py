"""Steps of sales that are taken back in other ways than a plain refund, and of sales that find their member late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shuke.checkout.answers import receipt_code
from shuke.checkout.queries import get_order
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import (
    cancel_order,
    deliver_order,
    exchange_order,
    quote_cancellation,
    quote_exchange,
    void_order,
    write_off_debt,
)
from shuke.checkout.values import MemberRef
from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.registry import Act, step
from shuke.integrations.scenarios.steps.checkout import BACK, SALE, WHY, refund_request, sale_request
from shuke.loyalty.readers import Key, mapping

_ORDER = Key(words.thing("order"), required=True)
_EXCHANGE = {**BACK, **WHY, "sale": Key(mapping(SALE), required=True)}


@step("void", words.short_or("order", {"order": _ORDER, **WHY}), makes="refund")
def void(act: Act) -> Mapping[str, Any]:
    """Undo a sale of the same day as if it had not been made."""
    return void_order(
        actor=act.actor, order_id=act.ref("order", "order"), reason=act.given["reason"], now=act.now
    )


@step("quote_cancellation", words.short_or("order", BACK))
def cancellation_quote(act: Act) -> Mapping[str, Any]:
    """What a cancellation would do now."""
    return quote_cancellation(
        actor=act.actor, order_id=act.ref("order", "order"), now=act.now, request=refund_request(act)
    )


@step("cancel", words.short_or("order", {**BACK, **WHY}), makes="refund")
def cancel(act: Act) -> Mapping[str, Any]:
    """Cancel an order, or part of it, before its goods are handed over."""
    return cancel_order(
        actor=act.actor,
        order_id=act.ref("order", "order"),
        reason=act.given["reason"],
        now=act.now,
        request=refund_request(act),
    )


@step("deliver", words.short_or("order", {"order": _ORDER}))
def deliver(act: Act) -> Mapping[str, Any]:
    """Say that the goods of an order were handed over."""
    return deliver_order(actor=act.actor, order_id=act.ref("order", "order"), now=act.now)


@step("quote_exchange", _EXCHANGE)
def exchange_quote(act: Act) -> Mapping[str, Any]:
    """What an exchange would do now."""
    return quote_exchange(
        actor=act.actor,
        order_id=act.ref("order", "order"),
        request=refund_request(act),
        sale=sale_request(replace(act, given=act.given["sale"])),
        now=act.now,
    )


@step("exchange", _EXCHANGE, makes="order")
def exchange(act: Act) -> Mapping[str, Any]:
    """Take goods back and sell others, in one act; makes the new order."""
    answer = exchange_order(
        actor=act.actor,
        order_id=act.ref("order", "order"),
        request=refund_request(act),
        sale=sale_request(replace(act, given=act.given["sale"])),
        reason=act.given["reason"],
        now=act.now,
    )
    return {**answer, "id": answer["order"]["id"]}


@step("write_off", words.short_or("refund", {"refund": Key(words.thing("refund"), required=True), **WHY}))
def write_off(act: Act) -> Mapping[str, Any]:
    """Forgive what is still owed because of a refund, as a second person."""
    return write_off_debt(
        actor=act.actor, refund_id=act.ref("refund", "refund"), reason=act.given["reason"], now=act.now
    )


@step(
    "attach",
    {"order": _ORDER, "member": Key(words.thing("member"), required=True), "receipt": Key(words.name)},
)
def attach(act: Act) -> Mapping[str, Any]:
    """Give a sale without a member to the one who holds its receipt (or types another `receipt`)."""
    order_id = act.ref("order", "order")
    receipt = act.given.get("receipt") or receipt_code(order_id, get_order(order_id=order_id)["number"])
    member = MemberRef("id", str(act.ref("member", "member")))
    return attach_order(actor=act.actor, receipt=receipt, member=member, now=act.now)
