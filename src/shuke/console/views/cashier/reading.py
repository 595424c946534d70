"""What the desk shows: the cart priced by checkout, every discount and point in words, and the member beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from shuke.catalog.models import Store
from shuke.catalog.operations import ensure_channel
from shuke.catalog.queries import products_by_sku
from shuke.checkout.answers import quantity_text
from shuke.checkout.errors import UnknownChannel
from shuke.checkout.queries import qualifying_totals
from shuke.console import formats
from shuke.console.views.cashier.cart import CHANNEL, Cart
from shuke.console.views.cashier.pricing import BACK, quote_cart
from shuke.core.models import Staff
from shuke.kit.errors import ShukeError
from shuke.kit.money import divide, to_text
from shuke.ledger.queries import balances_of
from shuke.loyalty.models import Standing
from shuke.loyalty.plans.queries import held_plans
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, version_by_id
from shuke.loyalty.words import (
    Document,
    asset_word,
    coupon_name,
    explain_earning,
    localized,
    plan_name,
    tier_name,
)
from shuke.members.queries import get_candidate, open_profiles
from shuke.members.values import Candidate

PREPAID = ("stored_value", "bonus")
_PLACES = {
    "member": "member",
    "points_to_use": "points",
    "tenders": "stored",
    "coupons": "coupon",
    **{name: name for name in (BACK, "reason", "approver")},
}
TOP_LEVEL = 4
"""Tiers above the fifth share its colour."""


@dataclass(slots=True)
class Says:
    """Messages by place ("scan", "member", "points", "coupon", "pay", "phone" …) and those of lines by SKU."""

    places: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    """SKU → ("quantity" or "price", words)."""
    notes: dict[str, str] = field(default_factory=dict)
    """What was done otherwise than typed, by place: nothing is refused, so these do not count as messages to mend."""

    def __bool__(self) -> bool:
        return bool(self.places or self.lines)

    def at(self, place: str) -> str:
        """The message at a place, or ""."""
        return self.places.get(place, "")


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as shown; figures that need a quote are None while there is none."""

    sku: str
    name: str
    quantity: str
    unit_minor: int | None
    price_text: str
    asks_price: bool
    """The catalogue has no price, so the cashier states it."""
    list_minor: int | None
    payable_minor: int | None
    discounts: list[str]
    quantity_error: str
    price_error: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """The member at the desk, masked. Amounts of the tier in minor units, or in growth when `by_growth`."""

    who: Candidate
    tier: str
    level: int
    usable: int
    pending: int
    debt: int
    stored_minor: int | None
    """Principal and bonus money that can be spent now; None where the programme has no stored value."""
    bonus_minor: int
    expiring: int
    expires_at: datetime | None
    birthday_month: bool
    next_tier: str
    next_missing: str
    progress: int
    goal: int
    has_plans: bool
    """The programme sells plans, or hands something out to holders of a tier."""
    plans: list[str]


def words_of(error: ShukeError) -> str:
    """A refusal for somebody at a till, who knows nothing of field names or commands."""
    if error.code == "price_missing":
        return _("This product has no price yet. Type the price of one unit.")
    if error.code == "no_programme":
        return _("No programme is in force yet, so nothing can be sold to members.")
    return str(error)


def quote(
    staff: Staff, store: Store, cart: Cart, currency: str, now: datetime
) -> tuple[dict[str, Any] | None, Says]:
    """(the quote, messages). Points that are refused leave a quote without them; any other refusal leaves none."""
    says = Says()
    sale = cart.sale(store.code, currency)
    try:
        try:
            return quote_cart(staff, cart, sale, now), says
        except UnknownChannel:
            ensure_channel(CHANNEL, _("Till"))
            return quote_cart(staff, cart, sale, now), says
    except ShukeError as error:
        if error.field != "points_to_use":
            place(says, error, cart)
            return None, says
        says.places["points"] = words_of(error)
    return quote_cart(staff, cart, replace(sale, points_to_use=0), now), says


def place(says: Says, error: ShukeError, cart: Cart) -> None:
    """Put a refusal of checkout where the cashier can mend it."""
    head, _slash, rest = (error.field or "").partition("/")
    words = words_of(error)
    if head == "lines" and rest:
        index, _slash, part = rest.partition("/")
        if index.isdecimal() and int(index) < len(cart.lines):
            at = "price" if part in ("unit_price_minor", "") and error.code != "bad_quantity" else "quantity"
            says.lines[cart.lines[int(index)].sku] = (at, words)
            return
    index, _slash, _part = rest.partition("/")
    if head == "tenders" and index.isdecimal() and int(index) < len(cart.cards):
        said = _("Gift card %(four)s: %(words)s") % {"four": cart.cards[int(index)][1], "words": words}
        says.places["gift"] = said
        return
    says.places[_PLACES.get(head, "pay")] = words


