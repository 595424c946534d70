"""Lists of members: filtered, newest first, one page at a time, every filter answered by an index.

Without a text, members come in the order in which they joined. With one, they come in the order of their ids, which
begin with the same instant: so the index on (term, member) is walked from its newest end and left after one page,
however many share the term.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.text import storable
from shuke.members.attributes import sort_attributes
from shuke.members.models import AttributeDefinition, Member, MemberStatus, SearchToken
from shuke.members.queries.matching import clean_query, members_by_identifier
from shuke.members.queries.reading import candidates
from shuke.members.search import blind_terms, query_terms
from shuke.members.values import Candidate, CappedCount, MemberFilters, MemberPage

MAX_LIMIT = 200
NEWEST = 3_000
"""So many members are looked at for their tags: a list to choose from must not wait for a whole chain."""
COUNT_CAP = 1000


def list_members(filters: MemberFilters, cursor: str | None = None, *, limit: int = 50) -> MemberPage:
    """One page of the members that pass the filters, masked, newest first.

    Raises InvalidInput for an unknown status or attribute, a damaged cursor or a limit outside 1 to 200.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(field="limit", reason=_("Ask for 1 to 200 rows."))
    joined_at, member_id = decode_cursor(cursor, datetime, UUID) if cursor else (None, None)
    members = _plainly_filtered(filters)
    if members is not None:
        if joined_at is not None:
            older = Q(joined_at__lt=joined_at) | Q(id__lt=member_id)
            members = members.filter(Q(joined_at__lte=joined_at) & older)
        rows = candidates(members.order_by("-joined_at", "-id")[: limit + 1])
    else:
        tokens = _matching(filters)
        if member_id is not None:
            tokens = tokens.filter(member_id__lt=member_id)
        rows = _newest(tokens, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return MemberPage(rows, encode_cursor([rows[-1].joined_at, rows[-1].member_id]) if more else None)


def newest_with_terms(terms: Collection[str], limit: int) -> list[Candidate]:
    """The newest members that have all of these search terms, masked."""
    return _newest(_with_terms(terms), limit)


def count_members(filters: MemberFilters, *, cap: int = COUNT_CAP) -> CappedCount:
    """How many members pass the filters, counted up to `cap` and no further."""
    members = _plainly_filtered(filters)
    found = members.order_by() if members is not None else _matching(filters).order_by().values("member_id")
    counted = found[: cap + 1].count()
    return CappedCount(min(counted, cap), counted <= cap)


def tags_in_use(store_ids: Collection[UUID] | None) -> list[str]:
    """The tags of the newest members, sorted, to be offered while one is typed; of some stores, or (None) of all."""
    members = Member.objects.order_by("-id")
    if store_ids is not None:
        members = members.filter(join_store_id__in=store_ids)
    return sorted({tag for tags in members.values_list("tags", flat=True)[:NEWEST] for tag in tags})


def _plainly_filtered(filters: MemberFilters) -> QuerySet[Member] | None:
    """The members that pass, when no text or an exact identifier is looked for; None when it takes search terms."""
    members = Member.objects.filter(_conditions(filters, ""))
    if not filters.text.strip():
        return members
    exact = members_by_identifier(clean_query(filters.text))
    return members.filter(id__in=exact) if exact else None


def _matching(filters: MemberFilters) -> QuerySet[SearchToken]:
    """One search term each of the members that have all terms of the text and pass the other filters."""
    return _with_terms(query_terms(clean_query(filters.text))).filter(_conditions(filters, "member__"))


def _with_terms(terms: Collection[str]) -> QuerySet[SearchToken]:
    if not terms:
        return SearchToken.objects.none()
    first, *others = sorted(blind_terms(keyset(), terms))
    tokens = SearchToken.objects.filter(token=first)
    for token in others:
        tokens = tokens.filter(
            Exists(SearchToken.objects.filter(token=token, member_id=OuterRef("member_id")))
        )
    return tokens


def _newest(tokens: QuerySet[SearchToken], rows: int) -> list[Candidate]:
    ids = tokens.order_by("-member_id").values_list("member_id", flat=True)[:rows]
    return candidates(Member.objects.filter(id__in=list(ids)).order_by("-id"))


def _conditions(filters: MemberFilters, member: str) -> Q:
    """Every filter but the text; `member` is the path to the member's columns."""
    wanted = Q()
    if filters.status:
        if filters.status not in MemberStatus.values:
            raise InvalidInput(field="status", reason=_("Status is one of: active, frozen, closed."))
        wanted &= Q((f"{member}status", filters.status))
    if filters.tag:
        wanted &= Q((f"{member}tags__contains", [storable(filters.tag)]))
    if filters.store_ids is not None:
        wanted &= Q((f"{member}join_store_id__in", filters.store_ids))
    if filters.joined_from is not None:
        wanted &= Q((f"{member}joined_at__gte", filters.joined_from))
    if filters.joined_before is not None:
        wanted &= Q((f"{member}joined_at__lt", filters.joined_before))
    if filters.attributes:
        clear, personal = sort_attributes(filters.attributes, AttributeDefinition.objects.in_bulk())
        if personal:
            raise InvalidInput(
                field=f"attributes/{next(iter(personal))}",
                reason=_("Personal attributes cannot be filtered by."),
            )
        wanted &= Q((f"{member}attributes__contains", clear))
    if filters.also is not None:
        wanted &= filters.also(member)
    return wanted
