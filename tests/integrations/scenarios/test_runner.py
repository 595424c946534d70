"""A case acts through the real operations, tells each difference, proves the laws, and leaves nothing behind."""

from __future__ import annotations

import pytest
from django.db import connection

from shuke.checkout.models import Order
from shuke.integrations.scenarios.runner import run_case
from shuke.loyalty.models import ProgrammeVersion
from tests.integrations.scenarios.conftest import Write, only_case

pytestmark = pytest.mark.django_db


def test_differences_name_line_step_figure_and_both_values(write: Write) -> None:
    outcome = run_case(
        only_case(
            write("""\
            steps:
              - at: 2026-03-01 10:00
                commit: {member: ann, lines: {A: 2, B: 1}}
                as: one
                expect:
                  answer: {payable: 22.50, points_earned: 23, lines: {B: {payable: 2.40}}}
                  ann: {points: 22, tier: gold}
                  one: {status: committed}
            """)
        )
    )
    assert [(d.line, d.step, str(d)) for d in outcome.differences] == [
        (9, "step 1, commit at 2026-03-01 10:00", "answer.points_earned: expected 23, found 22"),
        (9, "step 1, commit at 2026-03-01 10:00", "answer.lines.B.payable: expected 2.40, found 2.50"),
        (10, "step 1, commit at 2026-03-01 10:00", "ann.tier: expected gold, found member"),
    ]


def test_nothing_stays(write: Write) -> None:
    case = only_case(write("steps: [{commit: {member: ann, lines: {A: 1}}}]"))
    assert run_case(case).passed
    assert run_case(case).passed
    assert not Order.objects.exists()
    assert not ProgrammeVersion.objects.exists()


def test_a_refusal_that_nobody_expected_ends_the_case(write: Write) -> None:
    outcome = run_case(
        only_case(
            write(
                "steps:\n  - commit: {member: ann, lines: {A: 1}, channel: moon}\n  - expect: {ann: {points: 5}}"
            )
        )
    )
    (difference,) = outcome.differences
    assert difference.found.startswith("refused: unknown_channel (channel): ")


def test_a_refusal_that_did_not_come_is_a_difference(write: Write) -> None:
    outcome = run_case(
        only_case(
            write("steps:\n  - commit: {member: ann, lines: {A: 1}}\n    expect: {refused: unknown_product}")
        )
    )
    assert [str(d) for d in outcome.differences] == [
        "refused: expected unknown_product, found an answer: it was done"
    ]


def test_an_unknown_figure_lists_those_that_there_are(write: Write) -> None:
    outcome = run_case(
        only_case(write("steps:\n  - commit: {member: ann, lines: {A: 1}}\n    expect: {ann: {pionts: 10}}"))
    )
    (difference,) = outcome.differences
    assert difference.where == "ann.pionts"
    assert difference.found.startswith("no such figure; there are: ")
    assert {"points", "growth", "lots", "tier"} <= set(difference.found.partition(": ")[2].split(", "))


def test_a_name_whose_step_was_refused_is_told_with_those_that_exist(write: Write) -> None:
    steps = """
steps:
  - {commit: {member: ann, lines: {A: 1}}, as: one}
  - {commit: {member: ann, lines: {X: 1}}, as: two, expect: {refused: unknown_product}}
  - refund: two
"""
    outcome = run_case(only_case(write(steps)))
    assert [d.found for d in outcome.differences] == ["there is no order “two”; there are: one"]


def test_a_broken_book_is_told_even_if_no_figure_was_looked_at(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shuke.integrations.scenarios import runner

    proof = runner.reconcile

    def damaged() -> object:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE ledger_account SET balance = balance + 1")
        return proof()

    monkeypatch.setattr(runner, "reconcile", damaged)
    outcome = run_case(only_case(write("steps: [{commit: {member: ann, lines: {A: 1}}}]")))
    assert any(d.where.startswith("ledger.") for d in outcome.differences)
