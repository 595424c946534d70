"""Signing in and out, and the choices a person makes about the screen: language and store."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from shuke.console import navigation, scope
from shuke.console.access import open_to_all, staff_of

ONE_YEAR = 365 * 24 * 3600


class SignInForm(AuthenticationForm):
    """Username and password, with words that say the same for a wrong name as for a wrong password."""

    error_messages = {
        "invalid_login": _("The username or the password is not right. Check both and try again."),
        "inactive": _("This account is switched off. Ask an administrator."),
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = _("Username")
        self.fields["password"].label = _("Password")


class SignIn(auth.LoginView):
    """The sign-in page. After it: the page that was asked for, or the first page this role may open."""

    template_name = "console/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("console:home")

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        # The account's language holds on a new device; a language chosen on this device stays.
        if settings.LANGUAGE_COOKIE_NAME not in self.request.COOKIES:
            remember_language(response, staff_of(self.request).preferred_language)
        return response


sign_in = open_to_all(SignIn.as_view())
sign_out = open_to_all(auth.LogoutView.as_view())


@open_to_all
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language in a cookie and show the same page again."""
    response = _back(request)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and check_for_language(language):
        remember_language(response, language)
    return response


@open_to_all
def store_menu(request: HttpRequest) -> HttpResponse:
    """The rows of the store menu, fetched when it opens: a chain may have thousands."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    context = {"stores": scope.stores_of(staff_of(request)), "next": request.GET.get("next", "")}
    return render(request, "console/store_menu.html", context)


@open_to_all
@require_POST
def choose_store(request: HttpRequest) -> HttpResponse:
    """Narrow the screens to one store, or widen them again. A store outside the person's scope changes nothing."""
    if request.user.is_authenticated:
        raw = request.POST.get("store", "")
        try:
            known = scope.choose_store(request, UUID(raw) if raw else None)
        except ValueError:
            known = False
        if not known:
            messages.error(request, _("That store is not one of yours."))
    return _back(request)


@open_to_all
def home(request: HttpRequest) -> HttpResponse:
    """The first page this person may open."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(reverse("console:login"))
    return HttpResponseRedirect(navigation.landing_page(staff_of(request)) or reverse("console:overview"))


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = reverse("console:home")
    return HttpResponseRedirect(target)


def remember_language(response: HttpResponse, language: str) -> None:
    """Keep the language on this device for a year."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=ONE_YEAR,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
    )
