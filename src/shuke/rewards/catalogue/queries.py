"""What others read of the catalogue: stock left, redemptions of a member and of everybody, one by its code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from shuke.core.keyset import keyset
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.rate import limits_guessing
from shuke.core.values import Actor
from shuke.members.models import Member
from shuke.rewards.catalogue.codes import blind_pick_up_code, read_pick_up_code
from shuke.rewards.catalogue.errors import BadPickUpCode, UnknownRedemption
from shuke.rewards.catalogue.models import GONE, OPEN, Redemption, RewardStock

PAGE = 50
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class RedemptionPage:
    """`next_cursor` is None on the last page."""

    redemptions: list[Redemption]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RewardFigures:
    """What became of a reward so far: pieces by how they stand, and the points and money they cost."""

    redemptions: int
    pieces: int
    waiting: int
    points: int
    cash_minor: int


def stock_taken(codes: Iterable[str]) -> dict[str, int]:
    """Reward → pieces taken so far; absent when none was ever."""
    rows = RewardStock.objects.filter(reward__in=list(codes))
    return dict(rows.values_list("reward", "taken"))


def pieces_had(member_id: UUID, since: Mapping[str, datetime | None]) -> dict[str, int]:
    """Reward → pieces that the member redeemed since its instant (None: ever) and did not give back; absent for none."""
    asked = Q(reward__in=[code for code, begin in since.items() if begin is None])
    for code, begin in since.items():
        if begin is not None:
            asked |= Q(reward=code, placed_at__gte=begin)
    rows = Redemption.objects.filter(asked, member_id=member_id).exclude(status__in=GONE)
    return dict(rows.values_list("reward").annotate(pieces=Sum("quantity")))


def figures_of(codes: Iterable[str]) -> dict[str, RewardFigures]:
    """Reward → what became of it, without what was cancelled or not collected. One query."""
    rows = (
        Redemption.objects.filter(reward__in=list(codes))
        .exclude(status__in=GONE)
        .values("reward")
        .annotate(
            n=Count("id"),
            pieces=Sum("quantity"),
            waiting=Count("id", filter=Q(status__in=["placed", "ready"])),
            spent=Sum("points"),
            cash=Sum("cash_minor"),
        )
    )
    return {
        row["reward"]: RewardFigures(row["n"], row["pieces"], row["waiting"], row["spent"], row["cash"])
        for row in rows
    }


def get_redemption(redemption_id: UUID, *, stores: Collection[UUID] | None = None) -> Redemption:
    """One redemption, within the reader's stores. Raises UnknownRedemption."""
    found = _reachable(Redemption.objects.filter(id=redemption_id), stores).first()
    if found is None:
        raise UnknownRedemption
    return found


def find_by_code(code: str, *, asker: Actor, stores: Collection[UUID] | None = None) -> Redemption:
    """The redemption whose pick-up code this is. Raises BadPickUpCode, UnknownRedemption, TooManyWrongCodes."""
    plain = read_pick_up_code(code)
    if plain is None:
        raise BadPickUpCode(field="code")
    rows = Redemption.objects.filter(blind=blind_pick_up_code(keyset(), plain))
    with limits_guessing(asker, UnknownRedemption):
        found = _reachable(rows, stores).first()
        if found is None:
            raise UnknownRedemption(field="code")
    return found


def list_redemptions(
    *,
    member_id: UUID | None = None,
    status: str = "",
    reward: str = "",
    open_only: bool = False,
    stores: Collection[UUID] | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> RedemptionPage:
    """Redemptions, newest first; with `open_only` those that wait. Raises InvalidInput (bad cursor)."""
    limit = max(1, min(limit, MAX_PAGE))
    rows = _reachable(Redemption.objects.all(), stores)
    if member_id is not None:
        rows = rows.filter(member_id=member_id)
    if status:
        rows = rows.filter(status=status)
    if open_only:
        rows = rows.filter(status__in=OPEN)
    if reward:
        rows = rows.filter(reward=reward)
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(placed_at__lt=at) | Q(placed_at=at, id__lt=last))
    found = list(rows.order_by("-placed_at", "-id")[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    return RedemptionPage(page, encode_cursor([page[-1].placed_at, page[-1].id]) if more else None)


def _reachable(rows: QuerySet[Redemption], stores: Collection[UUID] | None) -> QuerySet[Redemption]:
    rows = rows.select_related("store", "pick_up_store")
    if stores is None:
        return rows
    # What is sent home and was asked for nowhere goes with its member, as all that is the member's own.
    strangers = Member.objects.filter(id=OuterRef("member_id")).exclude(
        Q(join_store_id__in=stores) | Q(join_store__isnull=True)
    )
    return rows.filter(
        Q(pick_up_store_id__in=stores)
        | Q(store_id__in=stores)
        | Q(store__isnull=True, pick_up_store__isnull=True) & ~Exists(strangers)
    )
