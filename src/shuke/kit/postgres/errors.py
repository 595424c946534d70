"""The one error of the embedded server: a sentence that says what is wrong and what to do."""

from __future__ import annotations


class PostgresProblem(RuntimeError):
    """The embedded server cannot be used; the message names the cause and the way out."""
