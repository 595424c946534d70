"""`shuke demo`: load a real grocer's year, then serve it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

app = typer.Typer(help="Load a real grocer's year (2,469 members, 155,848 orders) and serve it.")


@app.command()
def demo(
    load_only: Annotated[bool, typer.Option("--load-only", help="Load, but do not serve.")] = False,
    shift: Annotated[
        bool, typer.Option("--shift/--no-shift", help="End the year now, or keep it 2017.")
    ] = True,
    orders: Annotated[int, typer.Option(min=0, help="Load the first so many orders only; 0: all.")] = 0,
    workers: Annotated[int, typer.Option(min=0, max=16, help="Processes that write orders; 0 chooses.")] = 0,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where to listen; without it SHUKE_PORT, or a free one."),
    ] = None,
) -> None:
    """Load the demo unless it is there, and serve it. The people are invented; the baskets are a real data set's."""
    typer.echo("Preparing the tables.")
    if load_only:
        _load(shift=shift, orders=orders, workers=workers)
        return
    if not _migrated_and_loaded():
        typer.echo("Loading the demo, which takes a few minutes; then it is served.")
        # In a process of its own, so that the one that serves stays small.
        arguments = ["--load-only", "--shift" if shift else "--no-shift", "--workers", str(workers)]
        arguments += ["--orders", str(orders)] if orders else []
        command = [sys.executable, "-m", "shuke.config.cli", "demo", *arguments]
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own command
        if code != 0:
            raise typer.Exit(code)
    _serve(port)


def _migrated_and_loaded() -> bool:
    from django.core.management import call_command

    from shuke.config.demo.load import is_loaded

    call_command("migrate", interactive=False, verbosity=0)
    return is_loaded()


def _load(*, shift: bool, orders: int, workers: int) -> None:
    from shuke.config.demo.load import DemoOptions, DemoProblem, load_demo
    from shuke.config.demo.source import DataMissing
    from shuke.config.environment import environment
    from shuke.integrations.commands import default_workers, progress_bar
    from shuke.kit.clock import now
    from shuke.kit.errors import ShukeError

    if _migrated_and_loaded():
        typer.echo("The demo is loaded already.")
        return
    env = environment()
    options = DemoOptions(orders=orders or None, shifted=shift, workers=workers or default_workers())
    try:
        with progress_bar("demo") as progress:
            load_demo(
                home=env.home,
                secrets_dir=env.secrets_dir,
                options=options,
                clock=now,
                say=typer.echo,
                progress=progress,
            )
    except (DemoProblem, DataMissing, ShukeError) as problem:
        typer.echo(f"shuke demo: {problem}", err=True)
        raise typer.Exit(1) from problem


def _serve(port: int | None) -> None:
    """Serve this home; the accounts come last, below the address.

    The embedded database's address was put into our environment; there it would pass for another
    server, which `serve` would not look after.
    """
    from django.db import connections

    from shuke.config.demo.accounts import kept_accounts
    from shuke.config.environment import environment
    from shuke.config.serve import serve
    from shuke.kit import postgres

    connections.close_all()
    state = postgres.status(environment().home).state
    if state is not None and state.dsn == os.environ.get("DATABASE_URL"):
        del os.environ["DATABASE_URL"]
        environment.cache_clear()
    serve(port=port, parting=kept_accounts(environment().secrets_dir))
