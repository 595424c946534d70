"""Everything that may be set from outside, in one typed place; a bad value stops the start, with the way out.

Read once per process. It needs no Django, because the database server starts before Django can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from shuke.kit.secret_files import ensure_secret

SECRET_KEY_FILE = "django_secret_key"  # noqa: S105 - the name of a file, not a secret
KEYSET_FILE = "keyset.json"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})

VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "postgres://user:password@host:port/name, PostgreSQL 15 or newer (default: embedded)",
    "SHUKE_HOME": "directory of the data, secrets and logs (default: .shuke in the working directory)",
    "SHUKE_SECRETS": "directory of the secrets, when mounted from elsewhere (default: SHUKE_HOME/secrets)",
    "SHUKE_HOST": "address to listen on (default 127.0.0.1)",
    "SHUKE_PORT": "port to listen on (default 8787, or the next free one)",
    "SHUKE_WEB_WORKERS": "web processes (default 2)",
    "SHUKE_WEB_THREADS": "threads in each web process (default 8)",
    "SHUKE_DEBUG": "true shows error pages with source code; never in production (default false)",
    "SHUKE_ALLOWED_HOSTS": "host names the site answers to, separated by commas (default: this machine only)",
    "SHUKE_TRUSTED_ORIGINS": "origins such as https://shop.example that may post forms, separated by commas",
    "SHUKE_SECURE_COOKIES": "true when browsers reach the site by https only (default false)",
    "SHUKE_API_RATE_PER_MINUTE": "requests per minute and API key; 0 switches the limit off (default 6000)",
    "SHUKE_LOG_LEVEL": "DEBUG, INFO, WARNING, ERROR or CRITICAL (default INFO)",
    "SHUKE_POSTGRES_PORT": "port of 127.0.0.1 where the embedded server listens, too (default: socket only)",
    "SHUKE_TEST_DB": "name of the test database, for several test runs on one server",
}


class EnvironmentProblem(ValueError):
    """A variable holds something unusable; the message names it and says what to write instead."""

    def __init__(self, variable: str, value: str, problem: str, way_out: str) -> None:
        super().__init__(f"{variable}={value!r}: {problem}. {way_out}")
        self.variable = variable


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The settings of one process. ``port`` is None when any free port from 8787 on will do."""

    home: Path
    secrets_dir: Path
    keyset_path: Path
    secret_key: str = field(repr=False)
    database_url: str | None = field(repr=False)
    host: str
    port: int | None
    web_workers: int
    web_threads: int
    debug: bool
    allowed_hosts: tuple[str, ...]
    trusted_origins: tuple[str, ...]
    secure_cookies: bool
    api_rate_per_minute: int
    log_level: str
    postgres_port: int | None
    test_db: str | None


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The environment of this process, read once. Generates the secrets that do not exist yet."""
    return read_environment(os.environ)


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read and check every variable.

    :raises EnvironmentProblem: naming the first variable that cannot be used.
    """
    home = _path(variables, "SHUKE_HOME", Path.cwd() / ".shuke")
    secrets_dir = _path(variables, "SHUKE_SECRETS", home / "secrets")
    host = variables.get("SHUKE_HOST", "").strip() or "127.0.0.1"
    loopback_and_own = (*LOOPBACK_HOSTS, *(() if host in {*LOOPBACK_HOSTS, "0.0.0.0", "::"} else (host,)))  # noqa: S104
    # All plain values are checked before the secrets are written, so that a typing error leaves no trace.
    plain = {
        "database_url": _database_url(variables),
        "port": _optional_integer(variables, "SHUKE_PORT", 1, 65535),
        "web_workers": _integer(variables, "SHUKE_WEB_WORKERS", 2, 1, 256),
        "web_threads": _integer(variables, "SHUKE_WEB_THREADS", 8, 1, 256),
        "debug": _boolean(variables, "SHUKE_DEBUG", False),
        "allowed_hosts": _allowed_hosts(variables, loopback_and_own),
        "trusted_origins": _origins(variables),
        "secure_cookies": _boolean(variables, "SHUKE_SECURE_COOKIES", False),
        "api_rate_per_minute": _integer(variables, "SHUKE_API_RATE_PER_MINUTE", 6000, 0, 10_000_000),
        "log_level": _log_level(variables),
        "postgres_port": _optional_integer(variables, "SHUKE_POSTGRES_PORT", 1024, 65535),
        "test_db": _test_db(variables),
    }
    return Environment(
        home=home,
        secrets_dir=secrets_dir,
        keyset_path=secrets_dir / KEYSET_FILE,
        secret_key=_secret_key(home, secrets_dir),
        host=host,
        **plain,  # type: ignore[arg-type]
    )


