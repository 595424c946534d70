"""Change a member's file: profile, tags, attributes, status. Personal data is filled in only for those who unmask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from shuke.console.access import requires, staff_of
from shuke.console.member_access import open_member
from shuke.console.member_forms import (
    AttributesForm,
    ProfileChangeForm,
    StatusForm,
    TagsForm,
    UnmaskForm,
    refuse,
    split_tags,
)
from shuke.core.errors import NotFound
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.members.operations import change_status, set_attributes, set_tags, unmask_profile, update_member
from shuke.members.profile import PROFILE_FIELDS, Profile
from shuke.members.queries import list_attribute_definitions
from shuke.members.values import Candidate

PARTS = ("profile", "tags", "attributes", "status")


@requires(Permission.MEMBERS_WRITE)
@never_cache
def member_edit(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The forms, and what each of them sends: one of `PARTS`, or the reason for filling in the personal data."""
    member = open_member(request, member_id)
    part = request.POST.get("part", "") if request.method == "POST" else ""
    if part == "unmask":
        return _with_profile(request, member)
    made = _forms(member, request.POST if part in PARTS else None, part)
    if part in PARTS and made[part].is_valid():
        try:
            _save(request, member, part, made[part])
        except NotFound as error:
            raise Http404 from error
        except ShukeError as error:
            refuse(made[part], error)
        else:
            messages.success(request, _("The change was saved."))
            return HttpResponseRedirect(reverse("console:member", args=[member_id]))
    status = 422 if part in PARTS else 400 if request.method == "POST" else 200
    return _page(request, member, made, UnmaskForm(), status=status)


def _with_profile(request: HttpRequest, member: Candidate) -> HttpResponse:
    """The same page with the personal data filled in; the look is on record."""
    if not staff_of(request).may(Permission.MEMBERS_UNMASK):
        raise PermissionDenied
    form, profile = UnmaskForm(request.POST), None
    if form.is_valid():
        try:
            profile = unmask_profile(
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                member_id=member.member_id,
                reason=form.cleaned_data["reason"],
            )
        except ShukeError as error:
            refuse(form, error)
    made = _forms(member, None, "", profile)
    return _page(request, member, made, form, status=200 if profile else 422)


def _forms(member: Candidate, posted: Any, part: str, profile: Profile | None = None) -> dict[str, Any]:
    """Every form of the page; the one that was sent holds what was typed."""
    known: Mapping[str, Any] = {"known": profile is not None}
    if profile:
        known = {**known, **{field: getattr(profile, field) for field in PROFILE_FIELDS}}

    def sent(each: str) -> Any:
        return posted if each == part else None

    attributes = AttributesForm(sent("attributes"), initial={"known": profile is not None}, auto_id="attr_%s")
    attributes.add_attributes(
        list_attribute_definitions(), {**member.attributes, **(profile.extra if profile else {})}
    )
    return {
        "profile": ProfileChangeForm(sent("profile"), initial=known),
        "tags": TagsForm(sent("tags"), initial={"tags": ", ".join(member.tags)}, auto_id="tags_%s"),
        "attributes": attributes,
        "status": StatusForm(sent("status"), initial={"status": member.status}, auto_id="status_%s"),
    }


def _save(request: HttpRequest, member: Candidate, part: str, form: forms.Form) -> None:
    """One operation for one form. Raises the refusals of the member file."""
    by: dict[str, Any] = {
        "actor": staff_of(request).as_actor(),
        "now": clock.now(),
        "member_id": member.member_id,
    }
    match part, form:
        case "profile", ProfileChangeForm():
            update_member(**by, changes=form.changes())
        case "tags", TagsForm():
            set_tags(**by, tags=split_tags(form.cleaned_data["tags"]))
        case "attributes", AttributesForm():
            set_attributes(**by, attributes=form.changes())
        case "status", StatusForm():
            change_status(**by, status=form.cleaned_data["status"], reason=form.cleaned_data["reason"])


def _page(
    request: HttpRequest, member: Candidate, made: Mapping[str, Any], form: UnmaskForm, *, status: int
) -> HttpResponse:
    context = {
        "member": member,
        "name": member.name or member.number,
        "forms": made,
        "unmask_form": form,
        "may_unmask": staff_of(request).may(Permission.MEMBERS_UNMASK),
    }
    return render(request, "console/member_edit.html", context, status=status)
