"""`shuke members …`: upkeep of the member file."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Upkeep of the member file.")


@app.callback()
def members() -> None:
    """Upkeep of the member file."""


@app.command()
def rewrap() -> None:
    """Wrap every member's data key under the newest key of the keyset. Stop it any time; run it again to go on."""
    from shuke.members.operations import rewrap_keys

    total = 0
    while done := rewrap_keys():
        total += done
        typer.echo(f"{total:,} data keys renewed")
    typer.echo("All data keys are under the newest key.")
