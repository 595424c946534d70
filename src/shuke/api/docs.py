"""The documentation page and the OpenAPI document. Both are public: they tell what exists, nothing of what is stored."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation

from shuke.api.endpoint import ENDPOINTS, JSON
from shuke.api.errors import UnknownPath
from shuke.api.problems import TITLES, language_of
from shuke.api.schema import PREFIX, TAGS, all_refusals, openapi

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HTML_LANGS = {"zh-hans": "zh-Hans", "zh-hant": "zh-Hant", "en": "en"}
THEMES = ("auto", "light", "dark")


@lru_cache(maxsize=1)
def _document() -> bytes:
    return msgspec.json.encode(openapi())


def openapi_json(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    return HttpResponse(_document(), content_type=JSON)


def nothing_here(request: HttpRequest) -> HttpResponse:
    """Any other address."""
    raise UnknownPath


def page(request: HttpRequest) -> HttpResponse:
    """The page for people: `?language=` overrides what the browser asks for."""
    wanted = request.GET.get("language", "")
    language = wanted if wanted in HTML_LANGS else language_of(request)
    theme = request.COOKIES.get("shuke_theme", "auto")
    with translation.override(language):
        body = render_to_string(
            "api/docs.html",
            {
                "html_lang": HTML_LANGS.get(language, "en"),
                "language": language,
                "languages": settings.LANGUAGES,
                "theme": theme if theme in THEMES else "auto",
                "groups": _groups(),
                "schemas": _schemas(),
                "refusals": [
                    {"code": r.code, "status": r.status, "title": TITLES[r.status], "message": _sentence(r)}
                    for r in all_refusals()
                ],
            },
        )
    response = HttpResponse(body)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def _sentence(refusal: Any) -> str:
    """The message with its blanks left visible: %(sku)s → …"""
    text = str(refusal.message)
    start = text.find("%(")
    while start != -1:
        end = text.find(")", start)
        text = f"{text[:start]}…{text[end + 2 :]}"
        start = text.find("%(")
    return text if text != "…" else ""


def _groups() -> list[dict[str, Any]]:
    paths = openapi()["paths"]
    groups = []
    for tag, text in TAGS.items():
        operations = []
        for spec in ENDPOINTS:
            if spec.tag != tag:
                continue
            operation = paths[PREFIX + spec.path][spec.method.lower()]
            body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
            operations.append(
                {
                    "id": spec.name,
                    "method": spec.method,
                    "path": PREFIX + spec.path,
                    "summary": spec.summary,
                    "description": spec.description,
                    "scope": spec.scope.value if spec.scope else "",
                    "keyed": spec.keyed,
                    "parameters": [_parameter(parameter) for parameter in operation["parameters"]],
                    "body": _type(body) if body else None,
                    "answers": [
                        {
                            "status": status,
                            "shape": _type(answer["content"][JSON]["schema"]),
                        }
                        for status, answer in operation["responses"].items()
                        if JSON in answer["content"]
                    ],
                    "refusals": [
                        {"status": status, "codes": answer["description"].split(", ")}
                        for status, answer in sorted(operation["responses"].items())
                        if JSON not in answer["content"]
                    ],
                }
            )
        groups.append({"tag": tag, "text": text, "operations": operations})
    return groups


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {**parameter, "place": parameter["in"], "type": _type(parameter["schema"])}


def _schemas() -> list[dict[str, Any]]:
    found = []
    for name, schema in openapi()["components"]["schemas"].items():
        required = schema.get("required", ())
        fields = [
            {
                "name": field,
                "type": _type(detail),
                "required": field in required,
                "description": detail.get("description", ""),
            }
            for field, detail in schema.get("properties", {}).items()
        ]
        found.append({"name": name, "description": schema.get("description", ""), "fields": fields})
    return found


def _type(schema: dict[str, Any]) -> dict[str, str]:
    """What a field holds, in a few words; `ref` links to the shape it consists of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"text": name, "ref": name}
    if "anyOf" in schema:
        parts = [_type(part) for part in schema["anyOf"]]
        return {
            "text": " | ".join(part["text"] for part in parts),
            "ref": next((p["ref"] for p in parts if p["ref"]), ""),
        }
    if "enum" in schema:
        return {"text": " | ".join(str(value) or '""' for value in schema["enum"]), "ref": ""}
    kind = schema.get("type", "")
    if kind == "array":
        item = _type(schema.get("items", {}))
        return {"text": f"{item['text'] or 'any'}[]", "ref": item["ref"]}
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    text = schema.get("format") or kind or "any"
    return {"text": " ".join([str(text), *limits]), "ref": ""}


_LIMITS = {"minimum": "≥", "maximum": "≤", "maxLength": "≤", "pattern": "~"}
