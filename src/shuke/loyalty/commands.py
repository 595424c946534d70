"""`shuke programme …`: the programme as code, from a YAML file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
import yaml
from django.utils import translation

from shuke.core.values import SYSTEM
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.cautions import ALL, Caution
from shuke.loyalty.counters import budget_states
from shuke.loyalty.coupon_cautions import ABOUT_GOODS
from shuke.loyalty.diff import Change, diff_documents
from shuke.loyalty.document import validate
from shuke.loyalty.earning import EPOCH
from shuke.loyalty.earning_words import (
    describe_accrual,
    describe_budget,
    describe_earning,
    describe_multiplier,
)
from shuke.loyalty.errors import InvalidProgramme, Unconfirmed
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import publish_programme, warnings_of
from shuke.loyalty.queries import list_versions, programme_at, version_by_id, version_by_number
from shuke.loyalty.schema import json_schema
from shuke.loyalty.source import MAX_BYTES
from shuke.loyalty.versions import cancel_version, roll_back
from shuke.loyalty.words import describe_expiry, grouped, localized

app = typer.Typer(
    name="programme", help="Validate, compare and publish the programme from YAML.", no_args_is_help=True
)


@app.callback()
def _speak_english(context: typer.Context) -> None:
    """The commands speak one language, whatever the site's default is."""
    context.with_resource(translation.override("en"))


File = Annotated[Path, typer.Argument(help="A programme document in YAML.", dir_okay=False)]
When = Annotated[
    str, typer.Option(help="When it begins, such as 2026-12-01T00:00 in the programme's time zone.")
]
Note = Annotated[str, typer.Option(help="Why, for the list of versions and the audit log.")]
Accept = Annotated[bool, typer.Option("--accept-warnings", help="Publish although the draft warns.")]


