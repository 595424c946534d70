"""Channels: where sales and members come from. A list with its form, because there are few."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from shuke.catalog.operations import change_channel, create_channel
from shuke.catalog.queries import list_channels
from shuke.console.access import requires, staff_of
from shuke.console.refusals import attempt
from shuke.core.errors import NotFound
from shuke.core.models import Staff
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError

NAME_CHARS = 80


class ChannelForm(forms.Form):
    """A channel; the code is given once."""

    code = forms.CharField(
        label=gettext_lazy("Channel code"),
        max_length=40,
        help_text=gettext_lazy("As tills and imports name it. It cannot be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Channel name"),
        max_length=NAME_CHARS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def _may_write(staff: Staff) -> bool:
    """A channel is for all stores, so whoever is bound to some of them changes none."""
    return staff.may(Permission.CATALOG_WRITE) and staff.all_stores


@requires(Permission.CATALOG_VIEW)
def channels(request: HttpRequest) -> HttpResponse:
    """Every channel, and the form for another one."""
    staff = staff_of(request)
    form = ChannelForm(request.POST or None)
    if request.method == "POST":
        if not _may_write(staff):
            raise PermissionDenied
        if form.is_valid():
            made = attempt(
                form, lambda: create_channel(actor=staff.as_actor(), now=clock.now(), **form.cleaned_data)
            )
            if made:
                messages.success(request, _("The channel was added."))
                return redirect("console:channels")
    context = {
        "rows": list_channels(),
        "form": form,
        "may_write": _may_write(staff),
        "name_chars": NAME_CHARS,
    }
    return render(request, "console/channels.html", context, status=422 if form.errors else 200)


@requires(Permission.CATALOG_WRITE)
@require_POST
def channel_rename(request: HttpRequest, code: str) -> HttpResponse:
    """Another name for a channel."""
    staff = staff_of(request)
    if not _may_write(staff):
        raise PermissionDenied
    name = request.POST.get("name", "")[: NAME_CHARS + 1]
    try:
        change_channel(actor=staff.as_actor(), now=clock.now(), code=code, name=name)
    except NotFound as error:
        raise Http404 from error
    except ShukeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The channel was changed."))
    return redirect("console:channels")
