"""The one error of the embedded server: a sentence that says what is wrong and what to do."""

from __future__ import annotations


class PostgresProblem(RuntimeError):  # noqa: N818 - reads as what it is where it is shown to the operator
    """The embedded server cannot be used; the message names the cause and the way out."""
