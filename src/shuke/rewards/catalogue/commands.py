"""`shuke rewards …`: prove that the reward catalogue, its counters and the ledger agree."""

from __future__ import annotations

import typer

from shuke.rewards.catalogue.invariants import verify_catalogue

app = typer.Typer(name="rewards", help="Prove that redemptions and the ledger agree.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """Prove that redemptions and the ledger agree."""


@app.command()
def verify(most: int = typer.Option(10, min=1, max=1000, help="Differences to show.")) -> None:
    """Compare each stock counter with its redemptions, and each redemption with the ledger. Exit code 1 when they differ."""
    differences = verify_catalogue(most=most)
    typer.echo("NOT CLEAN" if differences else "clean")
    for each in differences:
        typer.echo(f"  {each.what} of {each.name}: says {each.said}, found {each.found}", err=True)
    if differences:
        raise typer.Exit(1)
