"""`shuke orders …`: prove that orders, lines and ledger agree."""

from __future__ import annotations

import typer

from shuke.checkout.invariants import verify_orders
from shuke.loyalty.counters import verify_counters

app = typer.Typer(
    name="orders", help="Prove that orders, their lines and the ledger agree.", no_args_is_help=True
)


@app.callback()
def main() -> None:
    """Prove that orders, their lines and the ledger agree."""


@app.command()
def verify(most: int = typer.Option(10, min=1, max=1000, help="Differences to show.")) -> None:
    """Compare every order with its lines and its ledger entries, and each budget with what was drawn on it.

    Exit code 1 when they differ.
    """
    orders, differences = verify_orders(most=most)
    counters = verify_counters(most=most)
    typer.echo(f"checked {orders:,} orders: {'NOT CLEAN' if differences or counters else 'clean'}")
    for d in differences:
        typer.echo(f"  order {d.order_id}: {d.what} is {d.said}, found {d.found}", err=True)
    for c in counters:
        typer.echo(f"  budget {c.budget} from {c.period}: counts {c.said}, drawn {c.found}", err=True)
    if differences or counters:
        raise typer.Exit(1)
