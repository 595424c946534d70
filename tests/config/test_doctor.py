"""The doctor sees what is wrong and says what to do."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from shuke.config import doctor
from shuke.config.doctor import Finding, examine, is_production, to_json, to_text
from shuke.config.environment import Environment, environment, read_environment
from shuke.config.runtime import KeysetProblem
from shuke.kit import clock


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def home_with(tmp_path: Path, **variables: str) -> Environment:
    return read_environment({"SHUKE_HOME": str(tmp_path), **variables})


@pytest.mark.django_db
def test_a_sound_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_subject(examine())
    for subject in (
        "Shuke",
        "Reachable",
        "Secrets",
        "Keys",
        "Web and jobs",
        "Database",
        "Migrations",
        "Jobs",
    ):
        assert found[subject].level == "OK", found[subject]
    # The test server is fast and careless: that must be seen.
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        careless = cursor.fetchone()[0] == "off"
    assert found["Durability"].level == ("BAD" if careless else "OK")


def test_text_and_json_say_the_same() -> None:
    findings = [Finding("OK", "Disk", "fine"), Finding("BAD", "Keys", "lost", "Restore them.")]
    assert to_text(findings) == "OK    Disk: fine\nBAD   Keys: lost\n      → Restore them."
    assert json.loads(to_json(findings)) == {
        "worst": "BAD",
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    env = home_with(tmp_path)
    (env.secrets_dir / "django_secret_key").chmod(0o644)
    found = by_subject(list(doctor._home(env)))["Secrets"]
    assert found.level == "BAD" and "django_secret_key" in found.state and "chmod" in found.advice


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = home_with(tmp_path)
    for free, level in ((1 << 29, "BAD"), (2 << 30, "WARN"), (9 << 30, "OK")):
        usage = type("Usage", (), {"free": free, "total": 100 << 30})
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path, usage=usage: usage)
        assert by_subject(list(doctor._home(env)))["Disk"].level == level


def test_a_damaged_keyset(tmp_path: Path) -> None:
    env = home_with(tmp_path)
    assert next(doctor._keys(env)).level == "OK"
    env.keyset_path.write_text('{"primary": "k9", "keys": {}}')
    assert next(doctor._keys(env)).level == "BAD"


def test_production_is_held_to_more(tmp_path: Path) -> None:
    assert not is_production(home_with(tmp_path))
    env = home_with(tmp_path, SHUKE_ALLOWED_HOSTS="shop.example", SHUKE_HOST="0.0.0.0", SHUKE_DEBUG="1")
    assert is_production(env)
    found = by_subject(list(doctor._settings(env)))
    assert found["SHUKE_DEBUG"].level == "BAD"
    assert found["Cookies"].level == "WARN"
    behind_a_proxy = home_with(tmp_path, SHUKE_SECURE_COOKIES="1")
    assert by_subject(list(doctor._settings(behind_a_proxy)))["Forms"].level == "WARN"
    complete = home_with(tmp_path, SHUKE_SECURE_COOKIES="1", SHUKE_TRUSTED_ORIGINS="https://shop.example")
    assert {finding.level for finding in doctor._settings(complete)} == {"OK"}


def test_an_old_bundle_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = home_with(tmp_path)
    released = clock.now() - timedelta(days=doctor.BUNDLE_FRESH_DAYS + 1)
    monkeypatch.setattr(doctor.binaries, "WHEEL_RELEASED", released.date().isoformat())
    found = by_subject(list(doctor._embedded_server(env)))
    assert found["Embedded PostgreSQL's age"].level == "WARN"
    assert "no database yet" in found["Embedded PostgreSQL"].state


def test_misspelt_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHUKE_PROT", "1")
    assert by_subject(list(doctor._settings(home_with(tmp_path))))["SHUKE_PROT"].level == "WARN"


@pytest.mark.django_db
def test_pending_migrations_and_failed_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
        pending = next(doctor._migrations(cursor))
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('q', 't', 'failed')"
        )
        failed = next(doctor._jobs(cursor))
    assert pending.level == "WARN" and "sessions.0001_initial" in pending.state
    assert failed.level == "WARN" and "1 failed" in failed.state


@pytest.mark.django_db
def test_an_overdue_seal() -> None:
    def seal(number: int, hours_ago: int) -> Finding:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO core_auditseal (number, sealed_at, after_txid, through_txid, rows, root, previous, hash) "
                "VALUES (%s, %s, 0, 0, 0, '', '', '')",
                [number, clock.now() - timedelta(hours=hours_ago)],
            )
            return next(doctor._audit(cursor))

    assert seal(1, 30).level == "WARN"
    assert seal(2, 1).level == "OK"


def test_another_index_key_is_a_finding_about_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_given: object) -> None:
        raise KeysetProblem("keyset.json does not fit this database")

    monkeypatch.setattr(doctor, "django_ready", refuse)
    [found] = doctor._database(embedded=True)
    assert (found.level, found.subject) == ("BAD", "Keys")
    assert "does not fit" in found.state
    assert found.advice


def test_an_unreachable_database_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(doctor, "django_ready", refuse)
    found = by_subject(doctor._database(embedded=False))["Database"]
    assert found.level == "BAD" and "no route to host" in found.state
    assert environment().database_url is not None