def picture(
    staff: Staff, store: Store, cart: Cart, in_force: InForce, now: datetime, said: Says | None = None
) -> dict[str, Any]:
    """Everything the desk draws: lines, member, totals, and what was refused."""
    programme = in_force.programme
    document = version_by_id(in_force.version_id).document
    products = products_by_sku(line.sku for line in cart.lines)
    body, says = quote(staff, store, cart, programme.currency, now) if cart.lines else (None, Says())
    for source in (said,) if said is not None else ():
        says.places.update(source.places)
        says.lines.update(source.lines)
        says.notes.update(source.notes)
    priced = body["lines"] if body else [None] * len(cart.lines)
    lines = []
    for line, out in zip(cart.lines, priced, strict=True):
        product = products.get(line.sku)
        listed = product.price_minor if product and product.currency == programme.currency else None
        unit = line.unit_price_minor if line.unit_price_minor is not None else listed
        at, words = says.lines.get(line.sku, ("", ""))
        lines.append(
            LineView(
                sku=line.sku,
                name=product.name if product else line.sku,
                quantity=quantity_text(line.quantity),
                unit_minor=unit,
                price_text=""
                if line.unit_price_minor is None
                else to_text(line.unit_price_minor, programme.currency),
                asks_price=listed is None,
                list_minor=out["list_minor"]
                if out
                else unit and divide(unit * line.quantity, 1000, "half_up"),
                payable_minor=out["list_minor"] - out["discount_minor"] if out else None,
                discounts=[
                    _discount(each, document, programme.currency)
                    for each in (out["discounts"] if out else ())
                ],
                quantity_error=words if at == "quantity" else "",
                price_error=words if at == "price" else "",
            )
        )
    return {
        "cart": cart,
        "stored_amount": to_text(cart.stored, programme.currency) if cart.stored else "",
        "store": store,
        "currency": programme.currency,
        "lines": lines,
        "units": quantity_text(sum(line.quantity for line in cart.lines)),
        "member": member_view(cart.member_id, in_force, document, now) if cart.member_id else None,
        "quote": body,
        "totals": _totals(body, document, programme) if body else None,
        "takes_cards": programme.gift_cards is not None,
        "cards": _cards(cart, body),
        "says": says,
    }


def member_view(member_id: UUID, in_force: InForce, document: Document, now: datetime) -> MemberView:
    """The member with tier, points and what to say to them. Raises NotFound."""
    programme = in_force.programme
    who = get_candidate(member_id)
    balances = {balance.asset: balance for balance in balances_of(member_id, now)}
    points = balances.get("points")
    principal, bonus = (balances[a].usable if a in balances else 0 for a in ("stored_value", "bonus"))
    standing = Standing.objects.filter(member_id=member_id).first()
    level = programme.tiers.level(standing.tier if standing else "")
    total = qualifying_totals([member_id], {member_id: now})[member_id]
    above = next((each for each in programme.tiers.levels if each.rank == level.rank + 1), None)
    missing = max(above.threshold - total, 0) if above else 0
    profile = open_profiles([member_id]).get(member_id)
    birthday = profile.birthday if profile else None
    expiring = points.expiring if points else ()
    return MemberView(
        who=who,
        tier=tier_name(document, level.code),
        level=min(level.rank, TOP_LEVEL),
        usable=points.usable if points else 0,
        pending=points.pending if points else 0,
        debt=points.debt if points else 0,
        stored_minor=principal + bonus if programme.stored_value else None,
        bonus_minor=bonus,
        expiring=sum(each.amount for each in expiring),
        expires_at=expiring[0].at if expiring else None,
        birthday_month=bool(birthday and birthday.month == timezone.localtime(now).month),
        next_tier=tier_name(document, above.code) if above else "",
        next_missing=_metric(missing, programme),
        progress=min(total, above.threshold) if above else 1,
        goal=above.threshold if above else 1,
        has_plans=programme.serves_holders,
        plans=[plan_name(document, code) for code in held_plans(member_id=member_id, now=now)]
        if programme.plans
        else [],
    )


def _metric(amount: int, programme: Programme) -> str:
    if programme.tiers.metric == "spend":
        return formats.money(amount, programme.currency)
    return f"{formats.number(amount)} {localized(programme.asset_names['growth'])}"


