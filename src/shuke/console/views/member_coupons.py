"""The coupons of a member: what they hold and had, handing out by hand, claiming by code, passing on and calling back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.cache import never_cache

from shuke.console import coupon_words as words
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.forms_once import book_once
from shuke.console.member_access import open_member
from shuke.console.refusals import attempt
from shuke.core.errors import InvalidInput
from shuke.core.models import Staff
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.loyalty.coupon_books import MAX_EACH, claim_coupon, give_coupons, hand_on_coupon
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at
from shuke.loyalty.words import localized
from shuke.members.models import Member, MemberStatus
from shuke.members.queries import candidates_exactly, find_member, get_candidate
from shuke.members.queries.reading import candidates
from shuke.members.values import Candidate
from shuke.rewards.errors import CouponHolderUnknown, CouponUnknown
from shuke.rewards.models import OPEN, Coupon, State
from shuke.rewards.operations import void_coupon
from shuke.rewards.queries import CouponPage, get_coupon, history_of, list_coupons
from shuke.rewards.terms import terms_of

ROWS = 20
USABLE, ALL = "usable", "all"
GIVE, CLAIM, PASS, VOID = "give", "claim", "pass", "void"


class OnceForm(forms.Form):
    """A form whose token makes it book once."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].initial = uuid.uuid4().hex


class ReasonForm(OnceForm):
    """One that asks why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("It stays with the coupon. No personal data."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class GiveForm(ReasonForm):
    """Hand out pieces of a template."""

    template = forms.ChoiceField(label=gettext_lazy("Coupon"))
    count = forms.IntegerField(
        label=pgettext_lazy("coupon limit", "Pieces"), min_value=1, max_value=MAX_EACH, initial=1
    )

    def __init__(self, *args: Any, templates: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["template"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = templates


class ClaimForm(OnceForm):
    """Take a coupon by its code."""

    code = forms.CharField(
        label=gettext_lazy("Coupon code"),
        max_length=60,
        help_text=gettext_lazy("A public code, or the code printed on a coupon."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )


class PassForm(OnceForm):
    """Give it to another member."""

    receiver = forms.CharField(
        label=gettext_lazy("Receiver"),
        max_length=254,
        help_text=gettext_lazy("The whole member number, phone, e-mail or card number."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class VoidForm(ReasonForm):
    """Call it back."""


@requires(Permission.MEMBERS_VIEW)
@never_cache
def member_coupons(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """What the member can use, or everything they had; the forms to hand out and to claim."""
    member, now = open_member(request, member_id), clock.now()
    in_force = programme_at(now)
    programme = in_force.programme if in_force else None
    part = request.POST.get("part", "") if request.method == "POST" else ""
    made = _forms(staff_of(request), member, programme, part, request.POST)
    if part and part not in made:
        raise PermissionDenied
    form = made.get(part)
    if form is not None and form.is_valid():
        said = attempt(
            form, lambda: book_once(request, form, lambda: _hand_out(request, member, form), now=now)
        )
        if said is not None:
            messages.success(request, said)
            return redirect("console:member_coupons", member_id)
    return render(
        request,
        "console/member_coupons.html",
        {**_list(request, member, programme), "forms": made},
        status=422 if form is not None else 200,
    )


@requires(Permission.MEMBERS_VIEW)
@never_cache
def member_coupon(request: HttpRequest, member_id: UUID, coupon_id: UUID) -> HttpResponse:
    """One piece of the member: its terms, its history, and what can be done with it."""
    member, now = open_member(request, member_id), clock.now()
    piece = _piece(member_id, coupon_id)
    in_force = programme_at(now)
    programme = in_force.programme if in_force else None
    part = request.POST.get("part", "") if request.method == "POST" else ""
    made = _piece_forms(staff_of(request), piece, programme, part, request.POST)
    if part and part not in made:
        raise PermissionDenied
    form = made.get(part)
    if form is not None and form.is_valid():
        said = attempt(
            form,
            lambda: book_once(request, form, lambda: _move(request, piece, form), now=now),
            fields={"receiver_id": "receiver"},
        )
        if said is not None:
            messages.success(request, said)
            return redirect("console:member_coupons", member_id)
    history = history_of([piece.id])[piece.id]
    people = people_of(each.actor for each in history)
    holders = {each.member_id for each in history if each.member_id} - {member_id}
    names = {each.member_id: each for each in candidates(Member.objects.filter(id__in=holders))}
    context = {
        "member": member,
        "title": member.name or member.number,
        **_row(piece, programme, now),
        "history": [
            {
                "each": each,
                "what": words.HAPPENED[each.kind],
                "who": words.who(each.actor, people),
                "holder": names.get(each.member_id) if each.member_id else None,
            }
            for each in history
        ],
        "forms": made,
    }
    return render(request, "console/member_coupon.html", context, status=422 if form is not None else 200)


def _piece(member_id: UUID, coupon_id: UUID) -> Coupon:
    try:
        piece = get_coupon(coupon_id)
    except CouponUnknown as error:
        raise Http404 from error
    if piece.member_id != member_id:
        raise Http404
    return piece


def _may_serve(staff: Staff) -> bool:
    """Claiming and passing on are the member's own will; whoever serves members may do it for them."""
    return staff.may(Permission.CHECKOUT_USE) or staff.may(Permission.COUPONS_GIVE)


