"""Scenario files out of a few lines, read and run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from shuke.integrations.scenarios.document import read_cases
from shuke.integrations.scenarios.values import Case, InvalidScenario

HEAD = """\
scenario: A sale
catalog: {products: {A: 10.00, B: 2.50}}
members: [ann]
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A scenario file that begins with HEAD and goes on with these lines."""

    def made(text: str) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_text(HEAD + dedent(text), encoding="utf-8")
        return path

    return made


def only_case(path: Path) -> Case:
    (case,) = read_cases(path)
    return case


def problems_of(path: Path) -> list[tuple[int, str, str]]:
    """(line, path, code) of everything that is wrong."""
    with pytest.raises(InvalidScenario) as caught:
        read_cases(path)
    return [(problem.line, problem.path, problem.code) for problem in caught.value.problems]
