"""`shuke scenario …`: run scenarios, say exactly what differs, and tell it by the exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from django.utils import translation

from shuke.integrations.scenarios.document import read_cases, scenario_files
from shuke.integrations.scenarios.registry import STEPS
from shuke.integrations.scenarios.runner import run_case
from shuke.integrations.scenarios.sandbox import throw_away_database
from shuke.integrations.scenarios.values import Case, InvalidScenario, Outcome

DIFFERENT, UNUSABLE = 1, 2

app = typer.Typer(name="scenario", help="Run scenarios: the conformance kit.", no_args_is_help=True)


@app.callback()
def _speak_english(context: typer.Context) -> None:
    """The commands speak one language, whatever the site's default is."""
    context.with_resource(translation.override("en"))


@app.command()
def run(
    paths: Annotated[
        list[Path], typer.Argument(help="Scenario files, or folders of them.", metavar="FILE|DIR…")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
    only: Annotated[str, typer.Option(help="Only scenarios whose title holds these words.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="Name the scenarios that pass, too.")] = False,
) -> None:
    """Run scenarios in a database of their own, each rolled back.

    Exit code 0: all as expected. 1: something differs. 2: a file cannot be run; nothing was.
    """
    cases = [case for case in _read(paths, as_json) if only.lower() in case.title.lower()]
    if not cases:
        typer.echo("There is no scenario to run.", err=True)
        raise typer.Exit(UNUSABLE)
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    with throw_away_database():
        prepared = time.perf_counter() - started
        for case in cases:
            outcomes.append(run_case(case))
            if not as_json:
                _tell(outcomes[-1], verbose)
    _sum_up(outcomes, prepared, as_json)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(DIFFERENT)


@app.command()
def check(paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…")]) -> None:
    """Read scenarios and say what is wrong with them, without running any."""
    cases = _read(paths, as_json=False)
    typer.echo(f"{_counted(len(cases), 'scenario')} can be run.")


@app.command()
def steps() -> None:
    """List the acts that a step can ask for."""
    for name in sorted(STEPS):
        told = (STEPS[name].run.__doc__ or "").strip().splitlines()
        typer.echo(f"{name:22} {told[0] if told else ''}".rstrip())


def _read(paths: Sequence[Path], as_json: bool) -> list[Case]:
    """All cases, or everything that is wrong with the files as file:line: path: problem, and exit code 2."""
    cases: list[Case] = []
    problems: list[dict[str, Any]] = []
    for path in paths:
        if not path.exists():
            problems.append(
                {
                    "file": str(path),
                    "line": 1,
                    "path": "",
                    "code": "no_file",
                    "message": "no such file or folder",
                }
            )
    for file in scenario_files(path for path in paths if path.exists()):
        try:
            cases += read_cases(file)
        except InvalidScenario as error:
            problems += [
                {
                    "file": str(file),
                    "line": problem.line,
                    "path": problem.path,
                    "code": problem.code,
                    "message": problem.message,
                }
                for problem in error.problems
            ]
        except OSError as error:
            problems.append(
                {"file": str(file), "line": 1, "path": "", "code": "no_file", "message": error.strerror}
            )
    if problems:
        if as_json:
            typer.echo(json.dumps({"problems": problems}, ensure_ascii=False, indent=2))
        for each in () if as_json else problems:
            typer.echo(
                f"{each['file']}:{each['line']}: {each['path']}{': ' * bool(each['path'])}{each['message']}",
                err=True,
            )
        raise typer.Exit(UNUSABLE)
    return cases


def _tell(outcome: Outcome, verbose: bool) -> None:
    case = outcome.case
    if outcome.passed:
        if verbose:
            typer.echo(f"ok    {case.file}: {case.title}")
        return
    typer.echo(f"DIFFERS {case.file}: {case.title}")
    for each in outcome.differences:
        typer.echo(f"  {case.file}:{each.line}: {each.step}")
        typer.echo(f"    {each.where}: expected {each.expected}, found {each.found}")


def _sum_up(outcomes: Sequence[Outcome], prepared: float, as_json: bool) -> None:
    seconds = sum(outcome.seconds for outcome in outcomes)
    failed = sum(not outcome.passed for outcome in outcomes)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "scenarios": [_as_json(outcome) for outcome in outcomes],
                    "passed": len(outcomes) - failed,
                    "failed": failed,
                    "seconds": round(seconds, 3),
                    "seconds_to_prepare": round(prepared, 3),
                },
                ensure_ascii=False,
                indent=2,
            )
        )
        return
    steps = sum(len(outcome.case.steps) for outcome in outcomes)
    typer.echo(
        f"{_counted(len(outcomes), 'scenario')}, {_counted(steps, 'step')}: {len(outcomes) - failed} as expected,"
        f" {failed} {'differs' if failed == 1 else 'differ'}; {seconds:.1f} s"
        f" ({60 * len(outcomes) / max(seconds, 0.001):,.0f} a minute), {prepared:.1f} s to make the database"
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": str(outcome.case.file),
        "line": outcome.case.line,
        "title": outcome.case.title,
        "passed": outcome.passed,
        "seconds": round(outcome.seconds, 4),
        "differences": [
            {"line": e.line, "step": e.step, "where": e.where, "expected": e.expected, "found": e.found}
            for e in outcome.differences
        ],
    }
