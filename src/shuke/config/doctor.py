"""`shuke doctor`: what runs, what is wrong, and what to do about it, in lines a shop owner can act on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from typing import Any, Literal

from shuke.config.environment import LOOPBACK_HOSTS, Environment, environment, unknown_variables
from shuke.config.runtime import KeysetProblem, django_ready
from shuke.config.serve import current
from shuke.config.supervisor import SUPERVISED
from shuke.kit import clock, postgres
from shuke.kit.crypto import Keyset
from shuke.kit.postgres import binaries
from shuke.kit.postgres.state import STATE_FILE

Level = Literal["OK", "WARN", "BAD"]
GIBIBYTE = 1024**3
LITTLE_DISK_BYTES = 5 * GIBIBYTE
TOO_LITTLE_DISK_BYTES = GIBIBYTE
# PostgreSQL publishes security fixes every three months; an older bundle lacks at least one round of them.
BUNDLE_FRESH_DAYS = 92
SEAL_OVERDUE = timedelta(hours=24)
OLDEST_SERVER = 150000


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do (empty when all is well)."""

    level: Level
    subject: str
    state: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at everything. A check that fails itself is a BAD finding, never an end of the examination."""
    env = environment()
    embedded = env.database_url is None
    findings = [*_programs(), *_settings(env), *_home(env), *_keys(env), *_serving(env)]
    if embedded:
        findings += _embedded_server(env)
        if not _has_database(env):
            return findings
    findings += _database(embedded)
    return findings


def to_text(findings: list[Finding]) -> str:
    """One line per finding, its advice on the next."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:4}  {finding.subject}: {finding.state}")
        if finding.advice:
            lines.append(f"      → {finding.advice}")
    return "\n".join(lines)


def to_json(findings: list[Finding]) -> str:
    """``{"worst": level, "findings": [{level, subject, state, advice}]}``."""
    levels: tuple[Level, ...] = ("OK", "WARN", "BAD")
    worst = max((finding.level for finding in findings), key=levels.index)
    return json.dumps(
        {"worst": worst, "findings": [asdict(finding) for finding in findings]}, ensure_ascii=False
    )


def is_production(env: Environment) -> bool:
    """Whether others than this machine's own user can reach it, as far as the settings tell."""
    return (
        env.secure_cookies or env.host not in LOOPBACK_HOSTS or set(env.allowed_hosts) > set(LOOPBACK_HOSTS)
    )


def _programs() -> Iterator[Finding]:
    yield Finding("OK", "Shuke", f"{metadata.version('shuke')}, Python {platform.python_version()}")


def _settings(env: Environment) -> Iterator[Finding]:
    for name in unknown_variables(os.environ):
        if name != SUPERVISED:
            yield Finding(
                "WARN", name, "is not a setting", "Correct the name (shuke variables lists them) or unset it."
            )
    if not is_production(env):
        yield Finding("OK", "Reachable", "from this machine only")
        return
    yield Finding("OK", "Reachable", f"as {', '.join(env.allowed_hosts)}, listening on {env.host}")
    if env.debug:
        yield Finding("BAD", "SHUKE_DEBUG", "shows source code to visitors", "Unset it.")
    if not env.secure_cookies:
        yield Finding(
            "WARN",
            "Cookies",
            "may travel unencrypted",
            "Serve by https behind a proxy and set SHUKE_SECURE_COOKIES=true.",
        )
    elif not env.trusted_origins:
        yield Finding(
            "WARN",
            "Forms",
            "behind an https proxy are refused: their origin is not known",
            "Set SHUKE_TRUSTED_ORIGINS to the address that people type, such as https://shop.example.",
        )


