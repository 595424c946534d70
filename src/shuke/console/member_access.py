"""Which members a person may list, and whose file they may open.

A membership holds in every store of the chain, so a till must serve a member who joined elsewhere; yet nobody shall leaf
through the members of stores that are not theirs. People who cover all stores see everybody. The others
- list the members who joined at their stores;
- find any member by a whole identifier (number, phone, e-mail, card, external id), never by name or last four digits;
- open the file of a member who joined at one of their stores or at none, who bought there, or whom they found by a whole
  identifier in this session;
- see there what belongs to the member (tier, balances, habits), and the orders of their own stores only;
- top up for, and sell and hand out plans to, the member who stands at their desk, however they were found there: the desk
  shows who it is and what they hold already. The rest of the file stays shut.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import Http404, HttpRequest

from shuke.checkout.models import Order
from shuke.console.access import staff_of
from shuke.core.errors import NotFound
from shuke.members.queries import get_candidate
from shuke.members.values import Candidate

SESSION_KEY = "console_found"
MOST_FOUND = 50


def remember_found(request: HttpRequest, member_ids: Iterable[UUID]) -> None:
    """Let a person with some stores open the members they just found by a whole identifier."""
    if staff_of(request).all_stores:
        return
    known: list[str] = request.session.get(SESSION_KEY, [])
    new = [str(member_id) for member_id in member_ids]
    if new and not set(new) <= set(known):
        kept = [each for each in known if each not in new]
        request.session[SESSION_KEY] = (kept + new)[-MOST_FOUND:]


def open_member(request: HttpRequest, member_id: UUID) -> Candidate:
    """The member, masked. Raises Http404 when there is none, or none that this person may open."""
    member = existing(member_id)
    if may_open(request, member):
        return member
    raise Http404


def may_open(request: HttpRequest, member: Candidate) -> bool:
    """Whether this person may open the file of the member."""
    actor = staff_of(request).as_actor()
    return (
        actor.may_touch_store(member.join_store_id)
        or str(member.member_id) in request.session.get(SESSION_KEY, [])
        or Order.objects.filter(member_id=member.member_id, store_id__in=actor.store_ids).exists()
    )


def existing(member_id: UUID) -> Candidate:
    """The member, masked. Raises Http404 when there is none."""
    try:
        return get_candidate(member_id)
    except NotFound as error:
        raise Http404 from error


def visible_stores(request: HttpRequest) -> frozenset[UUID] | None:
    """The stores whose orders this person sees; None for all."""
    staff = staff_of(request)
    return None if staff.all_stores else frozenset(staff.store_ids)
