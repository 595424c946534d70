"""The commands of the ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from typer.testing import CliRunner

from shuke.core.values import SYSTEM
from shuke.kit import clock
from shuke.ledger.commands import app
from shuke.ledger.models import Lot
from shuke.ledger.operations import place_hold
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


def test_reconcile_prints_figures_and_ends_with_0() -> None:
    give(make_member().id, 1200)
    result = CliRunner().invoke(app, ["reconcile"])
    assert result.exit_code == 0
    assert "checked 1 transfers, 2 entries, 1 lots, 1 accounts in" in result.output
    assert ": clean" in result.output
    assert "points: 1,200 outstanding" in result.output


def test_reconcile_prints_differences_and_ends_with_1() -> None:
    give(make_member().id, 10)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_account SET balance = 11")
    result = CliRunner().invoke(app, ["reconcile"])
    assert result.exit_code == 1
    assert "NOT CLEAN" in result.output
    assert "balance_is_entries: 1 differences" in result.output
    assert "expected 10, found 11" in result.output


def test_expire_works_through_all_batches() -> None:
    now = clock.now()
    for _ in range(3):
        give(make_member().id, 5, at=now - timedelta(days=9), expires_at=now - timedelta(days=1))
    result = CliRunner().invoke(app, ["expire", "--batch", "2"])
    assert (result.exit_code, result.output) == (0, "3 lots expired\n")
    assert not Lot.objects.filter(remaining__gt=0).exists()


def test_expire_first_ends_the_holds_whose_time_is_over() -> None:
    now = clock.now()
    member = make_member().id
    give(member, 5, at=now - timedelta(days=9), expires_at=now - timedelta(days=1))
    then = now - timedelta(days=8)
    place_hold(
        actor=SYSTEM,
        member_id=member,
        asset="points",
        amount=5,
        reason="r",
        now=then,
        until=now - timedelta(hours=1),
    )
    result = CliRunner().invoke(app, ["expire"])
    assert (result.exit_code, result.output) == (0, "1 lots expired\n")


def test_activate_works_through_all_batches() -> None:
    now = clock.now()
    for _ in range(3):
        give(make_member().id, 5, at=now - timedelta(days=9), active_at=now - timedelta(days=1))
    result = CliRunner().invoke(app, ["activate", "--batch", "2"])
    assert (result.exit_code, result.output) == (0, "3 lots are usable now\n")
    assert not Lot.objects.filter(pending=True).exists()
