"""The one base of every error that a caller can cause: stable code, HTTP status, translated words."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.functional import Promise


class ShukeError(Exception):
    """An anticipated refusal. Subclasses set `code`, `status` and `message`; instances carry the particulars.

    `message` is a gettext_lazy string with named %-placeholders filled from `params`. `field` names the input
    at fault in the caller's own spelling (a JSON pointer such as "lines/0/quantity" for the API).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    message: ClassVar[str | Promise] = "The request was refused."

    def __init__(self, *, field: str | None = None, **params: Any) -> None:
        self.field = field
        self.params = params
        super().__init__(self.code)

    def __str__(self) -> str:
        return str(self.message) % self.params if self.params else str(self.message)
