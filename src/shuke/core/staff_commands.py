"""`shuke staff …`: the first owner, a forgotten password, a lock-out. Whoever has the server's shell may do
this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import typer

from shuke.kit.errors import ShukeError

app = typer.Typer(no_args_is_help=True, help="Staff accounts, from the server's own shell.")

_Password = Annotated[
    str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, help="Asked for.")
]


@app.command("create")
def create(
    username: str,
    password: _Password,
    role: Annotated[str, typer.Option(help="owner, admin, store_manager, cashier, …")] = "owner",
    name: Annotated[str, typer.Option(help="The name shown; the username without it.")] = "",
) -> None:
    """Create an account for all stores."""
    from shuke.core.operations import create_staff
    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now

    with _refusals():
        staff = create_staff(
            actor=SYSTEM, now=now(), username=username, display_name=name or username, role=role,
            password=password, all_stores=True,
        )  # fmt: skip
    typer.echo(f"{staff.username} can log in as {staff.role}.")


@app.command("password")
def password(username: str, password: _Password) -> None:
    """Set somebody's password; all their sessions end."""
    from shuke.core.operations import set_password
    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now

    with _refusals():
        set_password(actor=SYSTEM, now=now(), staff_id=_staff_id(username), password=password)
    typer.echo(f"The password of {username} is set.")


@app.command("unlock")
def unlock(username: str) -> None:
    """End a lock-out after failed logins."""
    from shuke.core.operations import unlock_staff
    from shuke.core.values import SYSTEM
    from shuke.kit.clock import now

    with _refusals():
        unlock_staff(actor=SYSTEM, now=now(), staff_id=_staff_id(username))
    typer.echo(f"{username} may try again.")


def _staff_id(username: str) -> UUID:
    from shuke.core.errors import NotFound
    from shuke.core.models import Staff

    staff = Staff.objects.filter(username__iexact=username).first()
    if staff is None:
        raise NotFound
    return staff.id


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal is one sentence and exit code 1, not a traceback."""
    try:
        yield
    except ShukeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
