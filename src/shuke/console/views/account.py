"""One's own account: the password and the language of the screens."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.debug import sensitive_post_parameters

from shuke.catalog.queries import list_stores
from shuke.console.access import signed_in, staff_of
from shuke.console.refusals import attempt
from shuke.console.views.session import remember_language
from shuke.core import operations
from shuke.core.models import Staff
from shuke.core.values import ROLE_PERMISSIONS, Permission
from shuke.kit import clock

BACKEND = "django.contrib.auth.backends.ModelBackend"


class OwnPasswordForm(forms.Form):
    """The password in use, and the new one twice."""

    current = forms.CharField(
        label=gettext_lazy("Current password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        max_length=200,
        help_text=gettext_lazy("At least 10 characters, unlike your name, and no common password."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("New password again"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_again(self) -> str:
        if self.cleaned_data["again"] != self.cleaned_data.get("password"):
            raise forms.ValidationError(_("The two new passwords differ."))
        return str(self.cleaned_data["again"])


class LanguageForm(forms.Form):
    """The language that the screens have on a new device."""

    preferred_language = forms.ChoiceField(
        label=gettext_lazy("Language of the screens"), choices=settings.LANGUAGES
    )


@sensitive_post_parameters("current", "password", "again")
@signed_in
def account(request: HttpRequest) -> HttpResponse:
    """What the own account may do; change its password or its language."""
    me = staff_of(request)
    sent = request.POST.get("form") if request.method == "POST" else None
    password_form = OwnPasswordForm(request.POST if sent == "password" else None)
    language_form = LanguageForm(
        request.POST if sent == "language" else None,
        initial={"preferred_language": me.preferred_language},
    )
    if sent == "language" and language_form.is_valid():
        return _change_language(request, me, language_form.cleaned_data["preferred_language"])
    if sent == "password" and password_form.is_valid() and _change_password(request, me, password_form):
        messages.success(request, _("Your password was changed. Your other devices are signed out."))
        return redirect("console:account")
    names = {store.id: store.name for store in list_stores()}
    context = {
        "password_form": password_form,
        "language_form": language_form,
        "store_names": [names[store_id] for store_id in me.store_ids if store_id in names],
        "permissions": [each.label for each in Permission if each in ROLE_PERMISSIONS[me.role]],
    }
    status = 422 if password_form.errors or language_form.errors else 200
    return render(request, "console/account.html", context, status=status)


def _change_password(request: HttpRequest, me: Staff, form: OwnPasswordForm) -> bool:
    """True when done. The current password counts as an attempt to sign in, so that a stolen session cannot try them all."""
    if authenticate(request, username=me.username, password=form.cleaned_data["current"]) is None:
        form.add_error("current", _("This is not your current password."))
        return False
    now = clock.now()

    def work() -> bool:
        operations.set_password(
            actor=me.as_actor(), now=now, staff_id=me.id, password=form.cleaned_data["password"]
        )
        return True

    if not attempt(form, work):
        return False
    # Every session ended, this one too: the person goes on in a new one.
    login(request, Staff.objects.get(id=me.id), backend=BACKEND)
    return True


def _change_language(request: HttpRequest, me: Staff, language: str) -> HttpResponse:
    operations.set_language(actor=me.as_actor(), now=clock.now(), language=language)
    with override(language):
        messages.success(request, _("The language was changed."))
    response = redirect("console:account")
    remember_language(response, language)
    return response
