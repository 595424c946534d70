"""Calls the API as the web server does: through the WSGI entry point, with the API's own short middleware list."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

from shuke.config.wsgi import application

BASE = "/api/v1"
_keys = count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document, whose frame is checked on the way."""
        problem = self.json
        assert self.headers["content-type"] == "application/problem+json", self
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["x-request-id"]
        assert problem["type"].endswith(f"#{problem['code']}")
        return problem["code"]


def new_key() -> str:
    """A fresh Idempotency-Key."""
    return f"k-{next(_keys)}"


class Till:
    """A caller with one API key. Writes get a fresh Idempotency-Key unless one is given (None: none is sent)."""

    def __init__(self, secret: str | None = None, language: str = "en") -> None:
        self.secret = secret
        self.language = language

    def get(self, path: str, /, **query: Any) -> Answer:
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Any = None, /, **options: Any) -> Answer:
        return self.call("POST", path, body, **{"key": new_key(), **options})

    def patch(self, path: str, body: Any, /, **options: Any) -> Answer:
        return self.call("PATCH", path, body, **{"key": new_key(), **options})

    def put(self, path: str, body: Any, /, **options: Any) -> Answer:
        return self.call("PUT", path, body, **{"key": new_key(), **options})

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        *,
        key: str | None = None,
        query: dict[str, Any] | str | None = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        full = path if path.startswith("/") and path.startswith("/api") else BASE + path
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": full.encode().decode("latin-1"),
            "QUERY_STRING": query if isinstance(query, str) else urlencode(query or {}, quote_via=quote),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(sent)),
            "HTTP_ACCEPT_LANGUAGE": self.language,
            "wsgi.input": io.BytesIO(sent),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if sent or raw is not None:
            environ["CONTENT_TYPE"] = content_type
        if self.secret is not None:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.secret}"
        if key is not None:
            environ["HTTP_IDEMPOTENCY_KEY"] = key
        for name, value in (headers or {}).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        seen: dict[str, Any] = {}

        def start(status: str, lines: list[tuple[str, str]], exc_info: Any = None) -> None:
            seen["status"] = int(status.split()[0])
            seen["headers"] = {name.lower(): value for name, value in lines}

        chunks = application(environ, start)
        try:
            got = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()
        return Answer(seen["status"], seen["headers"], got)
