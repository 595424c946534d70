"""The OpenAPI 3.1 document, made from the declarations that serve the calls: paths, shapes, scopes and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from shuke.api.contracts.programme import Health
from shuke.api.contracts.shared import Problem
from shuke.api.endpoint import ENDPOINTS, JSON, Endpoint
from shuke.api.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    InternalError,
    InvalidRequest,
    MalformedJson,
    MalformedRequest,
    MethodNotAllowed,
    UnknownPath,
    UnsupportedMediaType,
)
from shuke.api.problems import CONTENT_TYPE
from shuke.core.errors import (
    IdempotencyConflict,
    IdempotencyKeyMissing,
    InvalidInput,
    KeyExpired,
    MissingScope,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from shuke.core.idempotency import MAX_KEY_CHARS
from shuke.kit.errors import ShukeError

PREFIX = "/api/v1"
EVERYWHERE: tuple[type[ShukeError], ...] = (
    Unauthenticated,
    KeyExpired,
    RateLimited,
    MalformedRequest,
    InvalidRequest,
    InternalError,
    DatabaseUnavailable,
)
_REF = "#/components/schemas/{name}"

RATE_HEADERS = {
    "RateLimit-Limit": "Calls that this key may make at once.",
    "RateLimit-Remaining": "Calls left now; they come back evenly over a minute.",
    "RateLimit-Reset": "Seconds until all of them are back.",
}
TAGS = {
    "members": "Register, find, read and change members; balances and ledger entries.",
    "checkout": "Quote and record sales, read and refund orders.",
    "ledger": "Adjust, hold, transfer and activate units by hand; what members owe.",
    "prepaid": "Stored value and gift cards.",
    "coupons": "Coupon templates and their figures, members' coupons, unique codes in bulk.",
    "plans": "Paid plans, and what tier and plans entitle a member to at the counter.",
    "rewards": "The reward catalogue: what points are exchanged for, and handing it over.",
    "offline": "Sales made while a till was cut off, and what members may spend meanwhile.",
    "catalog": "Stores, channels and products.",
    "programme": "The rules in force and their versions.",
    "reports": "What is owed to members, and what stores owe each other.",
    "service": "Is the service there, and is the key good?",
}


def refusals_of(spec: Endpoint) -> list[type[ShukeError]]:
    """Every refusal that an endpoint can answer, by status and code."""
    found: set[type[ShukeError]] = {*EVERYWHERE, *spec.refusals}
    if spec.scope is not None:
        found.add(MissingScope)
    if spec.path_names:
        found.add(NotFound)
    if spec.body is not None:
        found |= {MalformedJson, BodyTooLarge, UnsupportedMediaType}
    if spec.keyed != "no":
        found |= {InvalidInput, IdempotencyConflict}
    if spec.keyed in {"once", "own"}:
        found.add(IdempotencyKeyMissing)
    return sorted(found, key=lambda refusal: (refusal.status, refusal.code))


def all_refusals() -> list[type[ShukeError]]:
    """Every refusal of the API, by code; of two classes with one code, one."""
    by_code: dict[str, type[ShukeError]] = {r.code: r for r in (UnknownPath, MethodNotAllowed)}
    for spec in ENDPOINTS:
        by_code.update({refusal.code: refusal for refusal in refusals_of(spec)})
    return [by_code[code] for code in sorted(by_code)]


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """The document. Built once per process."""
    shapes = _shapes()
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    by_shape = dict(zip(map(id, shapes), schemas, strict=True))
    paths: dict[str, Any] = {}
    for spec in ENDPOINTS:
        paths.setdefault(PREFIX + spec.path, {})[spec.method.lower()] = _operation(spec, by_shape, components)
    paths[f"{PREFIX}/health"] = {
        "get": {
            "operationId": "health",
            "summary": "Liveness",
            "description": "The process answers. Needs no key, tells no details, asks no database.",
            "tags": ["service"],
            "security": [],
            "responses": {"200": _answer("The process answers.", by_shape[id(Health)], {})},
        }
    }
    for spec in ENDPOINTS:  # query shapes are told as parameters
        if spec.query is not None:
            components.pop(spec.query.shape.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shuke API",
            "version": "1",
            "description": "Members, sales and the ledger of a chain. Money is whole minor units in fields named *_minor; "
            "instants are RFC 3339 with a time zone; refusals are application/problem+json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of the console: Authorization: Bearer sk_live_…",
                }
            },
        },
    }


def _shapes() -> list[Any]:
    shapes: list[Any] = [Problem, Health]
    for spec in ENDPOINTS:
        shapes += [reader.shape for reader in (spec.body, spec.query) if reader is not None]
        shapes += [shape for shape in spec.answers.values() if shape is not None]
    return list({id(shape): shape for shape in shapes}.values())


def _operation(spec: Endpoint, schemas: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": spec.name,
        "summary": spec.summary,
        "tags": [spec.tag],
        "security": [{"apiKey": [spec.scope.value] if spec.scope else []}],
        "parameters": list(_parameters(spec, components)),
        "responses": {},
    }
    if spec.description:
        operation["description"] = spec.description
    if spec.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schemas[id(spec.body.shape)]}},
        }
    headers = {name: _header(text, "integer") for name, text in RATE_HEADERS.items()}
    if spec.keyed != "no":
        headers["Idempotency-Replayed"] = _header(
            "true when this is the stored answer of an earlier call.", "string"
        )
    for status, shape in spec.answers.items():
        operation["responses"][str(status)] = _answer(_first_line(shape), schemas[id(shape)], headers)
    for status, refusals in _by_status(refusals_of(spec)).items():
        codes = ", ".join(sorted({refusal.code for refusal in refusals}))
        operation["responses"][str(status)] = {
            "description": codes,
            "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
            "headers": {
                "X-Request-Id": _header("The id of this call, in the logs and the audit log.", "string")
            },
        }
    return operation


def _parameters(spec: Endpoint, components: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for name in spec.path_names:
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        if name.endswith("_id"):
            schema = {"type": "string", "format": "uuid"}
        elif name == "number":
            schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if spec.query is not None:
        shape = components[spec.query.shape.__name__]
        for name, schema in shape["properties"].items():
            described = {key: value for key, value in schema.items() if key != "description"}
            parameter = {
                "name": name,
                "in": "query",
                "required": name in shape.get("required", ()),
                "schema": described,
            }
            if "description" in schema:
                parameter["description"] = schema["description"]
            yield parameter
    if spec.keyed != "no":
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": spec.keyed != "optional",
            "description": "New for each new act; the same again for a repeated call.",
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]+$"},
        }


def _by_status(refusals: Iterable[type[ShukeError]]) -> dict[int, list[type[ShukeError]]]:
    grouped: dict[int, list[type[ShukeError]]] = {}
    for refusal in refusals:
        grouped.setdefault(refusal.status, []).append(refusal)
    return grouped


def _answer(description: str, schema: Any, headers: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": description, "content": {JSON: {"schema": schema}}}
    headers = {
        **headers,
        "X-Request-Id": _header("The id of this call, in the logs and the audit log.", "string"),
    }
    return {**answer, "headers": headers}


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def _first_line(shape: Any) -> str:
    return str(shape.__doc__ or shape.__name__).strip().partition("\n")[0]
