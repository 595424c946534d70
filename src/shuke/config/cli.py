"""The command `shuke`: serve, stop, look after the installation, and the commands that the rooms bring.

A room's commands are a typer app named ``app`` in ``shuke.<room>.commands``. They are imported only when
used, so that `shuke --help` is quick and one broken room does not take the others away.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shuke.config.environment import VARIABLES, EnvironmentProblem, environment
from shuke.config.opening import (
    OpeningProblem,
    Wanted,
    has_tables,
    list_templates,
    open_shop,
    prepare_tables,
    settle,
)
from shuke.config.runtime import RuntimeProblem, django_ready
from shuke.config.serve import ServeProblem, stop_serving
from shuke.config.serve import serve as serve_all
from shuke.kit import postgres
from shuke.kit.errors import ShukeError

ROOM_COMMANDS: dict[str, tuple[str, str]] = {
    "audit": ("shuke.core.commands", "Seal and verify the audit log."),
    "staff": ("shuke.core.staff_commands", "Create accounts, set passwords, end lock-outs."),
    "members": ("shuke.members.commands", "Upkeep of the member file."),
    "ledger": ("shuke.ledger.commands", "Reconcile the points ledger, expire points."),
    "coupons": ("shuke.rewards.commands", "Prove coupons, expire them, fetch codes."),
    "plans": ("shuke.loyalty.plans.commands", "Prove paid plans, run what is due."),
    "orders": ("shuke.checkout.commands", "Prove that orders, their lines and the ledger agree."),
    "rewards": ("shuke.rewards.catalogue.commands", "Prove that redemptions and the ledger agree."),
    "tiers": ("shuke.checkout.tier_commands", "Prove that every tier follows from the sales and refunds."),
    "explain": ("shuke.checkout.explain_commands", "Say where a balance, a tier or a price came from."),
    "programme": (
        "shuke.checkout.programme_commands",
        "Validate, compare and apply the membership programme.",
    ),
    "import": ("shuke.integrations.commands", "Import members, products, stores and orders from files."),
    "scenario": ("shuke.integrations.scenarios.commands", "Run scenarios: the conformance kit."),
    "analytics": ("shuke.analytics.commands", "Refresh and rebuild the reports."),
    "report": ("shuke.analytics.report_commands", "Liability to members, settlement between stores."),
    "demo": ("shuke.config.demo.commands", "Load a real grocer's year and serve it."),
}
# They see to the tables they need themselves: this database's, or those of one of their own.
BRING_TABLES = frozenset({"demo", "scenario"})
EXPECTED_PROBLEMS = (
    EnvironmentProblem,
    OpeningProblem,
    postgres.PostgresProblem,
    RuntimeProblem,
    ServeProblem,
    ShukeError,
)


class Rooms(TyperGroup):
    """Lists the rooms' commands without importing them, and imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Our own commands first, then those of the rooms that are installed."""
        return [*super().list_commands(ctx), *(name for name in ROOM_COMMANDS if _is_installed(name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A room's entry is only a label here; `resolve_command` brings the real one."""
        if cmd_name in ROOM_COMMANDS and _is_installed(cmd_name):
            return TyperGroup(name=cmd_name, help=ROOM_COMMANDS[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the room that is called. Django stands by then; the database, too, unless help is wanted."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in ROOM_COMMANDS:
            return name, command, rest
        django_ready(with_database="--help" not in rest)
        if "--help" not in rest and name not in BRING_TABLES and not has_tables():
            typer.echo("A new database: preparing the tables.", err=True)
            prepare_tables()
        module = importlib.import_module(ROOM_COMMANDS[name][0])
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    name="shuke",
    cls=Rooms,
    help="Shuke 熟客: membership for chains. Settings are environment variables; see shuke variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Where the programme's file goes.")] = Path(),
    template: Annotated[
        str, typer.Option(help="What to start from; see --list; empty: nothing. Asked for.")
    ] = "",
    owner: Annotated[str, typer.Option(help="Create this owner's account, too.")] = "",
    publish: Annotated[bool, typer.Option("--publish", help="Put the programme in force as it is.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Say what there is to start from.")] = False,
) -> None:
    """Open a shop: tables, the owner, and a programme for your kind of business to start from."""
    if listing:
        list_templates()
        return
    wanted = settle(Wanted(template, directory, owner, publish))
    django_ready()
    open_shop(wanted)


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where to listen; without it SHUKE_PORT, or a free one."),
    ] = None,
) -> None:
    """Start everything (database, migrations, web, jobs), keep it running, stop it at Ctrl-C."""
    serve_all(port=port)


@app.command()
def stop() -> None:
    """Stop `shuke serve` of this home, and its embedded database."""
    home = environment().home
    served = stop_serving(home)
    if postgres.stop(home) or served:
        typer.echo("Stopped.")
    else:
        typer.echo(f"Nothing runs in {home}.")


@app.command()
def migrate(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when all goes well.")] = False,
) -> None:
    """Bring the database's tables up to this version."""
    django_ready()
    prepare_tables(verbosity=0 if quiet else 1)


@app.command()
def worker(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Leave when no job is left.")] = False,
) -> None:
    """Run background jobs until stopped."""
    django_ready()
    from shuke.kit import jobs

    jobs.run_worker(wait=not until_empty)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
)
def manage(ctx: typer.Context) -> None:
    """Django's own management commands: shuke manage shell, shuke manage dbshell, …"""
    django_ready()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["shuke manage", *ctx.args])


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
) -> None:
    """Say what runs, what is wrong, and what to do. Exit code 1 when something is BAD."""
    from shuke.config.doctor import examine, to_json, to_text

    findings = examine()
    typer.echo(to_json(findings) if as_json else to_text(findings))
    raise typer.Exit(1 if any(finding.level == "BAD" for finding in findings) else 0)


@app.command()
def variables() -> None:
    """List the environment variables that set Shuke up."""
    for name, meaning in VARIABLES.items():
        typer.echo(f"{name:26} {meaning}")


def main(arguments: list[str] | None = None) -> Any:
    """The entry point; problems that we foresee are one sentence, not a traceback."""
    try:
        return app(arguments)
    except EXPECTED_PROBLEMS as problem:
        typer.echo(f"shuke: {problem}", err=True)
        sys.exit(1)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(ROOM_COMMANDS[name][0]) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
