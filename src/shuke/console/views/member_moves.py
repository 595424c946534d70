"""Adjust, hold and transfer what a member has, by hand. Each form books once, however often it is sent."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shuke.console.access import requires, staff_of
from shuke.console.book_words import asset_label, people_of, status_word
from shuke.console.forms_once import book_once
from shuke.console.member_access import open_member
from shuke.console.refusals import attempt
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.errors import HoldUnknown, UnknownHolder
from shuke.ledger.models import AdjustmentStatus, Hold
from shuke.ledger.moves import debts_of, get_hold, list_adjustments, list_holds
from shuke.ledger.operations import release_hold
from shuke.ledger.queries import balances_of
from shuke.loyalty import books
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at, unit_currency_at
from shuke.loyalty.words import localized
from shuke.members.queries import candidates_exactly, find_member, get_candidate
from shuke.members.values import Candidate

MOST = 10**12
ROWS = 8
TAKE = "take"


class MoveForm(forms.Form):
    """What every form has: the asset, how much, why, and a token that makes it book once."""

    asset = forms.ChoiceField(label=gettext_lazy("Asset"))
    amount = forms.IntegerField(label=gettext_lazy("Amount"), min_value=1, max_value=MOST)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("It stands in the book. No personal data."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args: Any, assets: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["asset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = assets
        self.fields["token"].initial = uuid.uuid4().hex


class AdjustForm(MoveForm):
    """Add or take."""

    direction = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=[("add", gettext_lazy("Add")), (TAKE, gettext_lazy("Take"))],
    )


class HoldForm(MoveForm):
    """Set aside for some days."""

    days = forms.IntegerField(label=gettext_lazy("For how many days"), min_value=1, max_value=366, initial=7)


class TransferForm(MoveForm):
    """Give to another member."""

    receiver = forms.CharField(
        label=gettext_lazy("Receiver"),
        max_length=254,
        help_text=gettext_lazy("The whole member number, phone, e-mail or card number."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@requires(Permission.LEDGER_ADJUST)
@never_cache
def member_moves(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The three forms with what the member has, what is held, owed and asked for; and what one of the forms asks."""
    member = open_member(request, member_id)
    in_force = programme_at(clock.now())
    part = request.POST.get("part", "") if request.method == "POST" else ""
    made = _forms(in_force.programme if in_force else None, part, request.POST)
    form = made.get(part)
    if form is not None and form.is_valid():
        said = attempt(
            form,
            lambda: book_once(request, form, lambda: _book(request, member, part, form), now=clock.now()),
        )
        if said is not None:
            messages.success(request, said)
            return redirect("console:member_moves", member_id)
    status = 422 if form is not None else 200
    return render(request, "console/member_moves.html", _context(member, made), status=status)


@requires(Permission.LEDGER_MOVE)
@require_POST
def hold_end(request: HttpRequest, member_id: UUID, hold_id: UUID) -> HttpResponse:
    """Capture or release an open hold."""
    open_member(request, member_id)
    by: dict[str, Any] = {"actor": staff_of(request).as_actor(), "hold_id": hold_id, "now": clock.now()}
    try:
        if get_hold(hold_id).member_id != member_id:
            raise HoldUnknown
        if request.POST.get("act") == "capture":
            books.capture_hold(**by)
            messages.success(request, _("What was held is spent."))
        else:
            release_hold(**by)
            messages.success(request, _("What was held is free again."))
    except ShukeError as error:
        messages.error(request, str(error))
    return redirect("console:member_moves", member_id)


