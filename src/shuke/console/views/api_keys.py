"""API keys: which exist, what each may do, when it was last used. A secret is shown once, on the page that makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.validators import MaxValueValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shuke.catalog.models import Store
from shuke.catalog.queries import list_stores
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.days import LATEST_DAY, end_of
from shuke.console.refusals import attempt
from shuke.console.store_choice import StoreChoice
from shuke.core import operations, queries
from shuke.core.models import ApiKey, Staff
from shuke.core.values import Permission, Scope
from shuke.kit import clock
from shuke.kit.errors import ShukeError

REASON_CHARS = 300


class KeyForm(StoreChoice):
    """A new key."""

    name = forms.CharField(
        label=gettext_lazy("Name of the key"),
        max_length=80,
        help_text=gettext_lazy("The system that will use it, for example “Tills in Pudong”."),
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Last valid day"),
        required=False,
        help_text=gettext_lazy("Left empty, the key is valid until it is revoked."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MaxValueValidator(LATEST_DAY)],
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"}),
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )

    def __init__(self, *args: Any, manager: Staff, stores: list[Store], **kwargs: Any) -> None:
        super().__init__(*args, stores=stores, everywhere=manager.all_stores, **kwargs)


@requires(Permission.KEYS_MANAGE)
def api_keys(request: HttpRequest) -> HttpResponse:
    """The keys that the person's own stores cover, live ones first."""
    me, now = staff_of(request), clock.now()
    names = {store.id: store.name for store in list_stores()}
    rows = [_row(key, names, now) for key in queries.list_api_keys() if _covers(me, key)]
    return render(request, "console/api_keys.html", {"rows": rows})


@requires(Permission.KEYS_MANAGE)
@never_cache
def api_key_new(request: HttpRequest) -> HttpResponse:
    """Make a key. The answer shows the secret: it is not kept anywhere, so there is no page to come back to."""
    me = staff_of(request)
    form = KeyForm(request.POST or None, manager=me, stores=scope.stores_of(me))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        expires_on = data["expires_on"]
        made = attempt(
            form,
            lambda: operations.create_api_key(
                actor=me.as_actor(),
                now=clock.now(),
                name=data["name"],
                scopes=data["scopes"],
                all_stores=data["all_stores"],
                store_ids=data["store_ids"],
                expires_at=end_of(expires_on) if expires_on else None,
            ),
            fields={"expires_at": "expires_on", "out_of_store_scope": "store_ids"},
        )
        if made:
            key, secret = made
            return render(request, "console/api_key_secret.html", {"key": key, "secret": secret})
    context = {"form": form}
    return render(request, "console/api_key_new.html", context, status=422 if form.errors else 200)


@requires(Permission.KEYS_MANAGE)
def api_key(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """One key."""
    names = {store.id: store.name for store in list_stores()}
    row = _row(_key(request, key_id), names, clock.now())
    labels = dict(Scope.choices)
    context = {
        **row,
        "scopes": [(each, labels.get(each, each)) for each in row["key"].scopes],
        "reason_chars": REASON_CHARS,
        "may_audit": staff_of(request).may(Permission.AUDIT_VIEW),
    }
    return render(request, "console/api_key.html", context)


@requires(Permission.KEYS_MANAGE)
@require_POST
def api_key_revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """End a key for good."""
    key = _key(request, key_id)
    reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())[:REASON_CHARS]
    try:
        operations.revoke_api_key(
            actor=staff_of(request).as_actor(), now=clock.now(), key_id=key.id, reason=reason
        )
    except ShukeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The key is revoked; calls with it are refused from now on."))
    return redirect("console:api_key", key_id)


def _row(key: ApiKey, names: dict[UUID, str], now: datetime) -> dict[str, Any]:
    if key.revoked_at is not None:
        state = "revoked"
    elif key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    else:
        state = "live"
    stores = [names[store_id] for store_id in key.store_ids if store_id in names]
    return {"key": key, "state": state, "stores": stores}


def _key(request: HttpRequest, key_id: UUID) -> ApiKey:
    key = ApiKey.objects.select_related("created_by").filter(id=key_id).first()
    if key is None or not _covers(staff_of(request), key):
        raise Http404
    return key


def _covers(me: Staff, key: ApiKey) -> bool:
    return me.all_stores or (not key.all_stores and set(key.store_ids) <= set(me.store_ids))
