"""`shuke programme simulate`: what a draft would have cost, and whom it would have served, had it been in force."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from shuke.checkout.simulate.operations import Progress, ask, simulate
from shuke.kit import clock
from shuke.kit.crew import cores
from shuke.kit.money import to_text
from shuke.loyalty.commands import File, app, read_draft, refusals

Against = Annotated[
    int | None, typer.Option(help="Number of the version to compare with; the one in force when left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


@app.command("simulate")
def simulate_file(
    file: File,
    since: Annotated[str, typer.Option("--from", help="First day, such as 2026-01-01.")],
    until: Annotated[str, typer.Option("--to", help="Last day; it counts whole.")],
    against: Against = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    processes: Annotated[
        int,
        typer.Option(min=0, help="Processes that share the work; as many as there are cores when left out."),
    ] = 0,
) -> None:
    """Replay the real sales of a period under a draft and under a published version. Writes nothing."""
    _source, document = read_draft(file)
    zone = ZoneInfo(document["time_zone"])
    with refusals():
        question = ask(
            document=document,
            since=_midnight(since, zone, "--from"),
            until=_midnight(until, zone, "--to", days=1),
            now=clock.now(),
            against=against,
        )
    try:
        found = simulate(question, watch=watcher(quiet), processes=processes or cores())
    except KeyboardInterrupt:
        typer.echo("\nStopped; nothing was written.", err=True)
        raise typer.Exit(130) from None
    say_report(found, told, as_json)


def say_report(found: dict[str, Any], told: Callable[[dict[str, Any]], list[str]], as_json: bool) -> None:
    """The report as JSON, or in the lines that `told` makes of it."""
    lines = [json.dumps(found, ensure_ascii=False, indent=2)] if as_json else told(found)
    for line in lines:
        typer.echo(line)


def told(found: dict[str, Any]) -> list[str]:
    """The report in short lines."""
    currency = found["currency"]

    def row(label: str, path: str, *, money: bool) -> str:
        values = []
        for side in ("current", "draft", "difference"):
            value: Any = found[side]
            for key in path.split("."):
                value = value[key]
            values.append(to_text(value, currency) if money else f"{value:,}")
        return f"{label:<28}{values[0]:>18}{values[1]:>18}{values[2]:>18}"

    members, tiers = found["members"], found["tiers"]
    lines = [
        f"{'':<28}{'version ' + str(found['programmes']['current']['version']):>18}{'draft':>18}{'difference':>18}",
        row("Sales replayed", "orders", money=False),
        row("Sales", "sales_minor", money=True),
        row("Discounts", "cost.discount_minor", money=True),
        row("Points issued", "points_issued", money=False),
        row("  worth", "cost.points_issued_minor", money=True),
        row("Cost", "cost.total_minor", money=True),
        row("Points open at the end", "liability.points", money=False),
        row("  worth (liability)", "liability.minor", money=True),
    ]
    if found["current"]["costed_minor"]:
        lines.append(row("Margin where cost is known", "margin_minor", money=True))
    lines += [
        f"Members: {members['counted']:,} looked at, {members['better']:,} gain"
        f" {to_text(members['gained_minor'], currency)}, {members['worse']:,} lose"
        f" {to_text(members['lost_minor'], currency)}",
        f"Tiers at the end: {tiers['up']:,} higher, {tiers['down']:,} lower",
    ]
    lines += [
        f"Track {each['track']} at the end: {each['up']:,} higher, {each['down']:,} lower"
        for each in found["tracks"]
    ]
    return lines + [f"! {_noted(note, currency)}" for note in found["notes"]]


def _noted(note: dict[str, Any], currency: str) -> str:
    match note["code"]:
        case "coupons_kept":
            off = to_text(note["minor"], currency)
            return (
                f"{note['orders']:,} sales used coupons; they stay worth what they were, {off}: who would hold which"
                " coupon under the draft cannot be known."
            )
        case "plans_kept":
            return (
                f"{note['members']:,} members held a paid plan; they keep it for the time they held it, with the benefits"
                " that each programme gives it. Who would have bought another is not known, and prices of plans are left"
                " out."
            )
        case "grants_kept":
            return (
                f"{note['members']:,} members held a level that was given by hand, for points or by a plan; it came and ended"
                " when it did, under both."
            )
        case "moves_kept":
            return (
                f"{note['points']:+,} points came or went by gifts, rewards, adjustments and refunds of older sales; they"
                " are the same under both."
            )
        case "unplayed":
            return (
                f"{note['times']:,} {note['what']} could not be replayed under the {note['side']} programme."
            )
        case "no_sales":
            return "No member bought anything in that time: there is nothing to hold the draft against."
        case "no_cost_prices":
            return "No product has a cost price: margins are not known."
        case _:
            known = f"{to_text(note['minor'], currency)} of {to_text(note['of_minor'], currency)}"
            return f"Cost prices are known for {known} of what was paid: margins count those only."


def watcher(quiet: bool) -> Callable[[Progress], None]:
    """Who is told how far a run has come."""
    return (lambda _progress: None) if quiet else say_progress


def say_progress(progress: Progress) -> None:
    """How far a run has come, on one line of stderr, where somebody watches it."""
    if not sys.stderr.isatty():
        return
    typer.echo(f"\r{progress.done * 100 // max(progress.total, 1):>3} %", err=True, nl=False)
    if progress.done >= progress.total:
        typer.echo("\r", err=True, nl=False)


def _midnight(text: str, zone: ZoneInfo, option: str, *, days: int = 0) -> datetime:
    try:
        day = date.fromisoformat(text)
        return datetime.combine(date.fromordinal(day.toordinal() + days), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("write it as 2026-12-01", param_hint=option) from None
