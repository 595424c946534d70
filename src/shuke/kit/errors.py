"""The one base of every error that a caller can cause: stable code, HTTP status, translated words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise

_tellers: dict[str, Callable[[str], str]] = {}


def tell_param(name: str, teller: Callable[[str], str]) -> None:
    """From now on the sentence of every error puts `teller(code)` where its parameter `name` holds a code.

    A room that refuses may lie below the one that knows the names; that one registers here when it starts. `params`
    keep the code, for the program that called.
    """
    _tellers[name] = teller


class ShukeError(Exception):
    """An anticipated refusal. Subclasses set `code`, `status` and `message`; instances carry the particulars.

    `message` is a gettext_lazy string with named %-placeholders filled from `params`. `field` names the input
    at fault in the caller's own spelling (a JSON pointer such as "lines/0/quantity" for the API). `told` are parameters
    which every instance of the class has: they fill the sentence and say nothing to a program.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    message: ClassVar[str | Promise] = "The request was refused."
    told: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *, field: str | None = None, **params: Any) -> None:
        self.field = field
        self.params = params
        super().__init__(self.code)

    def __str__(self) -> str:
        params = {**self.told, **self.params}
        if not params:
            return str(self.message)
        return str(self.message) % {
            name: _tellers[name](value) if name in _tellers else value for name, value in params.items()
        }
