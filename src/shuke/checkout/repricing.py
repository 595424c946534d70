"""The price of an order made again from what was recorded of it, by the very function and programme version that made it.

What an order says is otherwise only compared with itself; this compares it with the rules. Facts that were not kept as
they were (birthday, category and brand) are taken as they are today. A price that hung on facts of which no past state is
known (caps, budgets, the member's tags and segments, levels on further tracks, coupons and plans) is not made again; the
reason says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from shuke.checkout.logic import Cart, CartLine, MemberFacts, Priced, price
from shuke.checkout.models import LineTax, Order, OrderLine, OrderTender
from shuke.checkout.tender_logic import Funds, Tender
from shuke.checkout.values import PricingRefusal
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import version_by_id
from shuke.loyalty.tier_logic import TierState
from shuke.members.queries import open_profiles

Untold = Literal["version", "facts", "discounts"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the order (`line_no` 0) or of a line: what was recorded, and what the rules give."""

    line_no: int
    figure: str
    recorded: int
    again: int


@dataclass(frozen=True, slots=True)
class Repriced:
    """`untold` says why the price could not be made again, `refused` (a code) that the rules would not make it; otherwise
    `differences` are all there are."""

    differences: tuple[Difference, ...] = ()
    untold: Untold | None = None
    refused: str = ""

    @property
    def is_same(self) -> bool | None:
        """None when nothing can be said."""
        return None if self.untold else not (self.differences or self.refused)


def price_again(order_id: UUID) -> Repriced:
    """Price a recorded order again. Raises Order.DoesNotExist."""
    order = Order.objects.select_related("store", "member").get(id=order_id)
    if order.programme_version_id is None:
        return Repriced(untold="version")
    programme = version_by_id(order.programme_version_id).programme
    lines = list(OrderLine.objects.filter(order_id=order_id).select_related("product").order_by("line_no"))
    if any(each["kind"] not in ("given", "tier") for line in lines for each in line.detail or ()):
        return Repriced(untold="discounts")
    needs = programme.needs
    hangs_on_more = needs.traits or needs.first_purchase or needs.counted or needs.budgets
    if order.member_id and (hangs_on_more or programme.tracks):
        return Repriced(untold="facts")
    taxes = {tax.line_no: tax for tax in LineTax.objects.filter(order_id=order_id)}
    paid = list(OrderTender.objects.filter(order_id=order_id).order_by("seq"))
    cart = Cart(
        lines=tuple(_cart_line(line, taxes.get(line.line_no)) for line in lines),
        store=order.store.code,
        channel=order.channel_id,
        settled=_settled(order, lines),
        points_to_use=order.points_used,
        tenders=recorded_tenders(paid),
    )
    try:
        priced = price(programme, cart, _member(programme, order), order.occurred_at, recorded_funds(paid))
    except PricingRefusal as refusal:
        return Repriced(refused=refusal.code)
    return Repriced(tuple(_differences(order, lines, taxes, priced)))


def _settled(order: Order, lines: Sequence[OrderLine]) -> bool:
    """Whether the prices were final. Where that was not kept: without a discount of the tier there was none to give, or the
    till had fixed its prices, which comes to the same."""
    if order.settled is not None:
        return order.settled
    return not any(each["kind"] == "tier" for line in lines for each in line.detail or ())


def _cart_line(line: OrderLine, tax: LineTax | None) -> CartLine:
    given = tuple((each["code"], each["minor"]) for each in line.detail or () if each["kind"] == "given")
    return CartLine(
        line.product_id,
        line.product.sku,
        line.product.category_id or "",
        int(line.quantity * 1000),
        line.list_minor,
        given,
        tax.code if tax else None,
        line.product.brand,
    )


def _member(programme: Programme, order: Order) -> MemberFacts | None:
    """As much of the buyer as the price hangs on: the tier it was made under, and the points that paid."""
    if order.member is None:
        return None
    birthday = None
    if programme.uses_birthday:
        profile = open_profiles([order.member.id]).get(order.member.id)
        born = profile.birthday if profile else None
        birthday = (born.month, born.day) if born else None
    tier = TierState(order.tier, order.occurred_at, None, joined=order.member.joined_at)
    return MemberFacts(tier, birthday, order.points_used, 0)


def recorded_tenders(paid: Sequence[OrderTender]) -> list[Tender]:
    """As a till states them: principal and bonus money are one tender."""
    inside = sum(each.amount_minor for each in paid if each.kind in ("stored_value", "bonus"))
    tenders = [Tender("stored_value", inside)] if inside else []
    for each in paid:
        if each.kind not in ("stored_value", "bonus"):
            tenders.append(Tender(each.kind, each.amount_minor, each.holder_id, each.reference))
    return tenders


def recorded_funds(paid: Sequence[OrderTender]) -> Funds:
    """Just what was paid, so that principal and bonus money can only split as they did."""
    return Funds(
        sum(each.amount_minor for each in paid if each.kind == "stored_value"),
        sum(each.amount_minor for each in paid if each.kind == "bonus"),
        {each.holder_id: each.amount_minor for each in paid if each.kind == "gift_card" and each.holder_id},
    )


def _differences(
    order: Order, lines: Sequence[OrderLine], taxes: dict[int, LineTax], priced: Priced
) -> Iterator[Difference]:
    headers: dict[str, Any] = {
        name: getattr(priced, name)
        for name in (
            "list_minor", "discount_minor", "sales_minor", "points_minor", "tax_minor", "tax_added_minor", "payable_minor",
            "qualifying_minor", "points_used",
        )
    } | {"points_earned": priced.earned_of("points"), "growth_earned": priced.earned_of("growth")}  # fmt: skip
    for figure, again in headers.items():
        if getattr(order, figure) != again:
            yield Difference(0, figure, getattr(order, figure), again)
    for line, out in zip(lines, priced.lines, strict=True):
        tax = taxes.get(line.line_no)
        figures = {
            "discount_minor": (line.discount_minor, out.discount_minor),
            "points_minor": (line.points_minor, out.points_minor),
            "payable_minor": (line.payable_minor, out.payable_minor),
            "points_earned": (line.points_earned, out.points),
            "growth_earned": (line.growth_earned, out.growth),
            "tax_minor": (tax.tax_minor if tax else 0, out.tax.tax_minor if out.tax else 0),
        }
        for figure, (recorded, again) in figures.items():
            if recorded != again:
                yield Difference(line.line_no, figure, recorded, again)
