"""Read what a caller sent, strictly: nothing unknown, nothing coerced, nothing that the database could not keep."""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

import msgspec
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from shuke.api.errors import Fault, InvalidRequest, MalformedJson, UnsupportedMediaType
from shuke.api.faults import fault_of, find_faults, inner_type, null_character

MOST_DEPTH = 32
_NUL_ESCAPE = b"\\u0000"
_INTEGER = re.compile(r"-?[0-9]{1,18}")

T = TypeVar("T")


class BodyReader(Generic[T]):
    """Decodes JSON bodies of one shape (a msgspec Struct that forbids unknown fields)."""

    def __init__(self, shape: type[T]) -> None:
        self.shape = shape
        self._decoder = msgspec.json.Decoder(shape)

    def read(self, request: HttpRequest) -> T:
        """The body. Raises UnsupportedMediaType, MalformedJson or InvalidRequest."""
        _check_content_type(request)
        body = request.body
        try:
            value = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise InvalidRequest(self._faults(body, error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error, body) from error
        _check_document(body)
        return value

    def _faults(self, body: bytes, error: msgspec.ValidationError) -> list[Fault]:
        try:
            document = msgspec.json.decode(body)
        except msgspec.ValidationError:  # a number too large for any type
            return [fault_of(error, "body")]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
            # The mistake that was met first lies before the place where the JSON breaks.
            raise _malformed(broken, body) from broken
        return find_faults(self.shape, document, where="body") or [fault_of(error, "body")]


class QueryReader(Generic[T]):
    """Decodes query strings of one shape. Each parameter may be given once."""

    def __init__(self, shape: type[T]) -> None:
        self.shape = shape
        fields = msgspec.structs.fields(shape)  # type: ignore[arg-type]
        self.names = frozenset(field.encode_name for field in fields)
        self._integers = frozenset(field.encode_name for field in fields if inner_type(field.type) is int)

    def read(self, request: HttpRequest) -> T:
        """The parameters. Raises InvalidRequest."""
        if not request.META.get("QUERY_STRING"):
            return self._convert({})
        faults: list[Fault] = []
        document: dict[str, Any] = {}
        for name, values in request.GET.lists():
            if len(values) > 1:
                faults.append(Fault("query", (name,), "duplicate", _("Give this parameter once.")))
            text = values[0]
            document[name] = int(text) if name in self._integers and _INTEGER.fullmatch(text) else text
        faults += null_character(document, "query")
        if faults:
            raise InvalidRequest(faults)
        return self._convert(document)

    def _convert(self, document: dict[str, Any]) -> T:
        try:
            return msgspec.convert(document, self.shape)
        except msgspec.ValidationError as error:
            faults = find_faults(self.shape, document, where="query")
            raise InvalidRequest(faults or [fault_of(error, "query")]) from error


def refuse_query(request: HttpRequest) -> None:
    """For endpoints without parameters. Raises InvalidRequest naming each one given."""
    if request.META.get("QUERY_STRING"):
        faults = [
            Fault("query", (name,), "unknown_field", _("There is no parameter of this name here."))
            for name in request.GET
        ]
        if faults:
            raise InvalidRequest(faults)


def _check_content_type(request: HttpRequest) -> None:
    given = request.META.get("CONTENT_TYPE", "")
    if given == "application/json":
        return
    kind, _semicolon, rest = given.partition(";")
    charset = rest.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaType(field=None)


def _check_document(body: bytes) -> None:
    """What typed decoding lets pass: names given twice, NUL characters, needless depth."""
    try:
        document = json.loads(body, object_pairs_hook=_once)
    except _Twice as twice:
        raise MalformedJson(
            reason=gettext('the name "%(name)s" occurs twice in one object.') % {"name": twice.name}
        ) from twice
    except RecursionError as error:
        raise _malformed(error, body) from error
    if _NUL_ESCAPE in body and (faults := list(null_character(document, "body"))):
        raise InvalidRequest(faults)
    if body.count(b"[") + body.count(b"{") > MOST_DEPTH and _depth(document) > MOST_DEPTH:
        raise MalformedJson(reason=gettext("it is nested too deeply."))


class _Twice(Exception):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name[:80]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)
    return document


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level and depth <= MOST_DEPTH:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
    return depth


def _malformed(error: Exception, body: bytes) -> MalformedJson:
    if not body.strip():
        return MalformedJson(reason=gettext("it is empty."))
    if isinstance(error, UnicodeDecodeError):
        return MalformedJson(reason=gettext("it is not UTF-8."))
    if isinstance(error, RecursionError):
        return MalformedJson(reason=gettext("it is nested too deeply."))
    at = str(error).rpartition("(byte ")[2].rstrip(")")
    if at.isdigit():
        return MalformedJson(reason=gettext("it breaks at byte %(at)s.") % {"at": at})
    return MalformedJson(reason=gettext("it ends too early."))
