"""`shuke coupons …`: prove them, expire what has lapsed, and write the codes of a job into a file."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from shuke.core.values import Actor
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.operations import announce_expiring, download_codes, expire_coupons, generate_codes
from shuke.rewards.queries import list_code_jobs

app = typer.Typer(name="coupons", help="Prove coupons, expire them, and fetch codes.", no_args_is_help=True)


@app.command()
def verify(most: int = typer.Option(10, min=1, max=1000, help="Differences to show of each kind.")) -> None:
    """Compare every counter with its rows and every coupon with its history; exit code 1 when they differ."""
    pieces, differences = verify_coupons(most=most)
    typer.echo(f"checked {pieces:,} coupons: {'NOT CLEAN' if differences else 'clean'}")
    for d in differences:
        typer.echo(f"  {d.what} {d.subject}: says {d.said}, found {d.found}", err=True)
    if differences:
        raise typer.Exit(1)


@app.command()
def expire() -> None:
    """Expire what has lapsed until now, and tell holders of what will. The worker does the same every quarter of an hour."""
    now, total, told = clock.now(), 0, 0
    while expired := expire_coupons(now=now):
        total += expired
    while announced := announce_expiring(now=now):
        told += announced
    typer.echo(f"{total:,} coupons expired, {told:,} holders told of an end that is near")


@app.command()
def jobs() -> None:
    """List the orders for unique codes, newest first."""
    for job in list_code_jobs(limit=200).jobs:
        typer.echo(f"{job.id}  {job.template}  {job.made:,} of {job.count:,}  {job.status}  {job.note}")


@app.command()
def generate(job: UUID) -> None:
    """Make the codes of a job here and now, from where it stands."""
    total = 0
    while made := generate_codes(job_id=job, now=clock.now()):
        total += made
    typer.echo(f"{total:,} codes made")


@app.command()
def codes(
    job: UUID,
    out: Annotated[Path, typer.Option(help="The file to write, for its owner only; it must not exist.")],
    reason: Annotated[str, typer.Option(help="What the codes are for; it stays in the audit log.")],
) -> None:
    """Write the codes of a finished job into a file, one a line. The audit log tells who did it and why."""
    actor = Actor("system", None, getpass.getuser())
    if out.exists():
        typer.echo(f"{out} exists already.", err=True)
        raise typer.Exit(1)
    try:
        told = download_codes(actor=actor, job_id=job, now=clock.now(), reason=reason)
    except ShukeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    count = 0
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        for code in told:
            file.write(f"{code}\n")
            count += 1
    typer.echo(f"{count:,} codes in {out}")
