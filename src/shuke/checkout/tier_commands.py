"""`shuke tiers …`: prove that every member's tier is what the sales and refunds lead to."""

from __future__ import annotations

import typer

from shuke.checkout.tiers import replay_tiers

app = typer.Typer(
    name="tiers", help="Prove that every tier follows from the sales and refunds.", no_args_is_help=True
)


@app.callback()
def main() -> None:
    """Prove that every tier follows from the sales and refunds."""


@app.command()
def replay(most: int = typer.Option(10, min=1, max=1000, help="Members with differences to show.")) -> None:
    """Decide every tier change anew from the log and compare; exit code 1 when one differs."""
    found = replay_tiers(most=most)
    verdict = "NOT EQUAL" if found.differences else "equal"
    typer.echo(
        f"replayed {found.sales:,} sales of {found.members:,} members, {found.changes:,} tier changes: {verdict}"
    )
    for d in found.differences:
        typer.echo(f"  member {d.member_id}: {d.what} is {d.live}, replayed {d.replayed}", err=True)
    if found.differences:
        raise typer.Exit(1)
