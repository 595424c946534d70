"""Adjustments by hand: what waits for a second person, what was decided, and the decision itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shuke.console.access import requires, staff_of
from shuke.console.book_words import asset_label, people_of, status_word
from shuke.console.member_access import open_member, visible_stores
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.errors import AdjustmentUnknown, ReasonMissing
from shuke.ledger.models import Adjustment, AdjustmentStatus
from shuke.ledger.moves import Page, get_adjustment, list_adjustments
from shuke.ledger.operations import reject_adjustment
from shuke.loyalty.books import approve_adjustment
from shuke.members.models import Member
from shuke.members.queries.reading import candidates

ROWS = 30
NOTE_CHARS = 300
WAITING, ALL = "waiting", "all"


@dataclass(frozen=True, slots=True)
class Refused:
    """A decision that was not carried out: which request, why, and the note as it was typed."""

    adjustment_id: UUID
    words: str
    note: str


@requires(Permission.LEDGER_ADJUST)
@never_cache
def adjustments(request: HttpRequest) -> HttpResponse:
    """What waits, or everything; people with some stores see the members who joined there."""
    return _inbox(request)


def _inbox(request: HttpRequest, refused: Refused | None = None) -> HttpResponse:
    """The list that the address names; a decision that was refused says so at its own row."""
    me, now = staff_of(request), clock.now()
    shown = ALL if request.GET.get("show") == ALL else WAITING
    status = AdjustmentStatus.REQUESTED if shown == WAITING else ""
    problem = ""
    try:
        page = list_adjustments(
            status=status,
            store_ids=visible_stores(request),
            cursor=request.GET.get("cursor") or None,
            limit=ROWS,
        )
    except InvalidInput as error:
        page, problem = Page([], None), str(error)
    if refused and all(each.id != refused.adjustment_id for each in page.rows):
        problem = problem or refused.words
    address = reverse("console:adjustments")
    context = {
        "rows": _rows(page.rows, me.as_actor().reference, now),
        "refused": refused,
        "query": request.GET.urlencode(),
        "shown": shown,
        "tabs": [(WAITING, _("Waiting"), address), (ALL, _("All"), f"{address}?show={ALL}")],
        "first_page": f"{address}?show={shown}" if request.GET.get("cursor") else "",
        "next_page": f"{address}?show={shown}&cursor={page.next_cursor}" if page.next_cursor else "",
        "may_approve": me.may(Permission.LEDGER_APPROVE),
        "note_chars": NOTE_CHARS,
        "problem": problem,
    }
    return render(request, "console/adjustments.html", context, status=422 if refused else 200)


def _rows(found: list[Adjustment], me: str, now: Any) -> list[dict[str, Any]]:
    ids = {each.member_id for each in found}
    members = {each.member_id: each for each in candidates(Member.objects.filter(id__in=ids))}
    people = people_of([name for each in found for name in (each.requested_by, each.decided_by)])
    return [
        {
            "each": each,
            "member": members.get(each.member_id),
            "asset": asset_label(each.asset, now),
            "asked_by": people.get(each.requested_by, each.requested_by),
            "decided_by": people.get(each.decided_by, each.decided_by),
            "status": status_word(each.status),
            "is_open": each.status == AdjustmentStatus.REQUESTED and each.lapses_at > now,
            "is_mine": each.requested_by == me,
        }
        for each in found
    ]


@requires(Permission.LEDGER_ADJUST)
@require_POST
def adjustment_decide(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """Approve or refuse one request; whoever made it may take it back. Then the list from which it was decided."""
    try:
        found = get_adjustment(adjustment_id)
    except AdjustmentUnknown as error:
        raise Http404 from error
    open_member(request, found.member_id)
    note = " ".join(request.POST.get("note", "").replace("\x00", "").split())[:NOTE_CHARS]
    by: dict[str, Any] = {
        "actor": staff_of(request).as_actor(),
        "adjustment_id": found.id,
        "now": clock.now(),
        "note": note,
    }
    try:
        if request.POST.get("act") == "approve":
            approve_adjustment(**by)
            messages.success(request, _("Approved and booked."))
        else:
            reject_adjustment(**by)
            messages.success(request, _("The request is refused; nothing was booked."))
    except ReasonMissing:
        words = _("Say why: the note stays with the request.")
        return _inbox(request, Refused(found.id, words, note))
    except ShukeError as error:
        messages.error(request, str(error))
    query = request.GET.urlencode()
    return redirect(reverse("console:adjustments") + (f"?{query}" if query else ""))