def unknown_variables(variables: Mapping[str, str]) -> list[str]:
    """Names beginning with SHUKE_ that mean nothing here: most often a typing error."""
    return sorted(name for name in variables if name.startswith("SHUKE_") and name not in VARIABLES)


def _secret_key(home: Path, secrets_dir: Path) -> str:
    try:
        home.mkdir(parents=True, exist_ok=True)
        return ensure_secret(secrets_dir / SECRET_KEY_FILE)
    # No permission, a file in the way, a read-only or a full disk; or a secret that was emptied.
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            "SHUKE_HOME",
            str(home),
            f"cannot be used ({error})",
            "Point it to a directory that this user may write, or start as the user who owns it.",
        ) from error


def _path(variables: Mapping[str, str], name: str, default: Path) -> Path:
    raw = variables.get(name, "").strip()
    return Path(raw).expanduser().absolute() if raw else default


def _integer(variables: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _optional_integer(variables, name, low, high)
    return default if value is None else value


def _optional_integer(variables: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    raw = variables.get(name, "").strip()
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and low <= int(raw) <= high):
        raise EnvironmentProblem(
            name,
            raw,
            f"is not a whole number from {low} to {high}",
            "Correct it, or unset it for the default.",
        )
    return int(raw)


def _boolean(variables: Mapping[str, str], name: str, default: bool) -> bool:
    raw = variables.get(name, "").strip().lower()
    if not raw:
        return default
    if raw not in TRUE_WORDS | FALSE_WORDS:
        raise EnvironmentProblem(name, raw, "is neither yes nor no", "Write true or false.")
    return raw in TRUE_WORDS


def _names(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in variables.get(name, "").split(",")) if part)


def _allowed_hosts(variables: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
    hosts = _names(variables, "SHUKE_ALLOWED_HOSTS")
    for host in hosts:
        if "/" in host or (":" in host and not host.startswith("[")) or " " in host:
            raise EnvironmentProblem(
                "SHUKE_ALLOWED_HOSTS",
                host,
                "is not a bare host name",
                "Write names only, without scheme, port or path: shop.example,www.shop.example",
            )
    return hosts or default


def _origins(variables: Mapping[str, str]) -> tuple[str, ...]:
    origins = _names(variables, "SHUKE_TRUSTED_ORIGINS")
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
            raise EnvironmentProblem(
                "SHUKE_TRUSTED_ORIGINS",
                origin,
                "is not an origin",
                "Write scheme and host: https://shop.example",
            )
    return origins


def _log_level(variables: Mapping[str, str]) -> str:
    level = variables.get("SHUKE_LOG_LEVEL", "").strip().upper() or "INFO"
    if level not in LOG_LEVELS:
        raise EnvironmentProblem(
            "SHUKE_LOG_LEVEL", level, "is no log level", f"Write one of {', '.join(LOG_LEVELS)}."
        )
    return level


def _database_url(variables: Mapping[str, str]) -> str | None:
    url = variables.get("DATABASE_URL", "").strip()
    if not url:
        return None
    example = "Write postgres://user:password@host:5432/name, or unset it for the embedded server."
    try:
        parts = urlsplit(url)
        _ = parts.port
        if parts.scheme in {"postgres", "postgresql"}:
            conninfo_to_dict(url)
    except (ValueError, psycopg.ProgrammingError) as error:
        # The driver's own words may repeat the password.
        problem = "is not understood; special characters in it must be percent-encoded"
        raise EnvironmentProblem("DATABASE_URL", "(hidden)", problem, example) from error
    if parts.scheme not in {"postgres", "postgresql"}:
        raise EnvironmentProblem(
            "DATABASE_URL", f"{parts.scheme}:…", "does not begin with postgres:// or postgresql://", example
        )
    if not parts.path.strip("/"):
        raise EnvironmentProblem("DATABASE_URL", "(hidden)", "names no database after the host", example)
    return url


def _test_db(variables: Mapping[str, str]) -> str | None:
    name = variables.get("SHUKE_TEST_DB", "").strip()
    if name and not (name.isascii() and name.replace("_", "").isalnum() and len(name) <= 40):
        raise EnvironmentProblem(
            "SHUKE_TEST_DB", name, "cannot name a database", "Use up to 40 letters, digits and underscores."
        )
    return name or None
