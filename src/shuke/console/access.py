"""Who may open a page. Every view of the console is wrapped by one of these three; a test proves that none is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import add_never_cache_headers

from shuke.core.errors import NotChainWide
from shuke.core.models import Staff
from shuke.core.values import CHAIN_WIDE, Permission

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff_of(request: HttpRequest) -> Staff:
    """The signed-in person, typed; only inside a view that `requires` guards."""
    return cast(Staff, request.user)


def requires(permission: Permission) -> Callable[[View[P]], View[P]]:
    """Open the view only to signed-in staff whose role grants `permission`; others get the sign-in page or 403.

    A fragment asked for by htmx after the session ended answers 401, at which the page reloads itself.
    """

    def guard(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if request.headers.get("HX-Request"):
                    return HttpResponse(status=401)
                return redirect_to_login(request.get_full_path())
            staff = staff_of(request)
            if not staff.may(permission):
                bound = permission in CHAIN_WIDE and not staff.all_stores
                raise PermissionDenied(str(NotChainWide()) if bound else "")
            return _kept_nowhere(view(request, *args, **kwargs))

        guarded.console_access = permission  # type: ignore[attr-defined]
        return cast("View[P]", guarded)

    return guard


def signed_in(view: View[P]) -> View[P]:
    """Open the view to whoever is signed in, whatever the role: what concerns only their own account."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return _kept_nowhere(view(request, *args, **kwargs))

    guarded.console_access = "signed in"  # type: ignore[attr-defined]
    return cast("View[P]", guarded)


def _kept_nowhere(response: HttpResponseBase) -> HttpResponseBase:
    """Tills are shared: after signing out, the browser's way back must not show members, sales or the audit log."""
    if "Cache-Control" not in response.headers:
        add_never_cache_headers(response)
    return response


def open_to_all(view: View[P]) -> View[P]:
    """Mark a view that needs no permission: signing in and out, choosing the language, error pages."""
    view.console_access = "everyone"  # type: ignore[attr-defined]
    return view