def _discount(each: dict[str, Any], document: Document, currency: str) -> str:
    """One discount of a line: "Gold 9.8 折 −¥1.20"."""
    amount = formats.money(-each["minor"], currency)
    if each["kind"] not in ("tier", "plan"):
        name = coupon_name(document, each["code"]) if each["kind"] == "coupon" else each["code"]
        return f"{name} {amount}"
    return _("%(tier)s price, %(discount)s: %(amount)s") % {
        "tier": _giver(document, each["kind"], each["code"]),
        "discount": _rate(each["percent"]),
        "amount": amount,
    }


def _giver(document: Document, kind: str, code: str) -> str:
    return plan_name(document, code) if kind == "plan" else tier_name(document, code)


def _rate(thousandths: int) -> str:
    return formats.discount(100 - Decimal(thousandths) / 1000)


def _cards(cart: Cart, body: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The gift cards named, each with what it pays of this sale (None while there is no price)."""
    paid = {str(each["gift_card_id"]): each["amount_minor"] for each in (body["tenders"] if body else ())}
    return [
        {"id": card_id, "four": four, "minor": -paid.get(str(card_id), 0) if body else None}
        for card_id, four in cart.cards
    ]


def _totals(body: dict[str, Any], document: Document, programme: Programme) -> dict[str, Any]:
    """The right-hand side of the desk: each step from the list price to what is paid, with its reason."""
    discounts: dict[tuple[str, str, int], int] = {}
    for line in body["lines"]:
        for each in line["discounts"]:
            reason = (each["kind"], each["code"], each.get("percent", 0))
            discounts[reason] = discounts.get(reason, 0) + each["minor"]
    rule = programme.redemption
    member = body["member"]
    limit = body["points_limit"]
    moved = member is not None and member["tier"] != member["tier_before"]
    return {
        "list_minor": body["list_minor"],
        "discounts": [
            (
                _("%(tier)s price, %(discount)s")
                % {"tier": _giver(document, kind, code), "discount": _rate(percent)}
                if kind in ("tier", "plan")
                else coupon_name(document, code)
                if kind == "coupon"
                else code,
                -minor,
            )
            for (kind, code, percent), minor in discounts.items()
        ],
        "points_minor": -body["points_minor"],
        "points_used": body["points_used"],
        "payable_minor": body["payable_minor"],
        "due_minor": body["due_minor"],
        "balance_minor": body["balance_minor"],
        "pay_out_minor": -body["balance_minor"],
        "back_minor": -body["refund"]["money_back_minor"] if "refund" in body else 0,
        "tax_minor": body["tax_minor"],
        "tax_added": bool(body["tax_added_minor"]),
        "stored_used_minor": -sum(
            paid["amount_minor"] for paid in body["tenders"] if paid["kind"] in PREPAID
        ),
        "takes_stored": programme.stored_value is not None,
        "stored_limit_minor": body["stored_value_limit"],
        "stored_limit_text": to_text(body["stored_value_limit"], programme.currency),
        "earned": [
            {
                "amount": each["amount"],
                "name": localized(programme.asset_names.get(each["asset"], {})) or each["asset"],
                "why": explain_earning({"rules": each["rules"]}, document, each["asset"]),
                "is_points": each["asset"] == "points",
            }
            for each in body["earned"]
            if each["amount"]
        ],
        "takes_coupons": bool(programme.coupons) or bool(body["coupons"]),
        "takes_points": rule is not None,
        "points_limit": limit,
        "limit_worth": limit * rule.worth // rule.points if rule else 0,
        "points_rule": _points_rule(document, programme) if rule else "",
        "tier_after": tier_name(document, member["tier"]) if moved else "",
        "level_after": min(programme.tiers.level(member["tier"]).rank, TOP_LEVEL) if moved else 0,
    }


def _points_rule(document: Document, programme: Programme) -> str:
    rule = programme.redemption
    assert rule is not None

    return _(
        "%(points)s %(unit)s pay %(worth)s. From %(minimum)s %(unit)s, in steps of %(step)s, for at most %(percent)s%%"
        " of the sale."
    ) % {
        "points": formats.points(rule.points),
        "unit": asset_word(document, "points"),
        "worth": formats.money(rule.worth, programme.currency),
        "minimum": formats.points(max(rule.minimum, rule.step)),
        "step": formats.points(rule.step),
        "percent": f"{(Decimal(rule.max_percent) / 1000).normalize():f}",
    }
