"""Every scenario that is shipped holds, and the book reconciles after each."""

from __future__ import annotations

from pathlib import Path

import pytest

from shuke.integrations.scenarios.document import read_cases, scenario_files
from shuke.integrations.scenarios.runner import run_case

ROOT = Path(__file__).parents[3] / "scenarios"
FILES = scenario_files([ROOT])


@pytest.mark.django_db
@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_scenario(file: Path) -> None:
    wrong = [
        f"{outcome.case.title}\n    line {difference.line}, {difference.step}: {difference}"
        for outcome in map(run_case, read_cases(file))
        for difference in outcome.differences
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_there_are_as_many_as_promised() -> None:
    cases = [case for file in FILES for case in read_cases(file)]
    assert len({case.title for case in cases}) == len(cases)
    assert len(cases) >= 250
