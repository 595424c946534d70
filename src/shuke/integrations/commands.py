"""`shuke import …`: members, products, stores and orders out of files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from django.utils import translation
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from shuke.integrations.files import read_headers
from shuke.integrations.mapping import Mapping, load_mapping, suggest, with_options
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, OnExisting, Options, Outcome, Work
from shuke.kit.clock import now
from shuke.kit.errors import ShukeError
from shuke.kit.money import to_text

HELD = "Until this run ends, tills cannot sell to the members of the file."
QUIET_SECONDS = 60.0

app = typer.Typer(
    no_args_is_help=True,
    help="Import CSV, XLSX and Parquet files. Rows with errors are listed in FILE.errors.csv with their reason.",
)

_Mapping = Annotated[Path | None, typer.Option(help="YAML file: which column is which field.")]
_Suggest = Annotated[bool, typer.Option("--suggest-mapping", help="Print a mapping to start from, and stop.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything, then take it back.")]
_Encoding = Annotated[str, typer.Option(help="Encoding of a CSV file, when it is not found out rightly.")]
_Sheet = Annotated[str, typer.Option(help="Sheet of a workbook; the first one without it.")]
_Restart = Annotated[
    bool, typer.Option("--restart/--resume", help="Import a file anew that was imported or interrupted.")
]
_Whole = Annotated[bool, typer.Option("--all-or-nothing", help="One error, and nothing is imported.")]
_Existing = Annotated[OnExisting, typer.Option(help="What happens to rows that are there already.")]
_Workers = Annotated[int, typer.Option(min=0, max=16, help="Processes that write orders; 0 chooses.")]


def default_workers() -> int:
    """Two where there are two processors: one prices while the database takes in what the other has priced."""
    return min(2, os.cpu_count() or 1)


def _register(kind: Kind) -> None:
    def with_existing(
        file: Path, mapping: _Mapping = None, suggest_mapping: _Suggest = False, dry_run: _DryRun = False,
        encoding: _Encoding = "", sheet: _Sheet = "", restart: _Restart = False, all_or_nothing: _Whole = False,
        on_existing: _Existing = OnExisting.SKIP,
    ) -> None:  # fmt: skip
        options = Options(
            encoding=encoding, sheet=sheet, dry_run=dry_run, restart=restart, all_or_nothing=all_or_nothing,
            on_existing=on_existing,
        )  # fmt: skip
        _import(kind, file, mapping, suggest_mapping, options)

    app.command(kind.value, help=f"Import {kind.value} from FILE.")(with_existing)


for _kind in (Kind.MEMBERS, Kind.PRODUCTS, Kind.STORES):
    _register(_kind)


@app.command("orders")
def orders(
    file: Path, mapping: _Mapping = None, suggest_mapping: _Suggest = False, dry_run: _DryRun = False,
    encoding: _Encoding = "", sheet: _Sheet = "", restart: _Restart = False, all_or_nothing: _Whole = False,
    workers: _Workers = 0,
) -> None:  # fmt: skip
    """Import past orders from FILE, one row per line. They earn through the same rules as live ones."""
    options = Options(
        encoding=encoding, sheet=sheet, dry_run=dry_run, restart=restart, all_or_nothing=all_or_nothing,
        workers=workers or default_workers(),
    )  # fmt: skip
    _import(Kind.ORDERS, file, mapping, suggest_mapping, options)


def _import(
    kind: Kind, path: Path, mapping_path: Path | None, suggest_mapping: bool, options: Options
) -> None:
    with translation.override(_language()), _refusals():
        mapping = load_mapping(mapping_path, kind) if mapping_path else None
        if suggest_mapping:
            bare = with_options(
                Mapping(kind=kind, columns={}), encoding=options.encoding, sheet=options.sheet
            )
            typer.echo(suggest(read_headers(path, bare), kind), nl=False)
            return
        began = time.monotonic()
        with progress_bar(kind.value) as progress:
            outcome = run_import(
                kind=kind, path=path, mapping=mapping, options=options, clock=now, progress=progress
            )
        for line in describe(outcome, path, options, time.monotonic() - began):
            typer.echo(line)
    if outcome.error_rows:
        raise typer.Exit(3)


def describe(outcome: Outcome, path: Path, options: Options, seconds: float) -> Iterator[str]:
    """The outcome as lines for a person."""
    counts = outcome.counts
    if outcome.already_imported:
        yield f"{path.name} was already imported; nothing is changed. Use --restart to try its refused rows again."
        return
    figures = [
        f"{counts.imported:,} imported",
        f"{counts.updated:,} updated",
        f"{counts.skipped:,} there already",
    ]
    figures.append(f"{counts.refused:,} refused")
    resumed = " The interrupted import was continued." if outcome.resumed else ""
    yield f"{outcome.rows:,} {'row' if outcome.rows == 1 else 'rows'} in {seconds:.1f} s: {', '.join(figures)}.{resumed}"
    if counts.lines:
        yield f"{counts.lines:,} lines, {to_text(counts.sales_minor)} in sales, {counts.points:,} points earned."
    if outcome.error_rows:
        codes = ", ".join(f"{code} ({count:,})" for code, count in sorted(outcome.error_codes.items()))
        yield f"{outcome.error_rows:,} errors: {codes}. They are listed in {outcome.errors_file}."
    if outcome.rolled_back:
        yield (
            "Dry run: nothing was changed."
            if options.dry_run
            else "Nothing was changed, because there are errors."
        )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[Work], None]]:
    """A bar with rows done, rows per second and the time left, on a terminal; a line a minute elsewhere."""
    if not sys.stderr.isatty():
        yield lines_of_progress(what, time.monotonic)
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"{what}: checking", total=None, rate="")
        began = time.monotonic()

        def show(work: Work) -> None:
            nonlocal began
            if work.phase == "plan":
                return
            if work.phase == "hold":
                bar.console.print(HELD)
                return
            if work.done == 0:
                began = time.monotonic()
            speed = work.done / max(time.monotonic() - began, 0.001)
            bar.update(
                task,
                description=what,
                completed=work.done,
                total=work.total,
                rate=f"{speed:,.0f} {work.phase}/s",
            )

        yield show


def lines_of_progress(what: str, seconds: Callable[[], float]) -> Callable[[Work], None]:
    """For pipes and logs: a line on stderr at most every `QUIET_SECONDS`, none for what is over before.

    That a run keeps tills waiting is said at once.
    """
    said = seconds()

    def show(work: Work) -> None:
        nonlocal said
        if work.phase == "hold":
            typer.echo(HELD, err=True)
        if work.done and seconds() - said >= QUIET_SECONDS:
            said = seconds()
            typer.echo(f"{what}: {work.done:,} of {work.total:,} {work.phase}", err=True)

    return show


def _language() -> str:
    """The language of the shell, for the reasons in the error file."""
    name = next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), "")
    if name.startswith("zh"):
        return "zh-hant" if name[3:5] in {"TW", "HK", "MO"} else "zh-hans"
    return "en"


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal is one sentence and exit code 1, not a traceback."""
    try:
        yield
    except ShukeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
