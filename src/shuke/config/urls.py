"""Every URL of the house: the API under /api/, the console at the root."""

from __future__ import annotations

from django.urls import include, path, re_path

from shuke.api.urls import nothing_here

urlpatterns = [
    path("api/v1/", include("shuke.api.urls")),
    re_path(r"^api/", nothing_here),
    path("", include("shuke.console.urls")),
]

handler400 = "shuke.console.views.errors.bad_request"
handler403 = "shuke.console.views.errors.permission_denied"
handler404 = "shuke.console.views.errors.not_found"
handler500 = "shuke.console.views.errors.server_error"