def _forms(
    staff: Staff, member: Candidate, programme: Programme | None, part: str, posted: Any
) -> dict[str, OnceForm]:
    """The forms that this person may use; the one that was sent holds what was typed."""
    if programme is None or member.status != MemberStatus.ACTIVE:
        return {}
    made: dict[str, OnceForm] = {}
    now = clock.now()
    templates = []
    for code, template in sorted(programme.coupons.items()):
        begins, ends = terms_of(template.validity, now, programme.zone)
        if ends is None or (ends > now and ends > begins):
            shown = f"{localized(template.name)} · {words.gives(template, programme.currency)}"
            templates.append((code, shown))
    if staff.may(Permission.COUPONS_GIVE) and templates:
        data = posted if part == GIVE else None
        made[GIVE] = GiveForm(data, templates=templates, auto_id="give_%s")
    if _may_serve(staff) and programme.coupons:
        made[CLAIM] = ClaimForm(posted if part == CLAIM else None, auto_id="claim_%s")
    return made


def _piece_forms(
    staff: Staff, piece: Coupon, programme: Programme | None, part: str, posted: Any
) -> dict[str, OnceForm]:
    made: dict[str, OnceForm] = {}
    if piece.state not in OPEN:
        return made
    template = programme.coupons.get(piece.template) if programme else None
    if _may_serve(staff) and template is not None and template.transferable and piece.passed_from is None:
        made[PASS] = PassForm(posted if part == PASS else None, auto_id="pass_%s")
    if staff.may(Permission.COUPONS_GIVE):
        made[VOID] = VoidForm(posted if part == VOID else None, auto_id="void_%s")
    return made


def _hand_out(request: HttpRequest, member: Candidate, form: OnceForm) -> str:
    """Give or claim; what to say. Raises the refusals of coupons."""
    by: dict[str, Any] = {"actor": staff_of(request).as_actor(), "now": clock.now()}
    data = form.cleaned_data
    if isinstance(form, GiveForm):
        done = give_coupons(
            template=data["template"],
            member_ids=[member.member_id],
            reason=data["reason"],
            reference=data["token"],
            count=data["count"],
            **by,
        )
        count = len(done.coupons) + done.known
        return ngettext("%(count)d coupon handed out.", "%(count)d coupons handed out.", count) % {
            "count": count
        }
    claim_coupon(member_id=member.member_id, code=data["code"], **by)
    return _("Claimed: the coupon is in the member's file.")


def _move(request: HttpRequest, piece: Coupon, form: OnceForm) -> str:
    """Pass on or call back; what to say."""
    by: dict[str, Any] = {
        "actor": staff_of(request).as_actor(),
        "coupon_id": piece.id,
        "now": clock.now(),
    }
    if isinstance(form, PassForm):
        receiver = _receiver(form.cleaned_data["receiver"])
        hand_on_coupon(receiver_id=receiver.member_id, **by)
        return _("Passed on to %(name)s.") % {"name": receiver.name or receiver.number}
    void_coupon(reason=form.cleaned_data["reason"], **by)
    return _("The coupon is called back.")


def _receiver(text: str) -> Candidate:
    """The one member with this whole identifier. Raises CouponHolderUnknown, also when several share it."""
    text = text.strip()
    numbered = find_member("number", text)
    if numbered is not None:
        return get_candidate(numbered.id)
    found = candidates_exactly(text)
    if len(found) != 1:
        raise CouponHolderUnknown(field="receiver")
    return found[0]


def _list(request: HttpRequest, member: Candidate, programme: Programme | None) -> dict[str, Any]:
    shown = ALL if request.GET.get("show") == ALL else USABLE
    problem, page, now = "", CouponPage([], None), clock.now()
    try:
        page = list_coupons(
            member_id=member.member_id,
            states=[State.HELD] if shown == USABLE else (),
            cursor=request.GET.get("cursor") or None,
            limit=ROWS,
        )
    except InvalidInput as error:
        problem = str(error)
    address = reverse("console:member_coupons", args=[member.member_id])
    return {
        "member": member,
        "name": member.name or member.number,
        "rows": [_row(each, programme, now) for each in page.coupons],
        "problem": problem,
        "shown": shown,
        "tabs": [(USABLE, _("Can be used"), address), (ALL, _("All"), f"{address}?show={ALL}")],
        "first_page": f"{address}?show={shown}" if request.GET.get("cursor") else "",
        "next_page": f"{address}?show={shown}&cursor={page.next_cursor}" if page.next_cursor else "",
        "is_active": member.status == MemberStatus.ACTIVE,
    }


def _row(piece: Coupon, programme: Programme | None, now: Any) -> dict[str, Any]:
    template = programme.coupons.get(piece.template) if programme else None
    currency = programme.currency if programme else "CNY"
    lapsed = piece.state == State.HELD and piece.valid_until is not None and piece.valid_until <= now
    state = State.EXPIRED if lapsed else piece.state
    return {
        "piece": piece,
        "name": localized(template.name) if template else piece.template,
        "gives": words.gives(template, currency) if template else "",
        "currency": currency,
        "state": words.STATES[state],
        "kind": words.STATE_KINDS.get(state, ""),
        "source": words.SOURCES.get(piece.source, piece.source),
        # What ends with a day is good through the day before.
        "last": piece.valid_until - timedelta(microseconds=1) if piece.valid_until else None,
        "waits": piece.state == State.HELD and piece.valid_from > now,
    }
