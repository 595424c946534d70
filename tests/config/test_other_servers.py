"""DATABASE_URL: the oldest PostgreSQL that is promised, as Debian packages it, takes the migrations and works."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "postgres").exists(), reason="Debian's postgresql-15 is not installed"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def debian_url() -> Iterator[str]:
    """A throw-away server of version 15, run by an unprivileged user."""
    user = "nobody" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="shuke-debian-", ignore_cleanup_errors=True) as name:
        if user:
            os.chown(name, pwd.getpwnam(user).pw_uid, -1)
        data, password = Path(name) / "data", Path(name) / "password"
        password.write_text("geheim\n")
        password.chmod(0o644)
        how = ("-A", "scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        subprocess.run(
            [PROGRAMS / "initdb", "-D", data, "-U", "owner", f"--pwfile={password}", *how],
            user=user,
            check=True,
            capture_output=True,
            cwd="/",
        )
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": name,
            "fsync": "off",
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        server = subprocess.Popen(
            [PROGRAMS / "postgres", "-D", data, *settings], user=user, stderr=subprocess.DEVNULL, cwd="/"
        )
        try:
            url = f"postgres://owner:geheim@127.0.0.1:{port}/postgres"
            wait_for(url)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE ROLE shop LOGIN PASSWORD 'geheim'")
                connection.execute("CREATE DATABASE shop OWNER shop ENCODING 'UTF8' TEMPLATE template0")
            yield f"postgres://shop:geheim@127.0.0.1:{port}/shop"
        finally:
            server.terminate()
            server.wait(timeout=30)
            shutil.rmtree(data, ignore_errors=True)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)


def shuke(url: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shuke.config.cli", *arguments],
        env={**os.environ, "DATABASE_URL": url, "SHUKE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


SMOKE = """
from django.test import Client
from shuke.kit import clock
from shuke.core.models import AuditEvent
from shuke.core.operations import record_audit, seal_audit
from shuke.core.values import SYSTEM
from django.db import transaction
with transaction.atomic():
    record_audit(actor=SYSTEM, action="test.smoke", now=clock.now())
seal_audit(now=clock.now())
assert AuditEvent.objects.filter(action="test.smoke").count() == 1
assert Client(SERVER_NAME="localhost").get("/login").status_code == 200
print("smoke passed")
"""


def test_an_ordinary_role_on_postgresql_15_is_enough(debian_url: str, tmp_path: Path) -> None:
    migrated = shuke(debian_url, tmp_path, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "OK" in migrated.stdout
    smoke = shuke(debian_url, tmp_path, "manage", "shell", "-v", "0", "-c", SMOKE)
    assert "smoke passed" in smoke.stdout, smoke.stderr
    worker = shuke(debian_url, tmp_path, "worker", "--until-empty")
    assert worker.returncode == 0, worker.stderr
    doctor = shuke(debian_url, tmp_path, "doctor")
    assert "shop on PostgreSQL 15" in doctor.stdout
    assert "OK    Migrations: all applied" in doctor.stdout
    assert not (tmp_path / "postgres").exists()  # no embedded server was started beside it
    again = shuke(debian_url, tmp_path, "migrate")
    assert "No migrations to apply" in again.stdout
