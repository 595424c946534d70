"""Addresses below /api/v1/: the endpoints, their documentation, and a problem document for everything else."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.decorators.http import require_safe

from shuke.api import docs
from shuke.api.app import guarded, patterns
from shuke.api.endpoints.service import health

app_name = "api"
nothing_here = guarded(docs.nothing_here)

urlpatterns = [
    *patterns(),
    path("health", guarded(require_safe(health)), name="health"),
    path("openapi.json", guarded(require_safe(docs.openapi_json)), name="openapi"),
    path("docs", guarded(require_safe(docs.page)), name="docs"),
    re_path("", nothing_here, name="nothing"),
]