def _home(env: Environment) -> Iterator[Finding]:
    usage = shutil.disk_usage(env.home)
    text = f"{usage.free / GIBIBYTE:.1f} GiB free of {usage.total / GIBIBYTE:.0f} GiB below {env.home}"
    if usage.free < TOO_LITTLE_DISK_BYTES:
        yield Finding("BAD", "Disk", text, "Free space now: a database without space stops.")
    elif usage.free < LITTLE_DISK_BYTES:
        yield Finding("WARN", "Disk", text, "Free space or move SHUKE_HOME to a larger disk.")
    else:
        yield Finding("OK", "Disk", text)
    open_files = [path for path in sorted(env.secrets_dir.iterdir()) if path.stat().st_mode & 0o077]
    if open_files or stat.S_IMODE(env.secrets_dir.stat().st_mode) & 0o077:
        names = ", ".join(path.name for path in open_files) or env.secrets_dir.name
        yield Finding(
            "BAD",
            "Secrets",
            f"{names} can be read by others",
            f"chmod -R go-rwx {env.secrets_dir}; then rotate keys.",
        )
    else:
        yield Finding("OK", "Secrets", f"private, in {env.secrets_dir}")


def _keys(env: Environment) -> Iterator[Finding]:
    if not env.keyset_path.exists():
        yield Finding("OK", "Keys", "not made yet; the first start makes them")
        return
    try:
        text = env.keyset_path.read_text(encoding="utf-8")
        primary, count = Keyset.loads(text).primary, len(json.loads(text)["keys"])
    except (OSError, ValueError) as error:
        yield Finding(
            "BAD", "Keys", f"{env.keyset_path} is unreadable ({error})", "Restore it from your backup."
        )
        return
    age = clock.now() - datetime.fromtimestamp(env.keyset_path.stat().st_mtime, UTC)
    yield Finding(
        "OK",
        "Keys",
        f"{count} in the keyset, {primary} in use, changed {age.days} days ago; keep a copy elsewhere",
    )


def _serving(env: Environment) -> Iterator[Finding]:
    serving = current(env.home)
    if serving is None:
        yield Finding("OK", "Web and jobs", "not running here; shuke serve starts them")
        return
    parts = ", ".join(f"{name.removeprefix('The ')} {pid}" for name, pid in serving.children.items())
    yield Finding("OK", "Web and jobs", f"{serving.url} by process {serving.pid} ({parts})")


def _embedded_server(env: Environment) -> Iterator[Finding]:
    try:
        found = postgres.status(env.home)
        version = binaries.server_version(binaries.installation() / "bin")
    except postgres.PostgresProblem as problem:
        yield Finding("BAD", "Embedded PostgreSQL", str(problem), "See above.")
        return
    if found.phase == "stopped" and not _has_database(env):
        yield Finding("OK", "Embedded PostgreSQL", f"{version}, no database yet; shuke serve makes it")
    elif found.phase == "stopped":
        yield Finding("OK", "Embedded PostgreSQL", f"{version}, was stopped; started for this examination")
    else:
        users = f"{found.leases} process(es) use it"
        yield Finding(
            "OK", "Embedded PostgreSQL", f"{version}, {found.phase}, {users}, keeper {found.keeper_pid}"
        )
    age = (clock.now().date() - date.fromisoformat(binaries.WHEEL_RELEASED)).days
    if age > BUNDLE_FRESH_DAYS:
        yield Finding(
            "WARN",
            "Embedded PostgreSQL's age",
            f"bundled {age} days ago; security fixes have appeared since",
            "In production use your distribution's PostgreSQL or a managed one (DATABASE_URL).",
        )
    elif is_production(env):
        yield Finding(
            "WARN",
            "Embedded PostgreSQL",
            "serves a production site",
            "Its fixes come late: use your distribution's PostgreSQL or a managed one (DATABASE_URL).",
        )


def _has_database(env: Environment) -> bool:
    return env.database_url is not None or (env.home / STATE_FILE).exists()