@app.command("validate")
def validate_file(file: File) -> None:
    """Check a document and list everything that is wrong with it, as file:line: path: problem."""
    _source, document = read_draft(file)
    rules = sum(len(document.get(section, ())) for section in ("earning", "multipliers", "accruals"))
    typer.echo(
        f"{file}: valid. {localized(document['name'])}: {rules} rules, {len(document['tiers']['levels'])} tiers."
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of programme documents, for editors that complete and check them."""
    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@app.command()
def diff(file: File) -> None:
    """Say what the document would change against the version in force now."""
    _source, document = read_draft(file)
    in_force = programme_at(clock.now())
    if in_force is None:
        typer.echo("No programme is in force: the document would be the first version.")
        return
    _show(diff_documents(version_by_id(in_force.version_id).document, document), in_force.number)
    _warn(warnings_of(document, clock.now()))


@app.command()
def apply(
    file: File,
    effective_at: When = "",
    note: Note = "",
    accept_warnings: Accept = False,
) -> None:
    """Publish the document as the next version."""
    source, document = read_draft(file)
    with refusals():
        now = clock.now()
        starts = _instant(effective_at, document["time_zone"]) if effective_at else None
        before = programme_at(starts or now)
        version = publish_programme(
            actor=SYSTEM,
            now=now,
            source=source,
            effective_at=starts,
            note=note,
            accepted=ALL if accept_warnings else (),
        )
    if before is not None:
        _show(diff_documents(version_by_id(before.version_id).document, document), before.number)
    _published(version)


@app.command()
def rollback(
    number: Annotated[int, typer.Argument(help="The former version to return to.")],
    effective_at: When = "",
    note: Note = "",
    accept_warnings: Accept = False,
) -> None:
    """Publish a former version anew, as the next version."""
    with refusals():
        now = clock.now()
        former = version_by_number(number)
        starts = _instant(effective_at, former.document["time_zone"]) if effective_at else None
        before = programme_at(starts or now)
        version = roll_back(
            actor=SYSTEM,
            number=number,
            now=now,
            effective_at=starts,
            note=note,
            accepted=ALL if accept_warnings else (),
        )
    if before is not None:
        _show(diff_documents(version_by_id(before.version_id).document, former.document), before.number)
    _published(version)


@app.command()
def cancel(number: Annotated[int, typer.Argument(help="A scheduled version.")], note: Note = "") -> None:
    """Take back a scheduled version before it begins."""
    with refusals():
        cancel_version(actor=SYSTEM, number=number, now=clock.now(), reason=note)
    typer.echo(f"Version {number} is taken back; it will not begin.")


@app.command()
def show(
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print the document as YAML.")] = False,
) -> None:
    """Show the programme that is in force now."""
    in_force = programme_at(clock.now())
    if in_force is None:
        typer.echo("No programme is in force. Publish one: shuke programme apply FILE", err=True)
        raise typer.Exit(1)
    document = dict(version_by_id(in_force.version_id).document)
    if as_yaml:
        typer.echo(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), nl=False)
        return
    typer.echo(f"{localized(document['name'])} (version {in_force.number}, {document['currency']})")
    for spec in document["assets"].values():
        typer.echo(f"  {localized(spec['name'])}: expires {describe_expiry(spec['expiry'])}")
    for rule in document["earning"]:
        typer.echo(f"  {localized(rule['name'])}: {describe_earning(rule, document)}")
    for rule in document["multipliers"]:
        typer.echo(f"  {localized(rule['name'])}: {describe_multiplier(rule, document)}")
    for rule in document.get("accruals", ()):
        typer.echo(f"  {localized(rule['name'])}: {describe_accrual(rule, document)}")
    for budget in document.get("budgets", ()):
        typer.echo(f"  {localized(budget['name'])}: {describe_budget(budget, document)}")
    for level in document["tiers"]["levels"]:
        benefits = f"×{level['multiplier']}, {level['discount_percent']}% off"
        typer.echo(f"  {localized(level['name'])}: from {grouped(level['threshold'])}; {benefits}")


@app.command()
def budgets() -> None:
    """Show what the budgets in force have given in their current period."""
    now = clock.now()
    in_force = programme_at(now)
    states = budget_states(in_force.programme, now) if in_force else []
    if not states:
        typer.echo("The programme in force has no budgets.")
    for state in states:
        since = "" if state.period == EPOCH else f" since {state.period}"
        typer.echo(
            f"{state.id}: {grouped(state.used)} of {grouped(state.limit)} {state.asset} given{since},"
            f" {grouped(state.left)} left"
        )


@app.command()
def versions() -> None:
    """List all versions, newest first."""
    for row in list_versions(clock.now()):
        until = f" until {row.until:%Y-%m-%d %H:%M}" if row.until else ""
        note = f"  {row.note}" if row.note else ""
        typer.echo(
            f"{row.number:>4}  {row.status:<10}  from {row.effective_at:%Y-%m-%d %H:%M}{until} UTC{note}"
        )


def read_draft(file: Path) -> tuple[bytes, dict[str, Any]]:
    """A file and its checked document, or everything that is wrong with it and exit code 1."""
    try:
        with file.open("rb") as opened:
            source = opened.read(MAX_BYTES + 1)
        return source, validate(source)
    except InvalidProgramme as error:
        for problem in error.problems:
            typer.echo(f"{file}:{problem.line}: {problem}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def _published(version: ProgrammeVersion) -> None:
    local = version.effective_at.astimezone(ZoneInfo(version.document["time_zone"]))
    typer.echo(f"Published version {version.number}, in force from {local:%Y-%m-%d %H:%M:%S %Z}.")


def _warn(cautions: Sequence[Caution]) -> None:
    for caution in cautions:
        typer.echo(f"! {caution}", err=True)


def _show(changes: Sequence[Change], number: int) -> None:
    if not changes:
        typer.echo(f"No difference to version {number}.")
    for change in changes:
        sign = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
        typer.echo(f"{sign} {change.text}")


def _instant(text: str, zone: str) -> datetime:
    """A point in time; without an offset it is meant in the programme's time zone."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it as 2026-12-01T00:00", param_hint="--effective-at") from None
    return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal becomes one line on stderr and exit code 1."""
    try:
        yield
    except Unconfirmed as error:
        _warn(error.cautions)
        if any(caution.code in ABOUT_GOODS for caution in error.cautions):
            typer.echo(
                "Import what you sell first (shuke import products FILE), or change these words in the document.",
                err=True,
            )
        typer.echo("Nothing was published. To publish all the same, add --accept-warnings.", err=True)
        raise typer.Exit(1) from None
    except ShukeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
