"""A file is read into cases, or everything that is wrong with it is said, each with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shuke.integrations.scenarios.document import read_cases, scenario_files
from shuke.integrations.scenarios.values import InvalidScenario
from tests.integrations.scenarios.conftest import Write, only_case, problems_of


def test_times_are_local_and_run_on(write: Write) -> None:
    case = only_case(
        write("""\
        programme: {time_zone: Europe/Berlin}
        steps:
          - at: 2026-03-28 10:00
            expire:
          - expire:
          - at: +1 day
            expire:
          - at: +90 seconds
            expire:
          - at: 2026-03-30T00:00:00+00:00
            expire:
        """)
    )
    assert [step.at for step in case.steps] == [
        datetime(2026, 3, 28, 9, 0, tzinfo=UTC),
        datetime(2026, 3, 28, 9, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 8, 1, tzinfo=UTC),  # summer time began: a day on the calendar has 23 hours
        datetime(2026, 3, 29, 8, 2, 30, tzinfo=UTC),
        datetime(2026, 3, 30, tzinfo=UTC),
    ]


def test_cases_share_what_stands_above_and_change_the_programme_each_for_itself(write: Write) -> None:
    first, second = read_cases(
        write("""\
        programme: {earning: [{id: base, give: 2, per: 1.00}]}
        steps:
          - commit: {member: ann, lines: {A: 1}}
            as: one
        cases:
          - case: kept
            programme: {policies: {refund_spent_points: keep}}
            members: {bob: {birthday: 1990-05-01}}
            steps: [{refund: one}]
          - case: returned
            steps: [{expire: }, {refund: one}]
        """)
    )
    assert (first.title, second.title) == ("A sale: kept", "A sale: returned")
    assert '"keep"' in first.programme
    assert '"keep"' not in second.programme
    assert '"give": "2"' in second.programme
    assert list(first.members) == ["ann", "bob"]
    assert list(second.members) == ["ann"]
    assert [step.name for step in first.steps] == ["commit", "refund"]
    assert [step.number for step in second.steps] == [1, 2, 3]


def test_a_base_lies_beside_the_scenario(write: Write, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "shuke: 1\ncode: b\nname: {zh-Hans: 甲}\ncurrency: HKD\ntime_zone: Asia/Tokyo\nassets: {points: {}}\n"
        "tiers: {metric: spend, levels: [{code: one, threshold: 0}]}\n",
        encoding="utf-8",
    )
    case = only_case(write("programme: {base: base.yaml, assets: {growth: {}}}\nsteps: [{expire: }]"))
    assert case.currency == "HKD"
    assert "growth" in case.programme


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps: [{comit: {lines: {A: 1}}}]", (4, "steps[0].comit", "unknown_step")),
        ("steps: [{commit: {lines: {A: 1}, membr: ann}}]", (4, "steps[0].commit.membr", "unknown_key")),
        ("steps: [{commit: {member: ann}}]", (4, "steps[0].commit.lines", "missing_key")),
        ("steps: [{commit: {lines: {A: many}}}]", (4, "steps[0].commit.lines.A", "not_decimal")),
        ("steps: [{expire: , refund: one}]", (4, "steps[0]", "one_act")),
        ("steps: [{at: yesterday, expire: }]", (4, "steps[0].at", "bad_instant")),
        ("steps:\n  - {at: 2026-02-01, expire: }\n  - {at: 2026-01-01, expire: }", (6, "steps[1].at", "time_runs_back")),
        ("steps: [{expire: , by: nobody}]", (4, "steps[0].by", "unknown_actor")),
        ("steps: [{commit: {lines: {A: 1}, member: bob}}]", (4, "steps[0].commit.member", "unknown_member")),
        ("steps: [{commit: {lines: {Z: 1}}}]", (4, "steps[0].commit.lines.Z", "unknown_product")),
        ("steps: [{commit: {lines: [{sku: Z}]}}]", (4, "steps[0].commit.lines[0].sku", "unknown_product")),
        ("steps: [{commit: {lines: {A: 1}, store: S9}}]", (4, "steps[0].commit.store", "unknown_store")),
        ("steps: [{refund: ann}]", (4, "steps[0].refund.order", "unknown_order")),
        ("steps: [{refund: late}, {commit: {lines: {A: 1}}, as: late}]", (4, "steps[0].refund.order", "unknown_order")),
        ("steps: [{buy_plan: {member: ann, plan: vip}}]", (4, "steps[0].buy_plan.plan", "unknown_plan")),
        ("steps: [{issue_coupon: {member: ann, coupon: ten}}]",
         (4, "steps[0].issue_coupon.coupon", "unknown_coupon_template")),
        ("steps: [{expire: , as: x}]", (4, "steps[0].as", "not_for_step")),
        ("steps: [{expire: , expect: {bob: {points: 1}}}]", (4, "steps[0].expect.bob", "unknown_name")),
        ("steps: []", (1, "steps", "missing_key")),
        ("about: nothing happens", (1, "steps", "missing_key")),
        ("stepz: []", (4, "stepz", "unknown_key")),
        ("programme: {base: nowhere.yaml}\nsteps: []", (4, "programme.base", "no_file")),
        ("programme:\n  policies: {tier_on_refund: never}", (5, "programme.policies.tier_on_refund", "not_allowed")),
        ("cases: [{steps: [{expire: }]}]", (4, "cases[0].case", "missing_key")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    write: Write, text: str, expected: tuple[int, str, str]
) -> None:
    assert expected in problems_of(write(text))


def test_everything_is_told_in_one_go(write: Write) -> None:
    """A fault in the programme hides none in the steps, nor one in a step the next ones."""
    path = write(
        """
        programme:
          tiers: {metric: spendd, levels: [{code: a, threshold: 0}]}
        staff: {eva: {stores: [S7]}, eva: {}}
        steps:
          - at: 2026-13-02
            commit: {member: bob, lines: {A: 1}, answr: 3}
            as: sale
          - comit: {member: ann}
            as: other
          - at: +3 days
            refund: other
          - {refund: sale, expect: {answr: {}}}
          - top_up: {member: ann, amount: 32 yuan}
          - publish: {tiers: {metric: spend}}
          - buy_plan: {member: ann, plan: vip}
        """
    )
    assert problems_of(path) == [
        (6, "programme.tiers.metric", "not_allowed"),
        (7, "staff.eva", "duplicate_key"),
        (9, "steps[0].at", "bad_instant"),
        (10, "steps[0].commit.member", "unknown_member"),
        (10, "steps[0].commit.answr", "unknown_key"),
        (12, "steps[1].comit", "unknown_step"),
        (16, "steps[3].expect.answr", "unknown_name"),
        (17, "steps[4].top_up.amount", "bad_amount"),
    ]


def test_a_member_is_listed_once(write: Write) -> None:
    path = write("cases:\n  - {case: a, members: [bob, bob], steps: [{expire: }]}")
    assert problems_of(path) == [(5, "cases[0].members[1]", "duplicate")]


def test_what_a_step_shows_to_be_refused_may_name_what_is_not_there(write: Write) -> None:
    steps = """
        steps:
          - {commit: {lines: {Z: 1}, store: S9}, expect: {refused: unknown_store}}
          - {redeem_reward: {member: ann, reward: cup}, expect: {refused: unknown_reward}}
          - publish: {plans: [{code: vip, price: 10, duration: {months: 1}}]}
          - buy_plan: {member: ann, plan: vip}
          - upload: {sales: [{lines: {Z: 1}, occurred_at: 2026-01-01}]}
        """
    assert len(only_case(write(steps)).steps) == 5


def test_a_problem_of_shared_steps_is_told_once(write: Write) -> None:
    path = write(
        "steps: [{comit: {}}]\ncases:\n  - {case: a, steps: [{expire: }]}\n  - {case: b, steps: [{expire: }]}"
    )
    assert problems_of(path) == [(4, "steps[0].comit", "unknown_step")]


def test_the_message_proposes_the_word_that_was_meant(write: Write) -> None:
    with pytest.raises(InvalidScenario, match="did you mean “commit”"):
        read_cases(write("steps: [{comit: {lines: {A: 1}}}]"))


def test_folders_hold_scenarios_and_their_bases(write: Write, tmp_path: Path) -> None:
    scenario = write("steps: [{expire: }]")
    (tmp_path / "base.yaml").write_text("shuke: 1\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("scenario: no\n", encoding="utf-8")
    assert scenario_files([tmp_path, scenario]) == [scenario]
