"""`shuke audit …`: seal the audit log and prove it."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Seal and verify the audit log.")


@app.command()
def verify(
    head: Annotated[
        str, typer.Option(help="A head noted earlier, <number>:<hash>; it must still be in the chain.")
    ] = "",
) -> None:
    """Recompute every row and the chain of seals. Exit code 1 at the first difference, 2 for a malformed
    head.
    """
    from shuke.core.queries import verify_audit

    try:
        result = verify_audit(expected_head=head or None)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(
        f"{result.sealed_rows} rows in {result.seals} seals, {result.unsealed_rows} rows not sealed yet."
    )
    if result.difference is not None:
        typer.echo(f"DIFFERENT ({result.difference.kind}): {result.difference.detail}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Everything is as it was written. Head: {result.head}")
    typer.echo(
        "Keep the head outside this database: given back with --head, it shows a tail that was cut off."
    )
    if result.unsealed_rows:
        typer.echo(
            "Rows that are not sealed yet are checked one by one; a removed one among them cannot be seen."
        )


@app.command()
def seal() -> None:
    """Seal everything that is waiting, now; the worker does so every five minutes."""
    from shuke.core.operations import seal_audit
    from shuke.kit.clock import now

    count = 0
    while (sealed := seal_audit(now=now())) is not None:
        count += 1
        typer.echo(f"Seal {sealed.number}: {sealed.rows} rows, {sealed.hash.hex()}")
    if not count:
        typer.echo("Nothing to seal.")
