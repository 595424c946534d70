"""Staff accounts: who works here, in which role, in which stores. The rules themselves live in the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from axes.models import AccessAttempt
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from shuke.catalog.models import Store
from shuke.catalog.queries import list_stores
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.refusals import attempt
from shuke.console.store_choice import StoreChoice
from shuke.core import operations, queries
from shuke.core.errors import NotFound
from shuke.core.models import Staff
from shuke.core.values import Permission, Role
from shuke.kit import clock
from shuke.kit.errors import ShukeError

REASON_CHARS = 300


class StaffForm(StoreChoice):
    """What an account is, without its name for signing in and its password."""

    display_name = forms.CharField(label=pgettext_lazy("staff", "Name"), max_length=80)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    preferred_language = forms.ChoiceField(
        label=gettext_lazy("Language of the screens"), choices=settings.LANGUAGES
    )

    def __init__(self, *args: Any, manager: Staff, stores: list[Store], **kwargs: Any) -> None:
        super().__init__(*args, stores=stores, everywhere=manager.all_stores, **kwargs)
        self.fields["role"].choices = [  # type: ignore[attr-defined]
            (role.value, role.label) for role in Role if role != Role.OWNER or manager.role == Role.OWNER
        ]


class NewStaffForm(StaffForm):
    """A whole account."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=64,
        help_text=gettext_lazy("For signing in: letters, digits or . _ - @ +"),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("First password"),
        strip=False,
        max_length=200,
        help_text=gettext_lazy("At least 10 characters. Ask the person to change it after signing in."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PasswordForm(forms.Form):
    """A new password for somebody else."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        max_length=200,
        help_text=gettext_lazy("At least 10 characters. All open sessions of this person end."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@requires(Permission.STAFF_MANAGE)
def staff(request: HttpRequest) -> HttpResponse:
    """The accounts that the person's own stores cover."""
    me = staff_of(request)
    role, state = request.GET.get("role", ""), request.GET.get("state", "")
    wanted = request.GET.get("text", "").strip()[:80]
    names = {store.id: store.name for store in list_stores()}
    visible = [each for each in queries.list_staff() if _covers(me, each)]
    rows = [
        {"staff": each, "stores": [names[store_id] for store_id in each.store_ids if store_id in names]}
        for each in visible
        if (role not in Role.values or each.role == role)
        and (state not in ("active", "ended") or each.is_active == (state == "active"))
        and wanted.casefold() in f"{each.display_name} {each.username}".casefold()
    ]
    context = {
        "rows": rows,
        "total": len(visible),
        "roles": [("", _("All roles")), *Role.choices],
        "role": role,
        "states": [("", _("Active and ended")), ("active", _("Active only")), ("ended", _("Ended only"))],
        "state": state,
        "text": wanted,
    }
    return render(request, "console/staff.html", context)


@sensitive_post_parameters("password")
@requires(Permission.STAFF_MANAGE)
def staff_new(request: HttpRequest) -> HttpResponse:
    """A new account."""
    me = staff_of(request)
    form = NewStaffForm(
        request.POST or None,
        manager=me,
        stores=scope.stores_of(me),
        initial={"role": Role.CASHIER, "preferred_language": me.preferred_language},
    )
    if request.method == "POST" and form.is_valid():
        made = attempt(
            form,
            lambda: operations.create_staff(actor=me.as_actor(), now=clock.now(), **form.cleaned_data),
            fields={"not_allowed": "role", "out_of_store_scope": "store_ids"},
        )
        if made:
            messages.success(request, _("The account was created; the person can sign in now."))
            return redirect("console:staff_account", made.id)
    context = {"form": form}
    return render(request, "console/staff_new.html", context, status=422 if form.errors else 200)


@requires(Permission.STAFF_MANAGE)
def staff_account(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """One account: look, and change what it is."""
    me, account = staff_of(request), _account(request, staff_id)
    form = _form_of(request, me, account)
    if request.method == "POST" and form.is_valid():
        changed = attempt(
            form,
            lambda: operations.change_staff(
                actor=me.as_actor(), now=clock.now(), staff_id=staff_id, **form.cleaned_data
            ),
            fields={"not_allowed": "role", "last_owner": "role", "out_of_store_scope": "store_ids"},
        )
        if changed:
            messages.success(request, _("The account was changed."))
            return redirect("console:staff_account", staff_id)
    return _account_page(request, account, form=form)


@sensitive_post_parameters("password")
@requires(Permission.STAFF_MANAGE)
@require_POST
def staff_password(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """Set somebody's password. One's own is changed on the own account's page, where the old one is asked for."""
    account = _account(request, staff_id)
    if account.id == staff_of(request).id:
        return redirect("console:account")
    form = PasswordForm(request.POST)
    if form.is_valid():
        actor, now = staff_of(request).as_actor(), clock.now()

        def work() -> bool:
            operations.set_password(
                actor=actor, now=now, staff_id=staff_id, password=form.cleaned_data["password"]
            )
            return True

        if attempt(form, work):
            messages.success(request, _("The password was set, and open sessions of this person ended."))
            return redirect("console:staff_account", staff_id)
    return _account_page(request, account, password_form=form)


@requires(Permission.STAFF_MANAGE)
@require_POST
def staff_end(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """Deactivate an account."""
    reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())[:REASON_CHARS]
    return _act(
        request,
        staff_id,
        lambda: operations.deactivate_staff(
            actor=staff_of(request).as_actor(), now=clock.now(), staff_id=staff_id, reason=reason
        ),
        _("The account was ended; its sessions are closed."),
    )


@requires(Permission.STAFF_MANAGE)
@require_POST
def staff_resume(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """Let an ended account sign in again."""
    return _act(
        request,
        staff_id,
        lambda: operations.reactivate_staff(
            actor=staff_of(request).as_actor(), now=clock.now(), staff_id=staff_id
        ),
        _("The account is active again."),
    )


@requires(Permission.STAFF_MANAGE)
@require_POST
def staff_unlock(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """End a lock-out after wrong passwords."""
    return _act(
        request,
        staff_id,
        lambda: operations.unlock_staff(
            actor=staff_of(request).as_actor(), now=clock.now(), staff_id=staff_id
        ),
        _("Failed attempts are forgotten; the person can sign in again."),
    )


def _act(request: HttpRequest, staff_id: UUID, work: Callable[[], object], done: str) -> HttpResponse:
    _account(request, staff_id)
    try:
        work()
    except ShukeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    if staff_id == staff_of(request).id and not staff_of(request).is_active:
        return redirect("console:login")
    return redirect("console:staff_account", staff_id)


def _form_of(request: HttpRequest, me: Staff, account: Staff) -> StaffForm:
    return StaffForm(
        request.POST or None,
        manager=me,
        stores=scope.stores_of(me),
        initial={
            "display_name": account.display_name,
            "role": account.role,
            "preferred_language": account.preferred_language,
            "all_stores": account.all_stores,
            "store_ids": [str(store_id) for store_id in account.store_ids],
        },
    )


def _account_page(
    request: HttpRequest,
    account: Staff,
    *,
    form: StaffForm | None = None,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    me = staff_of(request)
    if form is None:
        form = StaffForm(
            manager=me,
            stores=scope.stores_of(me),
            initial=_form_of(request, me, account).initial,
        )
    attempts = AccessAttempt.objects.filter(username=account.username)
    failures = max(attempts.values_list("failures_since_start", flat=True), default=0)
    password_form = password_form or PasswordForm()
    context = {
        "account": account,
        "form": form,
        "password_form": password_form,
        "failures": failures,
        "is_locked": failures >= settings.AXES_FAILURE_LIMIT,
        "is_own": account.id == me.id,
        # An administrator must not take over an owner's account.
        "may_manage": account.role != Role.OWNER or me.role == Role.OWNER,
        "may_audit": me.may(Permission.AUDIT_VIEW),
        "reason_chars": REASON_CHARS,
    }
    status = 422 if form.errors or password_form.errors else 200
    return render(request, "console/staff_account.html", context, status=status)


def _account(request: HttpRequest, staff_id: UUID) -> Staff:
    try:
        account = queries.get_staff(staff_id)
    except NotFound:
        raise Http404 from None
    if not _covers(staff_of(request), account):
        raise Http404
    return account


def _covers(me: Staff, account: Staff) -> bool:
    """True when the account lies within the person's own stores; their own account always does."""
    inside = not account.all_stores and set(account.store_ids) <= set(me.store_ids)
    return me.all_stores or inside or account.id == me.id
