"""Coupons at the desk: type or scan a code, pick from what the member holds, or let the best combination be proposed.

What does not count is said with its reason and not kept, so that what stands as chosen is what the sale uses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from shuke.catalog.models import Store
from shuke.checkout.values import BEST, SaleRequest
from shuke.console.views.cashier.cart import Cart
from shuke.console.views.cashier.pricing import quote_cart
from shuke.console.views.cashier.reading import Says, place
from shuke.core.models import Staff
from shuke.kit.errors import ShukeError

MAX_TYPED = 60


@dataclass(frozen=True, slots=True)
class CouponView:
    """A coupon as the desk shows it. `chosen`: its place among those of the cart, by which it is taken off again.

    `pieces`: how many that are equal this line stands for; `id` is the one that is taken.
    """

    id: str
    chosen: int | None
    name: str
    shown: str
    status: str
    minor: int
    message: str
    last_day: datetime | None
    pieces: int = 1


_ORDER = {"used": 0, "usable": 1, "refused": 2}


def coupon_views(rows: list[dict[str, Any]]) -> list[CouponView]:
    """Used ones first, then what could still be used, by what it gives; then the others with their reasons.

    Equal pieces, of one template and with the same end, are one line: of those that were not chosen the first that can
    be used stands for all. Where none of them can, because one was chosen, they count as pieces of the chosen one's line.
    """
    views = [
        CouponView(
            id=str(row["coupon_id"] or ""),
            chosen=row["asked"],
            name=row["name"] or row["coupon"],
            shown="" if row["coupon"] == str(row["coupon_id"]) else row["coupon"],
            status=row["status"],
            minor=row["minor"],
            message=row["message"],
            last_day=row["valid_until"] and row["valid_until"] - timedelta(microseconds=1),
            pieces=pieces,
        )
        for row, pieces in _lines_of(rows)
    ]
    return sorted(views, key=lambda view: (_ORDER[view.status], -view.minor))


def _lines_of(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """The rows to show, in their order, each with the number of equal pieces that it stands for."""
    pieces: dict[int, int] = {}
    heads: dict[tuple[str, datetime | None], int] = {}
    chosen: dict[tuple[str, datetime | None], int] = {}
    for at, row in enumerate(rows):
        kind = (row["template"], row["valid_until"])
        if row["asked"] is not None or row["coupon_id"] is None:
            pieces[at] = 1
            if row["status"] == "used":
                chosen.setdefault(kind, at)
            continue
        head = heads.setdefault(kind, at)
        if _ORDER[row["status"]] < _ORDER[rows[head]["status"]]:
            pieces[at] = pieces.pop(head)
            heads[kind] = head = at
        pieces[head] = pieces.get(head, 0) + 1
    for kind, head in heads.items():
        if kind in chosen and rows[head]["status"] == "refused":
            pieces[chosen[kind]] += pieces.pop(head)
    return [(rows[at], pieces[at]) for at in sorted(pieces)]


def choose(
    asked: dict[str, str], cart: Cart, staff: Staff, store: Store, currency: str, now: datetime
) -> Says:
    """Carry out one wish of the cashier on the cart's coupons: `drop` a place, `add` a piece, `text` a code, else the best."""
    says, before = Says(), list(cart.coupons)
    wanted = (asked.get("add") or asked.get("text", ""))[:MAX_TYPED].strip()
    dropped = asked.get("drop", "")
    if dropped:
        places = [str(place) for place in range(len(cart.coupons))]
        if dropped in places:
            del cart.coupons[places.index(dropped)]
        return says
    if not cart.lines:
        says.places["coupon"] = _("Add the goods first: what a coupon gives depends on them.")
        return says
    sale = cart.sale(store.code, currency)
    try:
        if wanted:
            _add(wanted, cart, sale, staff, now, says)
        else:
            _best(cart, sale, staff, now, says)
    except ShukeError as error:
        cart.coupons = before
        place(says, error, cart)
    return says


def counting(sale: SaleRequest, rows: list[dict[str, Any]]) -> SaleRequest:
    """The sale with those of its coupons that count: the others stand on the screen with their reason."""
    if not sale.coupons:
        return sale
    used = {row["asked"] for row in rows if row["status"] == "used"}
    return replace(sale, coupons=tuple(text for n, text in enumerate(sale.coupons) if n in used))


def _add(wanted: str, cart: Cart, sale: SaleRequest, staff: Staff, now: datetime, says: Says) -> None:
    asked = replace(sale, coupons=(*cart.coupons, wanted))
    rows = quote_cart(staff, cart, asked, now)["coupons"]
    row = next(each for each in rows if each["asked"] == len(cart.coupons))
    if row["status"] == "used":
        cart.coupons.append(wanted)
    else:
        says.places["coupon"] = f"{row['name']}: {row['message']}" if row["name"] else row["message"]


def _best(cart: Cart, sale: SaleRequest, staff: Staff, now: datetime, says: Says) -> None:
    asked = (BEST, *cart.coupons)
    rows = quote_cart(staff, cart, replace(sale, coupons=asked), now)["coupons"]
    used = [row for row in rows if row["status"] == "used"]
    cart.coupons = [
        asked[row["asked"]] if row["asked"] is not None else str(row["coupon_id"]) for row in used
    ]
    if not used:
        says.places["coupon"] = _("No coupon makes this sale cheaper.")
