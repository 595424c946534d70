"""Lists of members: filtered, newest first, one page at a time, every filter answered by an index."""

from __future__ import annotations

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
from shuke.members.values import CappedCount, MemberFilters, MemberPage

MAX_LIMIT = 200
COUNT_CAP = 1000


def list_members(filters: MemberFilters, cursor: str | None = None, *, limit: int = 50) -> MemberPage:
    """One page of the members that pass the filters, masked, newest first.

    Raises InvalidInput for an unknown status or attribute, a damaged cursor or a limit outside 1 to 200.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(field="limit", reason=_("Ask for 1 to 200 rows."))
    members = _filtered(filters)
    if members is None:
        return MemberPage([], None)
    if cursor:
        joined_at, member_id = decode_cursor(cursor)
        members = members.filter(
            Q(joined_at__lte=joined_at) & (Q(joined_at__lt=joined_at) | Q(id__lt=member_id))
        )
    rows = candidates(members.order_by("-joined_at", "-id")[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return MemberPage(rows, encode_cursor([rows[-1].joined_at, rows[-1].member_id]) if more else None)


def count_members(filters: MemberFilters, *, cap: int = COUNT_CAP) -> CappedCount:
    """How many members pass the filters, counted up to `cap` and no further."""
    members = _filtered(filters)
    if members is None:
        return CappedCount(0, True)
    counted = members.order_by()[: cap + 1].count()
    return CappedCount(min(counted, cap), counted <= cap)


def _filtered(filters: MemberFilters) -> QuerySet[Member] | None:
    """The members that pass; None when nobody can."""
    members = Member.objects.all()
    if filters.status:
        if filters.status not in MemberStatus.values:
            raise InvalidInput(field="status", reason=_("Status is one of: active, frozen, closed."))
        members = members.filter(status=filters.status)
    if filters.tag:
        members = members.filter(tags__contains=[storable(filters.tag)])
    if filters.store_ids is not None:
        members = members.filter(join_store_id__in=filters.store_ids)
    if filters.joined_from is not None:
        members = members.filter(joined_at__gte=filters.joined_from)
    if filters.joined_before is not None:
        members = members.filter(joined_at__lt=filters.joined_before)
    if filters.attributes:
        clear, personal = sort_attributes(filters.attributes, AttributeDefinition.objects.in_bulk())
        if personal:
            raise InvalidInput(
                field=f"attributes/{next(iter(personal))}",
                reason=_("Personal attributes cannot be filtered by."),
            )
        members = members.filter(attributes__contains=clear)
    if filters.text.strip():
        return _matching(members, clean_query(filters.text), filters.is_whole_name)
    return members


def _matching(members: QuerySet[Member], text: str, whole_name: bool) -> QuerySet[Member] | None:
    exact = members_by_identifier(text)
    if exact:
        return members.filter(id__in=exact)
    tokens = blind_terms(keyset(), query_terms(text, whole_name=whole_name))
    if not tokens:
        return None
    for token in sorted(tokens):
        members = members.filter(Exists(SearchToken.objects.filter(token=token, member_id=OuterRef("id"))))
    return members
