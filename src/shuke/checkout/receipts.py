"""A sale without a member, claimed later: the receipt's code proves the purchase, for as many days as the programme says.

The code is the order's number and a short MAC over its id, so it needs no table and cannot be guessed from the number.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from shuke.checkout.answers import receipt_mac
from shuke.checkout.documents import transfer_document
from shuke.checkout.earning_facts import NO_EARNING_FACTS, read_earning_facts, with_brands
from shuke.checkout.errors import AlreadyRefunded, OrderHasMember, ReceiptTooOld, UnknownReceipt
from shuke.checkout.facts import member_facts, read_facts
from shuke.checkout.logic import Cart, CartLine, Priced, price
from shuke.checkout.models import LineTax, Order, OrderLine, OrderStatus, OrderTender
from shuke.checkout.operations import programme_in_force
from shuke.checkout.posting import earn_transfer
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds.late import take_back_earlier
from shuke.checkout.repricing import recorded_funds, recorded_tenders
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import storable
from shuke.core.values import Actor
from shuke.kit.sql import load
from shuke.loyalty.counters import hold_budgets, take_uses
from shuke.loyalty.queries import InForce, version_by_id
from shuke.loyalty.tier_reviews import review_member
from shuke.loyalty.tier_rows import write_moves

_CANDIDATES = 20
CLAIMED = "checkout.order_attached.v1"
"""How the audit log calls a claim."""
_json = msgspec.json.Encoder()


def find_receipt(receipt: str) -> Order:
    """The order of a receipt as typed. Raises UnknownReceipt, the same for a wrong number and a wrong code."""
    number, _dash, code = storable(receipt).strip().rpartition("-")
    with connection.cursor() as cursor:
        cursor.execute(load("checkout", "orders_by_number"), {"number": number, "limit": _CANDIDATES})
        ids = [row[0] for row in cursor.fetchall()]
    given = code.strip().upper().encode("utf-8", "replace")
    for order in Order.objects.select_related("store").filter(id__in=ids):
        if hmac.compare_digest(given, receipt_mac(order.id).encode()):
            return order
    raise UnknownReceipt(field="receipt")


def attach_order(*, actor: Actor, receipt: str, member: MemberRef, now: datetime) -> dict[str, Any]:
    """Give a sale that had no member to the member who holds its receipt: it earns what it would have earned then.

    The prices stay as they were paid. Points and growth come in now, by the rules of the version that priced the sale and
    the tier that the member holds; the tier moves with them. What was given back of it before takes back its part at once,
    as if the claim had come first. Raises UnknownReceipt, OrderHasMember, AlreadyRefunded (nothing of the sale is left),
    ReceiptTooOld, and the refusals of a member or store that cannot be used.
    """
    order_id = find_receipt(receipt).id
    with transaction.atomic():
        order = Order.objects.select_related("store").get(id=order_id)
        in_force = _check(order, now)
        lines = list(
            OrderLine.objects.filter(order_id=order_id).select_related("product").order_by("line_no")
        )
        sale = _sale_again(order, lines, member)
        facts = read_facts(in_force.programme, actor, sale, order.occurred_at, key=None, input_hash=b"")
        assert facts.member is not None  # read_facts refuses a member that it does not find
        # The book before the row, as every refund takes them.
        with connection.cursor() as cursor:
            cursor.execute("SELECT ledger_take_book(%s, NULL)", [facts.member.id])
        order = Order.objects.select_for_update(of=("self",)).select_related("store").get(id=order_id)
        _check(order, now)
        review_member(member_id=facts.member.id, now=now, qualifying=qualifying_totals)
        facts = read_facts(in_force.programme, actor, sale, order.occurred_at, key=None, input_hash=b"")
        assert facts.member is not None
        categories = {sku: product.category or "" for sku, product in facts.products.items()}
        # What paid it counts for what it earns. A sale from before the programme was not priced by it, and is taken as it is.
        by_rules = order.programme_version_id is not None
        paid = list(OrderTender.objects.filter(order_id=order_id).order_by("seq")) if by_rules else []
        taxes = (
            {each.line_no: each.code for each in LineTax.objects.filter(order_id=order_id)}
            if by_rules
            else {}
        )
        cart = Cart(
            tuple(_cart_line(line, categories, taxes.get(line.line_no)) for line in lines),
            order.store.code,
            order.channel_id,
            True,
            tenders=recorded_tenders(paid),
        )
        earning = NO_EARNING_FACTS
        if not in_force.programme.needs.nothing:
            hold_budgets(in_force.programme, order.occurred_at)
            earning = read_earning_facts(in_force.programme, facts.member.id, cart, order.occurred_at)
            cart = with_brands(cart, earning.brands)
        priced = price(
            in_force.programme,
            cart,
            member_facts(facts.member, 0, earning),
            order.occurred_at,
            recorded_funds(paid),
        )
        _write(order, lines, priced, facts.member.id)
        header = {
            "member_id": facts.member.id,
            "occurred_at": now,
            "recorded_at": now,
            "order_id": order.id,
            "store_id": order.store_id,
            "programme_version_id": in_force.version_id,
            "actor": actor.reference,
        }
        debts = {asset: debt for asset, (_balance, debt) in facts.member.balances.items() if debt}
        transfer = earn_transfer(in_force.programme, priced, debts, now)
        with connection.cursor() as cursor:
            if transfer:
                document = transfer_document(transfer, header)
                cursor.execute("SELECT ledger_post(%s::jsonb)", [_json.encode(document).decode()])
        moves = [(facts.member.id, track, replace(move, at=now)) for track, move in priced.moves.items()]
        write_moves(in_force.version_id, moves, order.id)
        take_uses(in_force.programme, facts.member.id, priced.uses, order.occurred_at, order_id=order.id)
        order.member_id = facts.member.id
        taken = take_back_earlier(order, actor=actor, now=now)
        record_audit(
            actor=actor,
            action=CLAIMED,
            now=now,
            object_type="order",
            object_id=order.id,
            store_id=order.store_id,
            data={"member_id": str(facts.member.id)},
        )
        figures = {
            "points_earned": priced.earned_of("points"),
            "growth_earned": priced.earned_of("growth"),
            "points_taken_back": taken.points,
            "growth_taken_back": taken.growth,
        }
        publish_event(
            name="checkout.order_attached.v1",
            member_id=facts.member.id,
            occurred_at=now,
            payload={"order_id": str(order.id), "sales_minor": order.sales_minor, **figures},
        )
    return {
        "order_id": order.id,
        "member_id": facts.member.id,
        **figures,
        "tier": _change(priced, taken.tier),
    }


def _change(priced: Priced, after: str | None) -> dict[str, str] | None:
    """The change of tier, from before the claim to after all of it."""
    if priced.move is None:
        return None
    after = after or priced.move.after.tier
    return {"from": priced.move.before, "to": after} if after != priced.move.before else None


def _check(order: Order, now: datetime) -> InForce:
    """The programme that priced the sale, if the sale can still be attached."""
    if order.member_id is not None:
        raise OrderHasMember(field="receipt")
    if order.status != OrderStatus.COMMITTED:
        raise AlreadyRefunded(field="receipt")
    if order.programme_version_id is None:
        in_force = programme_in_force(order.occurred_at)
    else:
        version = version_by_id(order.programme_version_id)
        in_force = InForce(version.id, version.number, version.programme)
    days = programme_in_force(now).programme.policies.attach_days
    if now > order.occurred_at + timedelta(days=days):
        raise ReceiptTooOld(field="receipt", days=days)
    return in_force


def _sale_again(order: Order, lines: list[OrderLine], member: MemberRef) -> SaleRequest:
    return SaleRequest(
        store=order.store.code,
        channel=order.channel_id,
        lines=tuple(LineRequest(line.product.sku, int(line.quantity * 1000)) for line in lines),
        member=member,
        currency=order.currency,
        settled=True,
    )


def _cart_line(line: OrderLine, categories: dict[str, str], tax: str | None) -> CartLine:
    return CartLine(
        line.product_id,
        line.product.sku,
        categories.get(line.product.sku, ""),
        int(line.quantity * 1000),
        line.list_minor,
        (("paid", line.discount_minor),) if line.discount_minor else (),
        tax,
        line.product.brand,
    )


def _write(order: Order, lines: list[OrderLine], priced: Priced, member_id: UUID) -> None:
    """The order and its lines as they would stand if the member had shown the card; no amount changes.

    Its prices were final when the member came: whoever prices it again gives no discount of the tier that was none.
    """
    Order.objects.filter(id=order.id).update(
        member_id=member_id,
        tier=priced.tier,
        settled=True,
        points_earned=priced.earned_of("points"),
        growth_earned=priced.earned_of("growth"),
    )
    for line, out in zip(lines, priced.lines, strict=True):
        OrderLine.objects.filter(order_id=order.id, line_no=line.line_no).update(
            member_id=member_id, points_earned=out.points, growth_earned=out.growth
        )
