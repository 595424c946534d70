"""What every page of the console needs besides its own data: theme, language, navigation, store scope."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from shuke.console import formats, navigation, scope
from shuke.core.models import Staff
from shuke.core.requests import current_request_id

THEMES = ("auto", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor named in the settings. Reads no table unless a template asks for the stores."""
    context = frame(request)
    user = getattr(request, "user", None)
    if isinstance(user, Staff) or (user is not None and user.is_authenticated):
        context |= {
            "finder_url": navigation.address_of("members", user),
            "nav": navigation.sidebar(user, request.path),
            "stores": SimpleLazyObject(lambda: scope.stores_of(user)),
            "chosen_store": SimpleLazyObject(lambda: scope.chosen_store(request)),
        }
    return context


def frame(request: HttpRequest) -> dict[str, Any]:
    """The part that needs neither session nor database, so that the page for error 500 can be drawn without them."""
    theme = request.COOKIES.get("shuke_theme", "auto")
    return {
        "theme": theme if theme in THEMES else "auto",
        "html_lang": formats.html_lang(),
        "language": formats.language(),
        "languages": settings.LANGUAGES,
        "request_id": current_request_id(),
    }
