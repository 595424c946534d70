"""The explanations at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from shuke.checkout.explain_commands import app
from shuke.core.errors import InvalidInput, NotFound
from shuke.kit import clock
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.factories.checkout import make_shop, sell
from tests.factories.core import NOW
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> Iterator[Member]:
    make_shop()
    monkeypatch.setattr(clock, "now", lambda: NOW)
    made = make_member(now=NOW - 60 * DAY)
    sell(("A", 150), now=NOW - 10 * DAY, member=made, number="FIRST")
    sell(("A", 3), now=NOW - 5 * DAY, member=made, points=1000, number="PAID")
    yield made
    forget_versions()


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_balance_now_and_then(member: Member) -> None:
    now = told("balance", member.number)
    assert "adds up" in now
    assert "-1,000" in now
    assert "500 of 1,500" in now
    then = told("balance", str(member.id), "--as-of", (NOW - 6 * DAY).isoformat())
    assert "1,500 of 1,500" in then
    assert "-1,000" not in then
    assert f"{member.number} points: 0 as of" in told(
        "balance", member.number, "--known-at", (NOW - 20 * DAY).isoformat()
    )


def test_a_tier_and_an_order(member: Member) -> None:
    tier = told("tier", member.number)
    assert "(silver)" in tier
    assert "decided by ¥1,500.00, added up again ¥1,500.00 under version 1" in tier
    assert "(classic)" in told("tier", member.number, "--as-of", (NOW - 11 * DAY).date().isoformat())
    order = told("order", "PAID")
    assert "A × 3" in order
    assert "lot " in order
    assert "-1,000 points" in order


def test_what_cannot_be_told_is_refused(member: Member) -> None:
    for arguments, refusal in (
        (("order", "NONE"), NotFound),
        (("balance", "000000000000"), NotFound),
        (("order", "PAID", "--as-of", "2020-01-01"), InvalidInput),
        (("tier", member.number, "--as-of", "someday"), InvalidInput),
        (("tier", member.number, "--as-of", "2999-01-01"), InvalidInput),
    ):
        with pytest.raises(refusal):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
