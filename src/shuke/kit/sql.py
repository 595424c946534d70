"""Named SQL statements kept in files: `load("checkout", "commit_order")` reads checkout/sql/commit_order.sql."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(room: str, name: str) -> str:
    """The text of `shuke/<room>/sql/<name>.sql`. Raises FileNotFoundError for an unknown name."""
    return files(f"shuke.{room}").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
