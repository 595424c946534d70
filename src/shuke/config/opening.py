"""`shuke init`: from an empty directory to a shop with its tables, an owner and a programme to start from."""

from __future__ import annotations

import secrets
import string
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
import typer

from shuke.config.runtime import called_as

EMPTY = "empty"
PROGRAMME_FILE = "programme.yaml"
STORY_FILE = "story.yaml"
_LETTERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("0OoIl1")))


class OpeningProblem(RuntimeError):
    """The shop cannot be opened like this; the message says why and what to do. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the owner asked for. `owner`: a user name, empty for no account; `template`: empty to be asked, EMPTY for none."""

    template: str
    directory: Path
    owner: str
    publish: bool


def list_templates() -> None:
    """Print what there is to start from."""
    from shuke.loyalty.starters import starters

    for code, starter in starters().items():
        typer.echo(f"{code:12} {starter.name['zh-Hans']} · {starter.name['en']}")
        typer.echo(f"{'':12} {starter.about['en']}")
    typer.echo(f"{EMPTY:12} 空白 · Nothing")
    typer.echo(f"{'':12} No file and no programme: tables and accounts; build the programme in the console.")


def settle(wanted: Wanted) -> Wanted:
    """The wish with its template chosen; what can be refused without a database is refused here, before there is one.

    :raises OpeningProblem: no template and nobody to ask, an unknown one, nothing to publish, or a file that is there already.
    """
    from shuke.loyalty.starters import starters

    code = wanted.template or _ask()
    if code != EMPTY and code not in starters():
        raise OpeningProblem(f"There is no template “{code}”. Choose one of: {_choices()}.")
    if code == EMPTY and wanted.publish:
        raise OpeningProblem(
            "An empty shop has nothing to publish. Leave --publish out, or choose a template."
        )
    for path in _paths(wanted.directory) if code != EMPTY else ():
        if path.exists():
            raise OpeningProblem(f"{path} is there already. Choose another directory, or move it away.")
    return replace(wanted, template=code)


def open_shop(wanted: Wanted) -> None:
    """Write the files, prepare the database, make the owner's account, and publish if that is wanted.

    Everything that can be refused is looked at before anything is written.

    :raises OpeningProblem: when a file is there already, the template is unknown, there is a programme or an owner, or the name
        or the password of the owner will not do.
    """
    from django.db import transaction

    from shuke.loyalty.starters import starters

    wanted = settle(wanted)
    starter = starters().get(wanted.template)
    programme, story = _paths(wanted.directory)
    files = {}
    if starter is not None:
        files[programme] = starter.programme
        files[story] = starter.story.replace(f"../{starter.code}.yaml", PROGRAMME_FILE)
    prepare_tables()
    _check_shop(wanted)
    with _written(files), transaction.atomic():
        if starter is not None:
            _define_attributes(starter.attributes)
        if wanted.owner:
            _make_owner(wanted.owner)
        if starter is not None and wanted.publish:
            _publish(starter.programme)
    _say_what_next(wanted)


@contextmanager
def _written(files: Mapping[Path, str]) -> Iterator[None]:
    """The files, unless what follows fails."""
    from shuke.kit.errors import ShukeError

    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {path}")
        yield
    except (OSError, ShukeError) as error:
        for path in files:
            path.unlink(missing_ok=True)
        raise OpeningProblem(f"{error} Nothing was done.") from error


def _paths(directory: Path) -> tuple[Path, Path]:
    return directory / PROGRAMME_FILE, directory / STORY_FILE


def _choices() -> str:
    from shuke.loyalty.starters import starters

    return f"{', '.join(starters())}; or {EMPTY}, to build it in the console"


def _ask() -> str:
    from shuke.loyalty.starters import starters

    if not sys.stdin.isatty():
        raise OpeningProblem(f"Say what to start from: --template, one of: {_choices()}.")
    codes = [*starters(), EMPTY]
    for number, starter in enumerate(starters().values(), 1):
        typer.echo(f"{number}  {starter.name['zh-Hans']} · {starter.name['en']}: {starter.about['en']}")
    typer.echo(f"{len(codes)}  空白 · Nothing: build the programme in the console.")
    chosen: int = typer.prompt("Which is nearest to your business?", type=click.IntRange(1, len(codes)))
    return codes[chosen - 1]


