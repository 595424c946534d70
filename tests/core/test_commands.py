"""What the shell shows and how it exits."""

from __future__ import annotations

import pytest
from django.db import connection
from typer.testing import CliRunner

from shuke.core import commands, staff_commands
from shuke.core.models import AuditEvent, Staff
from shuke.core.operations import record_audit
from shuke.core.values import SYSTEM
from tests.core.races import settle
from tests.factories.core import NOW, PASSWORD

runner = CliRunner()


def write(count: int) -> None:
    for _ in range(count):
        record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW)
    settle()


@pytest.mark.django_db(transaction=True)
def test_seal_and_verify() -> None:
    write(3)
    sealed = runner.invoke(commands.app, ["seal"])
    assert sealed.exit_code == 0 and "Seal 1: 3 rows" in sealed.output
    assert "Nothing to seal." in runner.invoke(commands.app, ["seal"]).output
    write(1)
    good = runner.invoke(commands.app, ["verify"])
    assert good.exit_code == 0
    assert "3 rows in 1 seals, 1 rows not sealed yet." in good.output
    head = good.output.split("Head: ")[1].split()[0]
    assert runner.invoke(commands.app, ["verify", "--head", head]).exit_code == 0
    assert runner.invoke(commands.app, ["verify", "--head", "9:" + "ab" * 16]).exit_code == 1
    assert runner.invoke(commands.app, ["verify", "--head", "nonsense"]).exit_code == 2


@pytest.mark.django_db(transaction=True)
def test_verify_names_the_row_and_exits_with_1() -> None:
    write(3)
    runner.invoke(commands.app, ["seal"])
    row = AuditEvent.objects.order_by("id")[1]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE core_auditevent SET actor_name = 'someone' WHERE id = %s", [row.id])
        cursor.execute("ALTER TABLE core_auditevent ENABLE TRIGGER USER")
    bad = runner.invoke(commands.app, ["verify"])
    assert bad.exit_code == 1
    assert f"DIFFERENT (row_altered): row {row.id} (test.acted.v1" in bad.output and "in seal 1" in bad.output


@pytest.mark.django_db
def test_first_owner_from_the_shell() -> None:
    made = runner.invoke(
        staff_commands.app, ["create", "Boss", "--name", "王老板"], input=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert made.exit_code == 0, made.output
    staff = Staff.objects.get()
    assert (staff.username, staff.role, staff.display_name, staff.all_stores) == (
        "boss",
        "owner",
        "王老板",
        True,
    )
    assert staff.check_password(PASSWORD) and PASSWORD not in made.output
    again = runner.invoke(staff_commands.app, ["create", "BOSS"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert again.exit_code == 1 and Staff.objects.count() == 1 and "Traceback" not in again.output


@pytest.mark.django_db
def test_password_and_unlock_from_the_shell() -> None:
    runner.invoke(staff_commands.app, ["create", "boss"], input=f"{PASSWORD}\n{PASSWORD}\n")
    changed = runner.invoke(
        staff_commands.app, ["password", "boss"], input="a longer one 77\na longer one 77\n"
    )
    assert changed.exit_code == 0 and Staff.objects.get().check_password("a longer one 77")
    assert runner.invoke(staff_commands.app, ["unlock", "boss"]).exit_code == 0
    assert runner.invoke(staff_commands.app, ["unlock", "nobody"]).exit_code == 1
    actions = list(AuditEvent.objects.order_by("id").values_list("action", "actor_kind"))
    assert actions == [
        ("core.staff_created.v1", "system"), ("core.staff_password_set.v1", "system"), ("core.staff_unlocked.v1", "system")
    ]  # fmt: skip
