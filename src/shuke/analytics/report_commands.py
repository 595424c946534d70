"""`shuke report …`: what is owed to members, and what stores owe each other, as text or CSV."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer
from django.utils.translation import gettext as _

from shuke.analytics.exports import age_text, liability_csv, position_name, settlement_csv, store_text
from shuke.analytics.queries import liability as liability_of
from shuke.analytics.queries import settlement as settlement_of
from shuke.analytics.zone import reporting_zone
from shuke.catalog.queries import store_names
from shuke.core.errors import InvalidInput
from shuke.kit import clock
from shuke.kit.clock import end_of_day, local_date, start_of_day
from shuke.kit.wording import money
from shuke.loyalty.queries import asset_names_at

app = typer.Typer(
    name="report", help="What is owed to members, and what stores owe each other.", no_args_is_help=True
)

CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write the report as CSV to this file.")]


@app.command()
def liability(
    as_of: Annotated[
        str, typer.Option("--as-of", help="The end of this day, as 2026-11-21; without it: now.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="Movements from this day on; without it: the month's first.")
    ] = "",
    csv: CsvOption = None,
) -> None:
    """Units and cash value by age of lots, with what is expected to be used. Exit code 1 when it differs from the ledger."""
    now = clock.now()
    zone = reporting_zone(now)
    day = _day(as_of, "as_of", local_date(now, zone))
    until = min(end_of_day(day, zone) - timedelta(microseconds=1), now)
    first = _day(since, "since", day.replace(day=1))
    report = liability_of(as_of=until, since=start_of_day(first, zone))
    names = asset_names_at(until)
    typer.echo(
        f"as of {until.astimezone(zone):%Y-%m-%d %H:%M:%S}, programme version {report.programme_version or '–'}"
    )
    for asset in report.assets:
        typer.echo(f"{names(asset.asset)}: {asset.units:,} units")
        for row in asset.rows:
            value = "" if row.value_minor is None else f"  {money(row.value_minor, report.currency):>16}"
            later = (
                ""
                if row.deferred_minor is None
                else f"  {money(row.deferred_minor, report.currency):>16} deferred"
            )
            typer.echo(
                f"  {age_text(row.age):>9} days {row.state:8} {row.units:16,} in {row.lots:,} lots{value}"
                f"  {row.share:7.2%} expected{later}"
            )
        if asset.debt:
            typer.echo(f"  {'owed':>23} {-asset.debt:16,}")
        movements = ", ".join(f"{flow.kind} {flow.units:+,}" for flow in asset.flows)
        typer.echo(
            f"  {asset.opening:,} at the start{', ' + movements if movements else ''} = {asset.closing:,}"
        )
        typer.echo(
            f"  the ledger holds {asset.ledger_units:,}: {'equal' if asset.equals_ledger else 'DIFFERENT'}"
        )
    typer.echo(
        f"total {money(report.value_minor, report.currency)}, deferred {money(report.deferred_minor, report.currency)},"
        f" breakage {money(report.breakage_minor, report.currency)}"
    )
    if csv:
        csv.write_text(liability_csv(report, names), encoding="utf-8", newline="")
    if not report.equals_ledger:
        raise typer.Exit(1)


@app.command()
def settlement(
    since: Annotated[str, typer.Option("--from", help="First day; without it: the month's first.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last day; without it: today.")] = "",
    csv: CsvOption = None,
) -> None:
    """What each store accepted of what others gave, at its cash value, and what the stores owe each other."""
    now = clock.now()
    zone = reporting_zone(now)
    last = _day(until, "to", local_date(now, zone))
    first = _day(since, "from", last.replace(day=1))
    if first > last:
        raise InvalidInput(field="from", reason=_("The period begins after its end."))
    statement = settlement_of(since=start_of_day(first, zone), until=end_of_day(last, zone))
    stores = store_names()
    names = asset_names_at(statement.until)
    currency = statement.currency
    typer.echo(f"{first} to {last}: {money(statement.across_minor, currency)} between stores")
    for row in statement.rows:
        if not row.is_own:
            typer.echo(
                f"  {' '.join(store_text(stores, row.issuer))} → {' '.join(store_text(stores, row.user))}:"
                f" {row.units:,} {names(row.asset)}, {money(row.value_minor, currency)}"
            )
    for position in statement.positions:
        typer.echo(
            f"{position_name(stores, position)}: {money(position.receivable, currency)} to receive,"
            f" {money(position.payable, currency)} to pay, net {money(position.net, currency, signed=True)}"
        )
    if csv:
        csv.write_text(settlement_csv(statement, stores, names), encoding="utf-8", newline="")


def _day(text: str, field: str, default: date) -> date:
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise InvalidInput(field=field, reason=_("This is not a day.")) from None
