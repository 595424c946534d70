"""`shuke programme impact`: whom a draft would lift and lower, and what a month of it would cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from shuke.checkout.impact.logic import headline
from shuke.checkout.impact.operations import DAYS, MOST_DAYS, ask_impact, assess_impact
from shuke.checkout.simulate.commands import Against, AsJson, Quiet, say_report, watcher
from shuke.kit import clock
from shuke.kit.money import to_text
from shuke.loyalty.commands import File, app, read_draft, refusals

_NOTES = {
    "final_prices": "{final} of the {sales} sales looked at had final prices: the cost of discounts leaves them out.",
    "points_without_worth": "Points have no worth at the till: the multipliers' points cost nothing here.",
    "other_benefits": "Free shipping, packs, gifts and entitlements are not in the cost.",
}


@app.command("impact")
def impact_of_file(
    file: File,
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="The sales of so many days tell the cost of a month.")
    ] = DAYS,
    against: Against = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how many members a draft takes up and down, and what a month of it would cost. Writes nothing."""
    _source, document = read_draft(file)
    with refusals():
        question = ask_impact(document=document, now=clock.now(), days=days, against=against)
    say_report(assess_impact(question, watch=watcher(quiet)), told_impact, as_json)


def told_impact(found: dict[str, Any]) -> list[str]:
    """The report in short lines, the sum of it first."""
    currency = found["currency"]
    up, down, cost = headline(found)
    verb = "saves" if cost < 0 else "costs"
    lines = [
        f"{up:,} up, {down:,} down, {verb} {to_text(abs(cost), currency)} {currency} a month.",
        f"{found['members']:,} members against version {found['programmes']['current']['version']};"
        f" cost by what {found['buyers']:,} of them bought in the last {found['days']} days.",
    ]
    for track in found["tracks"]:
        name = track["track"] or "tiers"
        for view, words in (("at_once", "as it begins"), ("in_time", "by the next purchase and review")):
            told = track[view]
            lines.append(
                f"{name}, {words}: {told['up']:,} up, {told['down']:,} down, {told['unchanged']:,} unchanged"
            )
            lines += [
                f"  {move['from'] or '–'} → {move['to'] or '–'}: {move['members']:,} {move['direction']}"
                for move in told["moves"]
            ]
    for view, words in (("at_once", "as it begins"), ("in_time", "by the next purchase and review")):
        told = found["cost"][view]
        discount, points = (to_text(told[name], currency) for name in ("discount_minor", "points_minor"))
        lines.append(
            f"a month, {words}: {to_text(told['total_minor'], currency)}"
            f" (discounts {discount}, {told['points']:,} points worth {points})"
        )
    told = {"sales": f"{found.get('sales', 0):,}", "final": f"{found.get('final_sales', 0):,}"}
    return lines + [f"! {_NOTES[note].format(**told)}" for note in found["notes"]]
