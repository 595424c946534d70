"""`shuke explain …`: where a balance, a tier or a price came from, as of any past instant, for people at a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from django.utils.translation import gettext as _

from shuke.checkout import words
from shuke.checkout.explain import explain_balance, explain_order, explain_tier
from shuke.checkout.queries import find_orders
from shuke.core.errors import InvalidInput, NotFound
from shuke.kit import clock
from shuke.kit.wording import money
from shuke.ledger.as_of import Cut, LotState
from shuke.ledger.queries import EntryView
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.words import tier_name
from shuke.members.queries import find_member, get_candidate
from shuke.members.values import Candidate

app = typer.Typer(
    name="explain",
    help="Say where a balance, a tier or a price came from, as of any past instant.",
    no_args_is_help=True,
)

STATES: tuple[LotState, ...] = ("usable", "pending", "lapsed")

MemberArgument = Annotated[str, typer.Argument(help="The member's number or id.")]
AsOf = Annotated[
    str,
    typer.Option("--as-of", help="What had happened by then, as 2026-11-21T18:00+08:00; without it: now."),
]
KnownAt = Annotated[str, typer.Option("--known-at", help="Of that, only what was on record by then.")]


@app.command()
def balance(
    member: MemberArgument,
    asset: Annotated[str, typer.Option(help="points, growth, stored_value …")] = "points",
    as_of: AsOf = "",
    known_at: KnownAt = "",
) -> None:
    """The movements that add up to a balance, the lots it lies in with their rules, and what is owed."""
    found = _member(member)
    cut = Cut(_instant(as_of, "as_of"), _instant(known_at, "known_at") if known_at else None)
    told = explain_balance(member_id=found.member_id, asset=asset, cut=cut)
    at = told.at
    typer.echo(f"{found.number} {asset}: {at.balance:,} as of {_time(cut.as_of)}")
    states = ", ".join(f"{at.in_state(state):,} {state}" for state in STATES)
    typer.echo(f"  {states}, {at.promised:,} held, {at.debt:,} owed")
    for flow in told.flows:
        typer.echo(f"  {flow.amount:+14,}  {words.kind_of(flow.kind).name} ({flow.entries:,})")
    typer.echo(f"  {at.balance:14,}  = {'adds up' if told.adds_up else 'DOES NOT ADD UP'}")
    for story in told.lots:
        lot = story.lot
        ends = f", until {_time(lot.expires_at)}" if lot.expires_at else ""
        rules = f", programme version {story.programme_version}" if story.programme_version else ""
        typer.echo(
            f"lot {lot.id}: {lot.remaining:,} of {lot.amount:,} {words.lot_state(lot.state)}{ends}{rules}"
        )
        _entries(story.moves)
    if told.lots_total > len(told.lots):
        typer.echo(f"and {told.lots_total - len(told.lots):,} lots more")
    if told.debts:
        typer.echo(f"owed: {at.debt:,}")
        _entries(told.debts)
    if not told.adds_up:
        raise typer.Exit(1)


@app.command()
def tier(member: MemberArgument, as_of: AsOf = "") -> None:
    """The change that brought a tier, the version that decided, and the orders that counted."""
    found = _member(member)
    told = explain_tier(member_id=found.member_id, as_of=_instant(as_of, "as_of"), joined_at=found.joined_at)
    if told is None:
        typer.echo("There was no programme yet.")
        return
    programme = told.programme

    def shown(figure: int) -> str:
        return money(figure, programme.currency) if programme.tiers.metric == "spend" else f"{figure:,}"

    in_force = programme_at(told.as_of)
    document = version_by_id(in_force.version_id).document if in_force else None
    name = tier_name(document, told.level.code) if document else told.level.code
    typer.echo(f"{found.number}: {name} ({told.tier}) as of {_time(told.as_of)}")
    typer.echo(
        f"  {words.tier_step(told.cause, told.grant)}, since {_time(told.since)}" if told.since else ""
    )
    if told.metric is not None:
        again = "" if told.metric_again is None else f", added up again {shown(told.metric_again)}"
        typer.echo(f"  decided by {shown(told.metric)}{again} under version {told.changed_under}")
    if told.review_at:
        typer.echo(f"  reviewed at {_time(told.review_at)}")
    typer.echo(
        f"  {shown(told.total)} counts since {_time(told.window_start)} under version {told.programme_version}"
    )
    if told.next_level:
        typer.echo(
            f"  {tier_name(document, told.next_level.code) if document else told.next_level.code}"
            f" from {shown(told.next_level.threshold)}"
        )
    for each in told.orders:
        left = "" if each.counted == each.qualifying else f" (of {shown(each.qualifying)})"
        typer.echo(
            f"  {_time(each.occurred_at)}  {shown(each.counted):>14}{left}  {each.order.store} {each.order.number}"
        )


@app.command()
def order(
    number: Annotated[str, typer.Argument(help="The order's number or id.")],
    as_of: AsOf = "",
) -> None:
    """Every discount, cent and point of an order by line and unit, with the rules, and what has become of its points."""
    found = find_orders(number, limit=2)
    if not found:
        raise NotFound
    if len(found) > 1:
        typer.echo("Several systems have an order of this number; name its id:", err=True)
        for row in found:
            typer.echo(f"  {row['id']}  {row['system']} {row['store']} {_time(row['occurred_at'])}", err=True)
        raise typer.Exit(1)
    told = explain_order(order_id=found[0]["id"], as_of=_instant(as_of, "as_of"))
    head = told.order
    currency = head["currency"]
    typer.echo(
        f"order {head['number']} of {head['system']}, store {head['store']}, {_time(head['occurred_at'])},"
        f" programme version {head['programme_version'] or '–'}, {head['status']}"
    )
    for each in told.lines:
        line = each.line
        typer.echo(
            f"  {line['line_no']}. {line['sku']} × {line['quantity']}: {money(line['list_minor'], currency)}"
            f" − {money(line['discount_minor'], currency)} discount − {money(line['points_minor'], currency)} points"
            f" = {money(line['payable_minor'], currency)}, earns {line['points_earned']:,}"
        )
        for detail in line["discounts"]:
            typer.echo(
                f"       {words.explain_discount(detail, head['programme_version'])}: −{money(detail['minor'], currency)}"
            )
        if len(each.units) > 1:
            for units in each.units:
                typer.echo(
                    f"       {units.count} × {money(units.payable_minor, currency)}, {units.points_earned:,} points each"
                )
    typer.echo(
        f"  = {money(head['list_minor'], currency)} − {money(head['discount_minor'], currency)}"
        f" − {money(head['points_minor'], currency)} = {money(head['payable_minor'], currency)}"
    )
    typer.echo(f"  header, lines, units, rules and ledger {'add up' if told.adds_up else 'DO NOT ADD UP'}")
    typer.echo(f"  {words.explain_repriced(told.repriced)}")
    for earning in told.earnings:
        typer.echo(f"{earning.asset}: {words.explain_entry(earning.entry)}")
    _entries(told.entries)
    for lot in told.lots.values():
        typer.echo(f"lot {lot.id}: {lot.remaining:,} of {lot.amount:,} left, {words.lot_state(lot.state)}")
    for change in told.tier_changes:
        typer.echo(f"tier {change.from_tier} → {change.to_tier}: {words.tier_cause(change.cause)}")


def _entries(entries: tuple[EntryView, ...]) -> None:
    for entry in entries:
        typer.echo(
            f"  {_time(entry.occurred_at)}  {entry.amount:+12,} {entry.asset}  {words.explain_entry(entry)}"
        )


def _member(text: str) -> Candidate:
    try:
        return get_candidate(UUID(text))
    except ValueError:
        member = find_member("number", text)
    if member is None:
        raise NotFound
    return get_candidate(member.id)


def _instant(text: str, field: str) -> datetime:
    """The instant, in the programme's zone unless it says its own. Raises InvalidInput for nonsense and the future."""
    now = clock.now()
    if not text:
        return now
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field=field, reason=_("This is not an instant.")) from None
    if instant.tzinfo is None:
        in_force = programme_at(now)
        instant = instant.replace(tzinfo=in_force.programme.zone if in_force else None).astimezone()
    if instant > now:
        raise InvalidInput(field=field, reason=_("What has not happened yet cannot be explained."))
    return instant


def _time(instant: datetime) -> str:
    in_force = programme_at(instant)
    local = instant.astimezone(in_force.programme.zone) if in_force else instant.astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S")
