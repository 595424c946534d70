"""What every page of the console needs besides its own data: theme, language, navigation, store scope."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from shuke.console import formats, navigation, scope
from shuke.console.book_words import points_word, shelf_name
from shuke.core.requests import current_request_id
from shuke.core.values import Permission
from shuke.kit.clock import now
from shuke.loyalty.queries import programme_at
from shuke.loyalty.words import localized

THEMES = ("auto", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor named in the settings. Reads no table, except for the store a person narrowed to."""
    context = frame(request)
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        at = now()
        in_force, points = programme_at(at), points_word(at)
        context |= {
            "house": localized(in_force.programme.name) if in_force else _("Shuke"),
            "points_name": points,
            "points_title": capfirst(points),
            "shelf_name": shelf_name(at),
            "finder_url": navigation.address_of("members", user),
            "nav": navigation.sidebar(user, request.path),
            "may_publish": user.may(Permission.PROGRAMME_PUBLISH),
            "chosen_store": SimpleLazyObject(lambda: scope.shown_store(request)),
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
