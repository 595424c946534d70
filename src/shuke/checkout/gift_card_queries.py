"""What the counter and the office read of gift cards: a list, one card, and what stands on each of them now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum

from shuke.checkout.errors import UnknownGiftCard
from shuke.checkout.gift_cards import find_by_code
from shuke.checkout.models import GiftCard, GiftCardStatus
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.rate import limits_guessing
from shuke.core.values import Actor
from shuke.ledger.models import Entry, Lot, Transfer, TransferKind

PAGE = 50
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class CardView:
    """A card, what can be paid with it now, and what stands on it: a blocked card pays nothing and keeps its money."""

    card: GiftCard
    usable_minor: int
    left_minor: int


@dataclass(frozen=True, slots=True)
class CardPage:
    """`next_cursor` is None on the last page."""

    cards: list[CardView]
    next_cursor: str | None


def list_gift_cards(
    *,
    now: datetime,
    status: str = "",
    last_four: str = "",
    store_ids: Collection[UUID] | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> CardPage:
    """Cards, newest first. Those of some stores: sold there, or not sold yet. Raises InvalidInput (bad cursor)."""
    limit = max(1, min(limit, MAX_PAGE))
    rows = _reachable(store_ids)
    if status:
        rows = rows.filter(status=status)
    if last_four:
        rows = rows.filter(last_four=last_four.upper())
    if cursor:
        rows = rows.filter(id__lt=decode_cursor(cursor, UUID)[0])
    found = list(rows.order_by("-id")[: limit + 1])
    page = found[:limit]
    return CardPage(with_balances(page, now), encode_cursor([page[-1].id]) if len(found) > limit else None)


def get_gift_card(card_id: UUID, *, now: datetime, store_ids: Collection[UUID] | None = None) -> CardView:
    """One card. Raises UnknownGiftCard, also for one that was sold in other stores."""
    card = _reachable(store_ids).filter(id=card_id).first()
    if card is None:
        raise UnknownGiftCard
    return with_balances([card], now)[0]


def cards_by_code(codes: Sequence[str], *, asker: Actor, now: datetime) -> list[CardView]:
    """The cards of these codes in their order, each once.

    Raises BadGiftCardCode and UnknownGiftCard at `codes/i`, TooManyWrongCodes.
    """
    with limits_guessing(asker, UnknownGiftCard):
        found = [find_by_code(code, f"codes/{index}") for index, code in enumerate(codes)]
    return with_balances(list({card.id: card for card in found}.values()), now)


def with_balances(cards: Sequence[GiftCard], now: datetime) -> list[CardView]:
    """The cards with what stands on each and can be paid with it: one query, whatever their number."""
    lots = Lot.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        member_id__in=[card.id for card in cards],
        asset="gift_card",
        remaining__gt=0,
        active_at__lte=now,
    )
    sums = dict(lots.values_list("member_id").annotate(free=Sum(F("remaining") - F("held"))))
    views: list[CardView] = []
    for card in cards:
        left = sums.get(card.id, 0)
        views.append(CardView(card, left if card.status == GiftCardStatus.ACTIVE else 0, left))
    return views


def _reachable(store_ids: Collection[UUID] | None) -> QuerySet[GiftCard]:
    rows = GiftCard.objects.select_related("store")
    return rows if store_ids is None else rows.filter(Q(store_id__in=store_ids) | Q(store_id=None))


def left_after(order_id: UUID, card_ids: Collection[UUID]) -> dict[UUID, int]:
    """What was left on each card when it had paid its part of this order, by its book as it was written then.

    What was spent, given back or has lapsed since does not change it: a receipt printed again says the same.
    """
    found: dict[UUID, int] = {}
    paid = Transfer.objects.filter(order_id=order_id, member_id__in=card_ids, kind=TransferKind.PAY)
    for each in paid.order_by("recorded_at", "id"):
        written = Q(transfer__recorded_at__lt=each.recorded_at) | Q(
            transfer__recorded_at=each.recorded_at, transfer_id__lte=each.id
        )
        book = Entry.objects.filter(written, member_id=each.member_id, account="member", asset="gift_card")
        found[each.member_id] = book.aggregate(left=Sum("amount"))["left"] or 0
    return found


def last_digits(card_ids: Collection[UUID]) -> dict[UUID, str]:
    """By which digits the counter tells these cards apart."""
    return dict(GiftCard.objects.filter(id__in=card_ids).order_by("id").values_list("id", "last_four"))
