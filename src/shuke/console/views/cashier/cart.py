"""The cart between two keystrokes. It lives in a row of the session store of its own, named by a signed cookie.

Its own row, because a cart must outlive the sign-in that expires under it, and because it is locked while it changes:
two scans that arrive together both count. It belongs to one person on one device; a colleague who signs in there gets
an empty one.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from shuke.checkout.gift_cards import codes_of
from shuke.checkout.refunds.values import RefundRequest
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest, TenderRequest
from shuke.console.access import staff_of
from shuke.core.keyset import keyset
from shuke.kit import clock

COOKIE = "shuke_desk"
COOKIE_AGE = 7 * 24 * 3600
MAX_LINES = 100
REMEMBERED_SALES = 5
SYSTEM = "desk"
CHANNEL = "pos"
_SIGNER = signing.TimestampSigner(salt="shuke.console.cashier")
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without those that are read or typed wrong


@dataclass(slots=True)
class CartLine:
    """`quantity` in thousandths; `unit_price_minor` only where the cashier stated it."""

    sku: str
    quantity: int
    unit_price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """What comes back in exchange for the cart: a part of an order."""

    order_id: UUID
    part: RefundRequest
    is_of_member: bool
    """Bought by a member: the new sale is theirs, whoever stands at the desk."""


@dataclass(slots=True)
class Cart:
    """One customer at the desk. `key` is made once and makes the sale happen once, whatever is pressed twice."""

    key: str
    number: str
    lines: list[CartLine] = field(default_factory=list)
    member_id: UUID | None = None
    points: int = 0
    stored: int = 0
    """Minor units of stored value that pay, at most."""
    cards: list[tuple[UUID, str]] = field(default_factory=list)
    """Gift cards that pay what they can, by id and last four characters: a code is kept nowhere, not even here."""
    coupons: list[str] = field(default_factory=list)
    """Ids of pieces and codes, in the order in which they were chosen."""
    swap: Swap | None = None
    done: dict[str, str] = field(default_factory=dict)
    """Keys of the last sales of this desk and their orders, so that an old page leads to its receipt."""

    def line(self, sku: str) -> CartLine | None:
        """The line of a product."""
        return next((line for line in self.lines if line.sku == sku), None)

    def sale(self, store: str, currency: str) -> SaleRequest:
        """The cart as checkout takes it."""
        return SaleRequest(
            store=store,
            channel=CHANNEL,
            lines=tuple(LineRequest(line.sku, line.quantity, line.unit_price_minor) for line in self.lines),
            member=MemberRef("id", str(self.member_id)) if self.member_id else None,
            currency=currency,
            points_to_use=self.points,
            system=SYSTEM,
            number=self.number,
            tenders=self._tenders(),
            coupons=tuple(self.coupons),
            all_coupons=self.member_id is not None,
        )

    def _tenders(self) -> tuple[TenderRequest, ...]:
        codes = codes_of([card_id for card_id, _four in self.cards])
        cards = tuple(TenderRequest("gift_card", code=code) for code in codes)
        return (*cards, TenderRequest("stored_value", self.stored, at_most=True)) if self.stored else cards

    def finish(self, order_id: str) -> None:
        """Remember the sale and begin the next one."""
        fresh = new_cart()
        done = {**self.done, self.key: order_id}
        self.done = dict(list(done.items())[-REMEMBERED_SALES:])
        self.key, self.number = fresh.key, fresh.number
        self.empty()

    def empty(self) -> None:
        """Everything out."""
        self.lines, self.member_id, self.points, self.stored, self.cards = [], None, 0, 0, []
        self.coupons, self.swap = [], None


def new_cart() -> Cart:
    """An empty cart with its own key and order number (day and eight letters: 261121-7K3Q9M2X)."""
    return Cart(key=secrets.token_urlsafe(24), number=new_number(timezone.localdate()))


def new_number(day: date) -> str:
    """A number that no other order will have; checkout refuses the sale if one does."""
    return f"{day:%y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


def fingerprint(sale: SaleRequest, swap: Swap | None = None) -> bytes:
    """What makes two sales under one key the same."""
    told = msgspec.json.encode(sale)
    return sha256(told + msgspec.json.encode(swap) if swap else told).digest()


def read_cart(request: HttpRequest) -> Cart:
    """The cart as it stands, for showing it. A person without one gets an empty one that is not yet kept."""
    row = _rows(request).first()
    return _load(row, request) or new_cart()


@contextmanager
def open_cart(request: HttpRequest) -> Iterator[Cart]:
    """Change the cart: it is locked, and kept when the block ends without an error."""
    with transaction.atomic():
        row = _rows(request).select_for_update().first()
        cart = _load(row, request)
        store = SessionStore(row.session_key) if row is not None and cart else SessionStore()
        cart = cart or new_cart()
        yield cart
        store.clear()
        store["staff"] = str(staff_of(request).id)
        store["cart"] = _dump(cart)
        store.save()
    request.desk_key = store.session_key  # type: ignore[attr-defined]


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Name the cart in the answer's cookie, if this request kept one; the sign-in lasts on while people sell."""
    key = getattr(request, "desk_key", None)
    if key is None:
        return
    request.session.modified = True
    response.set_cookie(
        COOKIE,
        _SIGNER.sign(key),
        max_age=COOKIE_AGE,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
    )


def _rows(request: HttpRequest) -> Any:
    key = getattr(request, "desk_key", None)
    if key is None:
        try:
            key = _SIGNER.unsign(request.COOKIES.get(COOKIE, ""), max_age=COOKIE_AGE)
        except signing.BadSignature:
            return Session.objects.none()
    return Session.objects.filter(session_key=key, expire_date__gt=clock.now())


def _load(row: Session | None, request: HttpRequest) -> Cart | None:
    if row is None:
        return None
    kept = row.get_decoded()
    if kept.get("staff") != str(staff_of(request).id) or "cart" not in kept:
        return None
    raw = kept["cart"]
    return Cart(
        key=raw["key"],
        number=raw["number"],
        lines=[CartLine(*line) for line in raw["lines"]],
        member_id=UUID(raw["member"]) if raw["member"] else None,
        points=raw["points"],
        stored=raw.get("stored", 0),  # a cart kept by an older release has none
        cards=[(UUID(card), four) for card, four in raw.get("cards", ())],
        coupons=_opened(raw.get("coupons", ""), raw["key"]),
        swap=msgspec.convert(raw["swap"], Swap) if raw.get("swap") else None,
        done=raw["done"],
    )


def _dump(cart: Cart) -> dict[str, Any]:
    return {
        "key": cart.key,
        "number": cart.number,
        "lines": [[line.sku, line.quantity, line.unit_price_minor] for line in cart.lines],
        "member": str(cart.member_id) if cart.member_id else None,
        "points": cart.points,
        "stored": cart.stored,
        "cards": [[str(card), four] for card, four in cart.cards],
        "coupons": _sealed(cart.coupons, cart.key),
        "swap": msgspec.to_builtins(cart.swap),
        "done": cart.done,
    }


def _sealed(coupons: list[str], key: str) -> str:
    """A unique code is money to whoever reads it: it never lies in the session store as it is typed."""
    if not coupons:
        return ""
    return b64encode(keyset().wrap(msgspec.json.encode(coupons), key.encode())).decode()


def _opened(sealed: str, key: str) -> list[str]:
    if not sealed:
        return []
    return msgspec.json.decode(keyset().unwrap(b64decode(sealed), key.encode()), type=list[str])
