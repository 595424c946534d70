"""The tiers of a member, track by track: what is held and earned, the history with its causes, and levels set by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from shuke.checkout import words
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.days import EARLIEST_DAY, LATEST_DAY, end_of
from shuke.console.forms_once import book_once
from shuke.console.member_access import open_member
from shuke.console.refusals import attempt
from shuke.core.errors import InvalidInput
from shuke.core.models import Staff
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.loyalty.errors import UnknownGrant
from shuke.loyalty.models import TierGrant
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.loyalty.tier_grants import end_override, get_grant, may_override, override_tier
from shuke.loyalty.tier_history import TierStep, TrackHeld, held_tiers, list_tier_changes
from shuke.loyalty.tiers import MAIN, OverrideLimit, Tiers
from shuke.loyalty.words import Document, tier_name, track_name
from shuke.members.models import MemberStatus
from shuke.members.values import Candidate

ROWS = 10
SET, END = "set", "end"


class _OnceForm(forms.Form):
    """Asks why, and books once however often it is sent."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("It stays with the level and in the audit log. No personal data."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].initial = uuid.uuid4().hex


class SetForm(_OnceForm):
    """A level, until when."""

    level = forms.ChoiceField(label=gettext_lazy("Level"))
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(
        self, *args: Any, levels: Sequence[tuple[str, str]], limit: OverrideLimit, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["level"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = levels
        day = self.fields["last_day"]
        if limit.days is None:
            day.help_text = _("Left empty, it holds until somebody ends it.")
        else:
            # The day that begins now counts, so that a limit of 31 days is kept at any hour.
            most = timezone.localdate(clock.now()) + timedelta(days=limit.days - 1)
            day.required, day.help_text = True, _("At most until %(day)s.") % {"day": formats.day(most)}

    def clean_last_day(self) -> date | None:
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and not EARLIEST_DAY <= day <= LATEST_DAY:
            raise forms.ValidationError(_("There is no such day."))
        return day


class EndForm(_OnceForm):
    """Why it ends before its time."""


@requires(Permission.MEMBERS_VIEW)
@never_cache
def member_levels(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Every track with its card and dialogs; what one of the dialogs asks is done here."""
    member, now = open_member(request, member_id), clock.now()
    in_force = programme_at(now)
    part, track = request.POST.get("part", ""), request.POST.get("track", MAIN)
    tracks = (
        [_Track(request, member, each, in_force) for each in held_tiers(member_id, now)] if in_force else []
    )
    form: forms.Form | None = None
    if request.method == "POST":
        asked = next((each for each in tracks if each.code == track), None)
        form = asked.sent(part, request) if asked else None
        if form is None:
            raise PermissionDenied
        if form.is_valid():
            sent = form
            said = attempt(
                sent,
                lambda: book_once(request, sent, _work(request, member_id, track, part, sent), now=now),
                fields={"until": "last_day"},
            )
            if said is not None:
                messages.success(request, said)
                return redirect("console:member_levels", member_id)
    context = {
        "member": member,
        "name": member.name or member.number,
        "tracks": [each.told(request) for each in tracks],
    }
    return render(request, "console/member_levels.html", context, status=422 if form is not None else 200)


def _work(
    request: HttpRequest, member_id: UUID, track: str, part: str, form: forms.Form
) -> Callable[[], str]:
    """The one operation of a form; it says what it did."""
    actor, now, data = staff_of(request).as_actor(), clock.now(), form.cleaned_data

    def set_level() -> str:
        last_day: date | None = data["last_day"]
        override_tier(
            actor=actor,
            member_id=member_id,
            track=track,
            level=data["level"],
            until=end_of(last_day) if last_day else None,
            reason=data["reason"],
            now=now,
        )
        return _("The level is set.")

    def end_level() -> str:
        grant_id = _id(request.POST.get("grant", ""))
        if get_grant(grant_id).member_id != member_id:
            raise UnknownGrant
        end_override(actor=actor, grant_id=grant_id, reason=data["reason"], now=now)
        return _("The level was ended.")

    return set_level if part == SET else end_level


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UnknownGrant from None


class _Track:
    """One track as it is drawn; `sent` keeps the form that was sent, so that it is shown again with what is wrong."""

    def __init__(
        self, request: HttpRequest, member: Candidate, held: TrackHeld, in_force: InForce | None
    ) -> None:
        self.member = member
        self.held = held
        self.code = held.tiers.code
        self.document: Document = version_by_id(in_force.version_id).document if in_force else {}
        self.limit = self._limit(staff_of(request))
        self.form: SetForm | None = None
        self.ending: tuple[str, EndForm] | None = None

    def _limit(self, staff: Staff) -> OverrideLimit | None:
        if self.member.status != MemberStatus.ACTIVE or not staff.may(Permission.MEMBERS_WRITE):
            return None
        return may_override(staff.as_actor(), self.code, clock.now())

    def sent(self, part: str, request: HttpRequest) -> forms.Form | None:
        """The form that was sent; None for one that nobody offered."""
        if part == SET and self.limit is not None:
            self.form = self._set_form(request.POST)
            return self.form
        if part == END and self.limit is not None:
            form = EndForm(request.POST)
            self.ending = (request.POST.get("grant", ""), form)
            return form
        return None

    def _set_form(self, data: Any = None) -> SetForm | None:
        levels = self._choices()
        if self.limit is None or not levels:
            return None
        return SetForm(data, levels=levels, limit=self.limit, auto_id=f"set{self.code}_%s")

    def _choices(self) -> list[tuple[str, str]]:
        """The levels above the lowest that the role may set."""
        if self.limit is None:
            return []
        most = self.limit.rank
        return [
            (level.code, tier_name(self.document, level.code))
            for level in self.held.tiers.levels
            if level.rank and (most is None or level.rank <= most)
        ]

    def told(self, request: HttpRequest) -> dict[str, Any]:
        """Everything of the track's panel."""
        tiers, state = self.held.tiers, self.held.state
        cursor = request.GET.get(f"at{self.code}") or None
        try:
            page = list_tier_changes(self.member.member_id, track=self.code, cursor=cursor, limit=ROWS)
        except InvalidInput:
            cursor, page = None, list_tier_changes(self.member.member_id, track=self.code, limit=ROWS)
        people = people_of(_names(self.held.grants, page.steps))
        by_grant = state.tier != state.earned.tier
        here = reverse("console:member_levels", args=[self.member.member_id])
        return {
            "code": self.code,
            "name": track_name(self.document, self.code),
            "level": self._level(state.tier),
            "since": state.since,
            "last": state.ends_at - timedelta(microseconds=1) if by_grant and state.ends_at else None,
            "review_at": None if by_grant else state.ends_at,
            "earned": self._level(state.earned.tier) if state.grants else None,
            "earned_review": state.earned.review_at,
            "grants": [self._grant(each, people) for each in self.held.grants],
            "form": self.form or self._set_form(),
            "open": self.form is not None,
            "steps": [self._step(each, tiers, people) for each in page.steps],
            "first": f"{here}#track{self.code}" if cursor else "",
            "next": f"{here}?at{self.code}={page.next_cursor}#track{self.code}" if page.next_cursor else "",
        }

    def _level(self, code: str) -> dict[str, Any]:
        return {
            "name": tier_name(self.document, code),
            "rank": min(self.held.tiers.level(code).rank, 4),
        }

    def _grant(self, row: TierGrant, people: dict[str, str]) -> dict[str, Any]:
        ending = self.ending if self.ending and self.ending[0] == str(row.id) else None
        offered = self.limit is not None and row.cause == "override"
        return {
            "row": row,
            "level": self._level(row.tier),
            "cause": words.tier_step(row.cause, row),
            "reason": "" if row.cause == "plan" else row.reason,
            "by": people.get(row.granted_by, ""),
            "last": row.until - timedelta(microseconds=1) if row.until else None,
            "form": (ending[1] if ending else EndForm(auto_id=f"end{row.id.hex}_%s")) if offered else None,
            "open": ending is not None,
        }

    def _step(self, step: TierStep, tiers: Tiers, people: dict[str, str]) -> dict[str, Any]:
        change, grant = step.change, step.grant
        ended = change.cause == "ended"
        return {
            "at": change.occurred_at,
            "before": self._level(change.from_tier),
            "after": self._level(change.to_tier),
            "moved": change.from_tier != change.to_tier,
            "cause": words.tier_step(change.cause, grant),
            "version": step.version,
            "figure": self._figure(change.metric, tiers) if change.metric else "",
            "order_id": change.order_id,
            "by": people.get(grant.ended_by if ended else grant.granted_by, "") if grant else "",
            "reason": (grant.end_reason if ended else grant.reason)
            if grant and grant.cause != "plan"
            else "",
        }

    def _figure(self, metric: int, tiers: Tiers) -> str:
        if tiers.metric == "spend":
            return formats.money(metric, self.document["currency"])
        return formats.number(metric)


def _names(grants: Sequence[TierGrant], steps: Sequence[TierStep]) -> list[str]:
    shown = [*grants, *(step.grant for step in steps if step.grant)]
    return [name for each in shown for name in (each.granted_by, each.ended_by) if name]
