"""A throw-away installation to measure: the embedded server with fsync on, seeded members, and the real web server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
BATCH = 20_000
PRODUCTS = 200


@dataclass
class Rig:
    """A home with a running database. `server_pid` is the postmaster."""

    home: Path
    dsn: str
    server_pid: int
    members: int = 0
    secret: str = ""
    web: subprocess.Popen[bytes] | None = None
    port: int = 0
    phones: list[str] = field(default_factory=list)

    def cpu_of(self, pid: int) -> float:
        """CPU seconds of a process and all it started, ended ones included, as the kernel counts them."""
        total = 0
        for child in tree(pid):
            try:
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            total += sum(int(f) for f in fields[11:15])
        return total / TICKS

    def cpu(self) -> float:
        """CPU seconds so far of PostgreSQL and of the web server, if it runs."""
        return self.cpu_of(self.server_pid) + (self.cpu_of(self.web.pid) if self.web else 0.0)


def tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh home with its own PostgreSQL, Django pointed at it, migrated. One per process."""
    with tempfile.TemporaryDirectory(prefix="shuke-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the database's own user passes through
        os.environ.update(SHUKE_HOME=str(home), DJANGO_SETTINGS_MODULE="shuke.config.settings")
        os.environ.pop("DATABASE_URL", None)
        os.environ["SHUKE_API_RATE_PER_MINUTE"] = "9000000"
        from shuke.kit import postgres
        from shuke.kit.crypto import ensure_keyset

        server = postgres.ensure_running(home, say=lambda text: None)
        ensure_keyset(home / "secrets" / "keyset.json")
        import django
        from django.core.management import call_command

        try:
            django.setup()
            call_command("migrate", verbosity=0)
            yield Rig(home, server.dsn, server.pid)
        finally:
            from django.db import connections

            connections.close_all()
            postgres.stop(home)


def seed(target: Rig, members: int, *, stored_value: bool = False, extra: str = "") -> None:
    """Bring the members up to a number, with a shop, products, a programme and an API key on the first call.

    `extra` is added to the programme, as YAML.
    """
    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now
    from shuke.members.operations import register_members_in_bulk
    from shuke.members.profile import Profile
    from shuke.members.values import NewMember

    if not target.secret:
        target.secret = _shop(stored_value, extra)
    while target.members < members:
        count = min(BATCH, members - target.members)
        start = target.members
        phones = [f"+86139{n:08d}" for n in range(start, start + count)]
        rows = [
            NewMember(profile=Profile(name=f"会员{n}", phone=phone)) for n, phone in enumerate(phones, start)
        ]
        register_members_in_bulk(actor=SYSTEM, now=now(), rows=rows)
        target.phones += phones
        target.members += count
    _statement("VACUUM (ANALYZE)")


def _statement(text: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(text)


def _shop(stored_value: bool, extra: str) -> str:
    """A shop with the demo programme in force, which may take stored value too; returns the API key's secret."""
    from shuke.catalog.models import Category, Channel, Product, Store
    from shuke.core.operations import create_api_key
    from shuke.core.values import SYSTEM, Scope
    from shuke.kit.clock import now
    from shuke.loyalty.operations import publish_programme

    at = now()
    Store.objects.create(code="S1", name="Bench", created_at=at)
    Channel.objects.get_or_create(code="pos", defaults={"name": "POS"})
    Category.objects.create(path="FOOD", name="Food", depth=1)
    Product.objects.bulk_create(
        Product(sku=f"P{n}", name=f"Product {n}", category_id="FOOD", price_minor=100 + 37 * n, created_at=at)
        for n in range(PRODUCTS)
    )
    source = (Path(__file__).parent.parent / "src/shuke/config/demo/programme.yaml").read_text(
        encoding="utf-8"
    )
    if stored_value and "\nstored_value:" not in source:
        source += "\nstored_value: {}\n"
    publish_programme(actor=SYSTEM, now=at, source=source + extra, effective_at=at.replace(year=at.year - 2))
    _, secret = create_api_key(
        actor=SYSTEM, now=at, name="bench", scopes=list(Scope), all_stores=True, store_ids=(), expires_at=None
    )
    return secret


@contextmanager
def served(target: Rig) -> Iterator[Rig]:
    """The web server as `shuke serve` runs it, on a free loopback port."""
    from shuke.config.environment import environment
    from shuke.config.serve import web_command

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target.port = probe.getsockname()[1]
    log = (target.home / "web.log").open("wb")
    target.web = subprocess.Popen(
        web_command(environment(), target.port),
        stdout=log,
        stderr=log,
        env=os.environ,
        start_new_session=True,
    )
    try:
        _wait_for(target)
        yield target
    finally:
        target.web.send_signal(signal.SIGTERM)
        target.web.wait(timeout=30)
        target.web = None
        log.close()


def _wait_for(target: Rig) -> None:
    for _ in range(1200):
        try:
            with socket.create_connection(("127.0.0.1", target.port), timeout=1) as sock:
                sock.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if b" 200 " in sock.recv(100):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError((target.home / "web.log").read_text(errors="replace")[-3000:])


def rows(statement: str, params: Any = None) -> list[tuple[Any, ...]]:
    """Rows of a statement in the rig's database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall())
