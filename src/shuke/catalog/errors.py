"""What the catalogue refuses, and how."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class CodeTaken(ShukeError):
    """A store or product with this code or SKU exists already."""

    code = "code_taken"
    status = 409
    message = _("The code %(value)s is already in use.")

    def __init__(self, *, field: str, value: str) -> None:
        super().__init__(field=field, value=value)


class UnknownStore(ShukeError):
    code = "unknown_store"
    status = 422
    message = _("There is no store with the code %(code)s. Check the code or create the store first.")
