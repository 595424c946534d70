"""`shuke analytics …`: bring the reports up to date, or make them anew."""

from __future__ import annotations

import time
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Refresh and rebuild the reports.")


@app.callback()
def main() -> None:
    """Refresh and rebuild the reports."""


@app.command()
def rebuild() -> None:
    """Compute every figure anew from sales, members and points. Pages keep the old figures meanwhile."""
    _refresh(full=True)


@app.command()
def refresh(
    full: Annotated[bool, typer.Option("--full", help="The same as rebuild.")] = False,
) -> None:
    """Take in what happened since the last refresh; the worker does so every minute."""
    _refresh(full=full)


def _refresh(*, full: bool) -> None:
    from shuke.analytics.operations import refresh as bring_up_to_date
    from shuke.kit.clock import now

    began = time.monotonic()
    result = bring_up_to_date(now=now(), full=full)
    what = "Rebuilt" if result.full else "Refreshed"
    typer.echo(
        f"{what} {result.days} days and {result.members} members from {result.events} events"
        f" in {time.monotonic() - began:.1f} s."
    )
