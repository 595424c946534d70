"""`shuke ledger …`: prove the book, and expire what has lapsed."""

from __future__ import annotations

import typer

from shuke.kit import clock
from shuke.ledger.operations import announce_active, expire_holds, expire_lots
from shuke.ledger.queries import reconcile as prove

app = typer.Typer(
    name="ledger", help="Prove the book of points, and expire what has lapsed.", no_args_is_help=True
)


@app.command()
def reconcile(
    most: int = typer.Option(10, min=1, max=1000, help="Differences to show of each kind."),
) -> None:
    """Prove the whole book in one snapshot; exit code 1 and the first differences when it does not add up."""
    result = prove(most=most)
    state = "clean" if result.is_clean else "NOT CLEAN"
    typer.echo(
        f"checked {result.transfers:,} transfers, {result.entries:,} entries, {result.lots:,} lots, "
        f"{result.accounts:,} accounts in {result.seconds:.1f} s: {state}"
    )
    for asset, (balance, debt) in result.totals.items():
        typer.echo(f"  {asset}: {balance:,} outstanding" + (f", {debt:,} owed by members" if debt else ""))
    shown: set[str] = set()
    for difference in result.differences:
        if difference.check not in shown:
            shown.add(difference.check)
            typer.echo(f"{difference.check}: {difference.of:,} differences, the first:", err=True)
        typer.echo(
            f"  {difference.subject}: expected {difference.expected}, found {difference.found}", err=True
        )
    if not result.is_clean:
        raise typer.Exit(1)


@app.command()
def expire(batch: int = typer.Option(1000, min=1, max=50_000, help="Lots per transaction.")) -> None:
    """Expire what has lapsed until now. The worker does the same every quarter of an hour."""
    now, total = clock.now(), 0
    while expire_holds(now=now):
        pass  # what a hold lets go may have lapsed meanwhile
    while expired := expire_lots(now=now, limit=batch):
        total += expired
    typer.echo(f"{total:,} lots expired")


@app.command()
def activate(batch: int = typer.Option(5000, min=1, max=50_000, help="Lots per transaction.")) -> None:
    """Announce what has become usable until now. The worker does the same every quarter of an hour."""
    now, total = clock.now(), 0
    while announced := announce_active(now=now, limit=batch):
        total += announced
    typer.echo(f"{total:,} lots are usable now")
