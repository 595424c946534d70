"""One declaration per endpoint: scope, shapes, idempotency and refusals, from which both the view and its docs are made.

django-ninja's routers collect the addresses, msgspec decodes and encodes. So the OpenAPI document cannot say anything that the
code does not do: both read the same Struct.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from ninja import Router

from shuke.api.problems import language_of
from shuke.api.reading import BodyReader, QueryReader, refuse_query
from shuke.core.errors import NotFound, Unauthenticated
from shuke.core.idempotency import checked_key, input_hash, run_once
from shuke.core.queries import KeyCaller, authenticate_key
from shuke.core.rate import Allowance, take_call
from shuke.core.values import Scope
from shuke.kit.clock import now as read_clock
from shuke.kit.connection import on_live_connection
from shuke.kit.errors import ShukeError

Keyed = Literal["no", "once", "own", "optional"]
"""Does the endpoint take an Idempotency-Key? "once": required, kept by `run_once` around the handler. "own": required,
and the operation keeps it in its own transaction. "optional": kept by `run_once` when given."""

JSON = "application/json"
MOST_TEXT_IN_PATH = 200

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is JSON already."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request on its way into the house."""

    request: HttpRequest
    caller: KeyCaller
    now: datetime
    language: str
    key: str | None
    input_hash: bytes

    @property
    def stores(self) -> frozenset[UUID] | None:
        """The stores that this key covers; None for all."""
        return None if self.caller.all_stores else self.caller.store_ids

    def covers(self, store_id: UUID | None) -> bool:
        """True when the key covers the store, or the thing belongs to no store."""
        return self.caller.all_stores or store_id is None or store_id in self.caller.store_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What one method of one path takes and answers."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    tag: str
    scope: Scope | None
    body: BodyReader[Any] | None
    query: QueryReader[Any] | None
    answers: Mapping[int, Any]
    keyed: Keyed
    refusals: tuple[type[ShukeError], ...]
    handler: Callable[..., Any]

    @property
    def path_names(self) -> tuple[str, ...]:
        """The variables of the path."""
        return tuple(
            part.strip("{}").rpartition(":")[2] for part in self.path.split("/") if part.startswith("{")
        )


ENDPOINTS: list[Endpoint] = []


def authenticate(request: HttpRequest) -> KeyCaller:
    """The caller behind `Authorization: Bearer sk_live_…`, counted against the key's rate; sets `request.allowance`.

    Raises Unauthenticated, KeyExpired, RateLimited.
    """
    scheme, _space, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    try:
        # The first statement of every call, so here a connection that broke since the last one is replaced.
        caller = on_live_connection(lambda: authenticate_key(secret=token.strip(), now=read_clock()))
    except UnicodeEncodeError as error:
        raise Unauthenticated from error
    request.allowance = take_call(caller.id)  # type: ignore[attr-defined]
    return caller


def endpoint(
    router: Router,
    method: str,
    path: str,
    *,
    scope: Scope | None,
    answers: Mapping[int, Any],
    tag: str,
    body: type[Any] | None = None,
    query: type[Any] | None = None,
    keyed: Keyed = "no",
    refusals: Iterable[type[ShukeError]] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a handler. It is called with a Call, then by name `body`, `query` and the variables of the path.

    It returns (status, value to encode), or a Reply. The first line of its docstring is the summary, the rest the text.
    """

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        summary, _blank, text = inspect.cleandoc(handler.__doc__ or "").partition("\n")
        spec = Endpoint(
            method=method,
            path=path,
            name=handler.__name__,
            summary=summary.rstrip("."),
            description=text.strip(),
            tag=tag,
            scope=scope,
            body=BodyReader(body) if body else None,
            query=QueryReader(query) if query else None,
            answers=answers,
            keyed=keyed,
            refusals=tuple(refusals),
            handler=handler,
        )
        ENDPOINTS.append(spec)
        router.api_operation([method], path, operation_id=handler.__name__, tags=[tag])(_view(spec))
        return handler

    return register


def _view(spec: Endpoint) -> Callable[..., HttpResponse]:
    def view(request: HttpRequest, **place: str) -> HttpResponse:
        caller = authenticate(request)
        request.endpoint = spec  # type: ignore[attr-defined]  # names the parameters when a refusal is told
        language = language_of(request)
        with translation.override(language):
            reply = _serve(spec, request, caller, language, place)
        return _response(reply, request.allowance)  # type: ignore[attr-defined]

    view.__name__ = spec.name
    view.__doc__ = spec.summary
    variables = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=str) for name in spec.path_names
    ]
    view.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD), *variables]
    )
    return view


def _serve(
    spec: Endpoint, request: HttpRequest, caller: KeyCaller, language: str, place: Mapping[str, str]
) -> Reply:
    if spec.scope is not None:
        caller.require(spec.scope)
    given: dict[str, Any] = {name: _path_value(name, text) for name, text in place.items()}
    if spec.query is None:
        refuse_query(request)
    else:
        given["query"] = spec.query.read(request)
    key, hashed = None, b""
    raw = request.META.get("HTTP_IDEMPOTENCY_KEY") if spec.keyed != "no" else None
    if raw is not None or spec.keyed in ("once", "own"):
        key = checked_key(raw)
    if spec.body is not None:
        given["body"] = spec.body.read(request)
    if key is not None:
        # The scheme of the address is ours; path and bytes are the caller's.
        hashed = input_hash(spec.method, request.path, request.body)
    call = Call(request, caller, read_clock(), language, key, hashed)
    if key is None or spec.keyed == "own":
        return _reply(spec.handler(call, **given))

    def work() -> tuple[int, bytes]:
        reply = _reply(spec.handler(call, **given))
        return reply.status, reply.body

    answer = run_once(caller_id=caller.id, key=key, input_hash=hashed, now=call.now, work=work)
    return Reply(answer.status, answer.body, answer.replayed)


def _reply(outcome: Any) -> Reply:
    if isinstance(outcome, Reply):
        return outcome
    status, value = outcome
    return Reply(status, _json.encode(value))


def _response(reply: Reply, allowance: Allowance | None) -> HttpResponse:
    response = HttpResponse(reply.body, status=reply.status, content_type=JSON)
    headers = response.headers
    if allowance is not None:
        for name, value in allowance.headers().items():
            headers[name] = value
    if reply.replayed:
        headers["Idempotency-Replayed"] = "true"
    headers["Cache-Control"] = "no-store"
    return response


def _path_value(name: str, text: str) -> UUID | int | str:
    """A variable of the path. Raises NotFound for what cannot be the name of anything."""
    if name.endswith("_id"):
        try:
            if len(text) == 36:
                return UUID(text)
        except ValueError:
            pass
        raise NotFound
    if name == "number":
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text)
        raise NotFound
    if "\x00" in text or len(text) > MOST_TEXT_IN_PATH:
        raise NotFound
    return text