def has_tables() -> bool:
    """Whether this database was ever prepared."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def prepare_tables(*, verbosity: int = 0) -> None:
    """Tables of this version, and the channels that every shop has."""
    from django.core.management import call_command

    from shuke.catalog.operations import ensure_first_channels

    call_command("migrate", interactive=False, verbosity=verbosity)
    ensure_first_channels()


def _check_shop(wanted: Wanted) -> None:
    """A second opening must not pass over what the first one made."""
    from shuke.core.models import Staff
    from shuke.loyalty.models import ProgrammeVersion

    if wanted.publish and ProgrammeVersion.objects.exists():
        raise OpeningProblem(
            "This shop has a programme already. Leave --publish out, then compare: "
            f"{called_as()} programme diff FILE."
        )
    if wanted.owner and Staff.objects.filter(username__iexact=wanted.owner).exists():
        raise OpeningProblem(f"There is an account “{wanted.owner}” already. Leave --owner out.")


def _define_attributes(attributes: tuple[object, ...]) -> None:
    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now
    from shuke.members.operations import define_attribute

    for each in attributes:
        given = dict(each)  # type: ignore[call-overload]
        define_attribute(actor=SYSTEM, now=now(), **given)
        typer.echo(f"Members have the attribute “{given['code']}” now.")


def _make_owner(username: str) -> None:
    """At a terminal the password is asked for; elsewhere one is made up and printed, this once."""
    from shuke.core.operations import create_staff
    from shuke.core.values import SYSTEM, Role
    from shuke.kit.clock import now

    asked = sys.stdin.isatty()
    password = (
        typer.prompt(f"Password of {username}", hide_input=True, confirmation_prompt=True)
        if asked
        else "".join(secrets.choice(_LETTERS) for _ in range(16))
    )
    create_staff(
        actor=SYSTEM, now=now(), username=username, display_name=username, role=Role.OWNER,
        password=password, all_stores=True,
    )  # fmt: skip
    typer.echo(f"{username} can log in as owner." + ("" if asked else f" Password: {password}"))


def _publish(text: str) -> None:
    from django.utils import translation

    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now
    from shuke.loyalty.cautions import ALL
    from shuke.loyalty.document import validate
    from shuke.loyalty.operations import publish_programme, warnings_of

    # A new shop has no products yet, so the goods that a template speaks of are told, not refused.
    with translation.override("en"):
        for caution in warnings_of(validate(text), now()):
            typer.echo(f"To be seen to: {caution}")
    version = publish_programme(actor=SYSTEM, now=now(), source=text, note="shuke init", accepted=ALL)
    typer.echo(f"The programme is published as version {version.number}.")


def _say_what_next(wanted: Wanted) -> None:
    programme, story = _paths(wanted.directory)
    shuke, steps = called_as(), []
    goods = "stores first: the programme is checked against what you sell"
    if wanted.template != EMPTY:
        steps.append((f"scenario run {story}", "see what it does, in a database of its own"))
    steps.append(("import stores|products FILE", goods if wanted.template != EMPTY else ""))
    if wanted.template != EMPTY and not wanted.publish:
        steps.append((f"programme apply {programme}", "once it is yours: publish"))
    steps.append(("import members|orders FILE", "orders need a programme in force on their day"))
    if not wanted.owner:
        steps.append(("staff create NAME", "the owner's account"))
    steps.append(("serve", "" if wanted.template != EMPTY else "then Programme → New version in the console"))
    width = max((len(step) for step, why in steps if why), default=0)
    typer.echo("\nNext:")
    for step, why in steps:
        typer.echo(f"  {shuke} {step:{width}}  # {why}" if why else f"  {shuke} {step}")
