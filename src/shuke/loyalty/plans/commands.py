"""`shuke plans …`: prove them, run what is due, and see what they earn."""

from __future__ import annotations

from datetime import timedelta

import typer

from shuke.kit import clock
from shuke.loyalty.plans.dues import end_plans, remind_holders
from shuke.loyalty.plans.giving import give_birthday_gifts, give_plan_packs, give_tier_packs
from shuke.loyalty.plans.levels import align_levels
from shuke.loyalty.plans.queries import plan_figures, verify_plans
from shuke.loyalty.plans.renewals import charge_due
from shuke.loyalty.queries import programme_at

app = typer.Typer(name="plans", help="Prove paid plans and run what is due.", no_args_is_help=True)


@app.command()
def verify(most: int = typer.Option(10, min=1, max=1000, help="Differences to show.")) -> None:
    """Compare plans, their terms, gifts, charges, refunds and stock with each other. Exit code 1 when they differ."""
    differences = verify_plans(most=most, now=clock.now())
    typer.echo("NOT CLEAN" if differences else "clean")
    for each in differences:
        typer.echo(f"  {each.what} {each.key}: says {each.said}, found {each.found}", err=True)
    if differences:
        raise typer.Exit(1)


@app.command()
def run() -> None:
    """Charge renewals, end what is over, remind, and give packs and birthday gifts. The worker does the same."""
    now = clock.now()
    for name, job in (
        ("renewals charged", charge_due),
        ("plans ended or put into grace", end_plans),
        ("holders whose plan brings another level by now", align_levels),
        ("reminders told", remind_holders),
        ("plans looked at for packs", give_plan_packs),
        ("members looked at for packs", give_tier_packs),
        ("members looked at for birthdays", give_birthday_gifts),
    ):
        total = 0
        while done := job(now=now):
            total += done
        typer.echo(f"{total:,} {name}")


@app.command()
def figures(days: int = typer.Option(30, min=1, max=3660, help="How far to look back.")) -> None:
    """Holders now, and sales and money of the last days, in minor units."""
    now = clock.now()
    in_force = programme_at(now)
    zone = str(in_force.programme.zone) if in_force else "UTC"
    for each in plan_figures(begin=now - timedelta(days=days), end=now, now=now, time_zone=zone):
        typer.echo(
            f"{each.plan}: {each.holders:,} holders, {each.sold:,} sold, {each.renewed:,} renewed, "
            f"{each.ended:,} ended; paid {each.paid_minor:,}, earned {each.earned_minor:,}, "
            f"paid back {each.refunded_minor:,}, not earned yet {each.unearned_minor:,}"
        )