def _forms(programme: Programme | None, part: str, posted: Any) -> dict[str, MoveForm]:
    """The forms that the programme has a use for; the one that was sent holds what was typed."""
    if programme is None:
        return {}
    # What most people move comes first; the document keeps no order of its own.
    codes = sorted(programme.assets, key=lambda code: (code != "points", code))
    names = {code: _choice(programme, code) for code in codes}
    kinds: tuple[tuple[str, type[MoveForm], list[str]], ...] = (
        ("adjust", AdjustForm, [code for code in names if code in programme.adjustments]),
        ("hold", HoldForm, list(names)),
        ("transfer", TransferForm, [code for code in names if code in programme.transfers]),
    )
    return {
        name: kind(
            posted if part == name else None,
            assets=[(code, names[code]) for code in assets],
            auto_id=f"{name}_%s",
        )
        for name, kind, assets in kinds
        if assets
    }


def _choice(programme: Programme, code: str) -> str:
    """The asset's name; for money it says in which coin to count."""
    asset = programme.assets[code]
    name = localized(asset.name)
    if not asset.decimals:
        return name
    smallest = f"0.{'0' * (asset.decimals - 1)}1"
    return _("%(asset)s, in units of %(smallest)s") % {"asset": name, "smallest": smallest}


def _book(request: HttpRequest, member: Candidate, part: str, form: MoveForm) -> str:
    """One operation for one form; returns what to say. Raises the refusals of the book."""
    data, staff, now = form.cleaned_data, staff_of(request), clock.now()
    by: dict[str, Any] = {
        "actor": staff.as_actor(),
        "now": now,
        "asset": data["asset"],
        "amount": data["amount"],
        "reason": data["reason"],
    }
    if part == "adjust":
        by["amount"] = -data["amount"] if data["direction"] == TAKE else data["amount"]
        done = books.request_adjustment(member_id=member.member_id, **by)
        if done.status == AdjustmentStatus.POSTED:
            return _("Booked.")
        return _("Asked for. Someone else has to approve it.")
    if not staff.may(Permission.LEDGER_MOVE):
        raise PermissionDenied
    if part == "hold":
        books.place_hold(member_id=member.member_id, until=now + timedelta(days=data["days"]), **by)
        return _("Held.")
    receiver = _receiver(data["receiver"])
    gift = books.transfer_points(sender_id=member.member_id, receiver_id=receiver.member_id, **by)
    return _("Given to %(name)s; the fee was %(fee)d.") % {
        "name": receiver.name or receiver.number,
        "fee": gift.fee,
    }


def _receiver(text: str) -> Candidate:
    """The one member with this whole identifier. Raises UnknownHolder, also when several share it."""
    text = text.strip()
    numbered = find_member("number", text)
    if numbered is not None:
        return get_candidate(numbered.id)
    found = candidates_exactly(text)
    if len(found) != 1:
        raise UnknownHolder(field="receiver")
    return found[0]


def _context(member: Candidate, made: dict[str, MoveForm]) -> dict[str, Any]:
    now = clock.now()
    holds = list_holds(member.member_id, open_only=True, limit=ROWS).rows
    asked = list_adjustments(member_id=member.member_id, limit=ROWS).rows
    unit = unit_currency_at(now)
    people = people_of([each.placed_by for each in holds] + [each.requested_by for each in asked])
    return {
        "member": member,
        "name": member.name or member.number,
        "forms": made,
        "balances": [
            {"name": asset_label(each.asset, now), "balance": each, "unit": unit(each.asset)}
            for each in balances_of(member.member_id, now)
        ],
        "holds": [_hold(each, people, now) for each in holds],
        "debts": [
            {"asset": asset_label(each.asset, now), "each": each} for each in debts_of(member.member_id, now)
        ],
        "adjustments": [
            {
                "each": each,
                "asset": asset_label(each.asset, now),
                "asked_by": people.get(each.requested_by, each.requested_by),
                "status": status_word(each.status),
            }
            for each in asked
        ],
    }


def _hold(hold: Hold, people: dict[str, str], now: Any) -> dict[str, Any]:
    return {
        "each": hold,
        "asset": asset_label(hold.asset, now),
        "placed_by": people.get(hold.placed_by, hold.placed_by),
    }