def _database(embedded: bool) -> list[Finding]:
    findings: list[Finding] = []
    try:
        django_ready(say=lambda text: findings.append(Finding("OK", "Embedded PostgreSQL", text)))
        from django.db import connection

        with connection.cursor() as cursor:
            checks: tuple[Callable[[Any], Iterator[Finding]], ...] = (_server, _migrations, _audit, _jobs)
            for check in checks:
                findings += check(cursor)
    except KeysetProblem as error:
        findings.append(Finding("BAD", "Keys", str(error), "Nothing starts until the right file is back."))
    except Exception as error:  # whatever it is, the operator must see it as a finding
        where = "the embedded server" if embedded else "the server of DATABASE_URL"
        findings.append(
            Finding(
                "BAD",
                "Database",
                f"{where}: {str(error).strip() or type(error).__name__}",
                f"Look into {environment().home / 'log'}."
                if embedded
                else "Check DATABASE_URL and that server.",
            )
        )
    return findings


def _server(cursor: Any) -> Iterator[Finding]:
    durability = ("fsync", "full_page_writes", "synchronous_commit")
    names = ["server_version_num", "server_version", "server_encoding", *durability]
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [names])
    settings = dict(cursor.fetchall())
    cursor.execute(
        "SELECT current_database(), pg_database_size(current_database()), count(*) FROM pg_stat_activity "
        "WHERE datname = current_database()"
    )
    name, size, connections = cursor.fetchone()
    text = f"{name} on PostgreSQL {settings['server_version']}, {size >> 20} MiB, {connections} connections"
    if int(settings["server_version_num"]) < OLDEST_SERVER:
        yield Finding("BAD", "Database", text, "Move to PostgreSQL 15 or newer.")
    elif settings["server_encoding"] != "UTF8":
        yield Finding(
            "BAD", "Database", f"{text}, encoding {settings['server_encoding']}", "Make it with UTF8."
        )
    else:
        yield Finding("OK", "Database", text)
    unsafe = [key for key in durability if settings[key] == "off"]
    if unsafe:
        yield Finding(
            "BAD",
            "Durability",
            f"{', '.join(unsafe)} off",
            "Switch on: a power failure would lose paid orders.",
        )
    else:
        yield Finding("OK", "Durability", "a committed order survives a crash")


def _migrations(cursor: Any) -> Iterator[Finding]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        names = ", ".join(str(migration) for migration, _ in pending[:5])
        more = f" and {len(pending) - 5} more" if len(pending) > 5 else ""
        yield Finding(
            "WARN", "Migrations", f"pending: {names}{more}", "Run shuke migrate (shuke serve does it, too)."
        )
    else:
        yield Finding("OK", "Migrations", "all applied")


def _audit(cursor: Any) -> Iterator[Finding]:
    if not _exists(cursor, "core_auditseal"):
        return
    cursor.execute("SELECT number, sealed_at FROM core_auditseal ORDER BY number DESC LIMIT 1")
    last = cursor.fetchone()
    if last is None:
        yield Finding("OK", "Audit log", "no batch sealed yet")
        return
    number, sealed_at = last
    text = f"seal {number} of {sealed_at:%Y-%m-%d %H:%M} UTC"
    if clock.now() - sealed_at > SEAL_OVERDUE:
        yield Finding(
            "WARN", "Audit log", f"{text} is the last", "Does the job worker run? shuke audit seal."
        )
    else:
        yield Finding("OK", "Audit log", text)


def _jobs(cursor: Any) -> Iterator[Finding]:
    if not _exists(cursor, "procrastinate_jobs"):
        return
    cursor.execute("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1")
    counts = dict(cursor.fetchall())
    text = (
        f"{counts.get('todo', 0)} waiting, {counts.get('doing', 0)} running, {counts.get('failed', 0)} failed"
    )
    if counts.get("failed", 0):
        yield Finding("WARN", "Jobs", text, "The log of shuke serve names the cause of each failure.")
    else:
        yield Finding("OK", "Jobs", text)


def _exists(cursor: Any, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    return bool(cursor.fetchone()[0])
