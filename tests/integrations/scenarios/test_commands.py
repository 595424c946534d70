"""The command: exit codes, text and JSON, in a database of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from typer.testing import CliRunner

from shuke.integrations.scenarios.commands import app
from shuke.integrations.scenarios.registry import STEPS
from shuke.integrations.scenarios.sandbox import PREFIX
from shuke.members.models import Member
from tests.factories.members import make_member
from tests.integrations.scenarios.conftest import Write

GOOD = "steps:\n  - {commit: {member: ann, lines: {A: 1}}, expect: {ann: {points: 10}}}\n"
WRONG = "steps:\n  - {commit: {member: ann, lines: {A: 1}}, expect: {ann: {points: 11}}}\n"


@pytest.mark.django_db(transaction=True)
def test_a_run_uses_a_database_of_its_own_and_drops_it(write: Write) -> None:
    make_member()
    path = write(GOOD)
    result = CliRunner().invoke(app, ["run", str(path), "--verbose"])
    assert result.exit_code == 0, result.output
    assert "1 scenario, 1 step: 1 as expected, 0 differ" in result.output
    assert f"ok    {path}: A sale" in result.output

    wrong = write(WRONG)
    told = CliRunner().invoke(app, ["run", str(wrong)])
    assert told.exit_code == 1
    assert (
        f"{wrong}:5: step 1, commit at 2026-01-01 10:00\n    ann.points: expected 11, found 10" in told.output
    )

    as_json = CliRunner().invoke(app, ["run", str(wrong.parent), "--json"])
    assert as_json.exit_code == 1
    (scenario,) = json.loads(as_json.stdout)["scenarios"]
    assert scenario["differences"] == [
        {
            "line": 5,
            "step": "step 1, commit at 2026-01-01 10:00",
            "where": "ann.points",
            "expected": "11",
            "found": "10",
        }
    ]
    assert Member.objects.count() == 1  # we are back, and nobody was enrolled here
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
        assert cursor.fetchone()[0] == 0


def test_a_bad_file_is_told_with_its_lines_and_nothing_runs(write: Write) -> None:
    path = write("steps: [{comit: {}}]")
    result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code == 2
    assert f"{path}:4: steps[0].comit: there is no step “comit”; did you mean “commit”?" in result.output
    as_json = CliRunner().invoke(app, ["run", str(path), "--json"])
    assert json.loads(as_json.stdout)["problems"][0]["code"] == "unknown_step"


def test_steps_are_listed() -> None:
    result = CliRunner().invoke(app, ["steps"])
    assert "commit" in result.output
    assert "review_tiers" in result.output


def test_every_step_is_documented() -> None:
    told = (Path(__file__).parents[3] / "docs" / "integrate" / "scenarios.md").read_text(encoding="utf-8")
    assert [name for name in STEPS if f"`{name}`" not in told] == []
