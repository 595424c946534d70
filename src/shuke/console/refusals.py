"""How a refusal of an operation reaches the person: beside the field at fault, or above the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from django import forms

from shuke.kit.errors import ShukeError

T = TypeVar("T")


def attempt(form: forms.Form, work: Callable[[], T], *, fields: Mapping[str, str] | None = None) -> T | None:
    """What `work` returns; None when it refused, and the form then says why.

    `fields` names the form's field where it differs from the operation's, or where an error code stands for a field.
    """
    try:
        return work()
    except ShukeError as error:
        named = (fields or {}).get(error.code) or (fields or {}).get(error.field or "") or error.field
        form.add_error(named if named in form.fields else None, str(error))
        return None
