"""The error file beside the input: one line per refusal, with row, column, value (masked when personal), code and reason."""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from shuke.integrations.errors import REASONS
from shuke.integrations.fields import find_field
from shuke.integrations.files import Source
from shuke.integrations.mapping import Mapping
from shuke.integrations.parsing import Column
from shuke.integrations.references import Db
from shuke.integrations.values import RowRefusal

HEADER = ("row", "column", "value", "code", "reason")
MAX_VALUE = 120
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "|", "%")


def collect_row_errors(db: Db, source: Source, columns: Sequence[Column]) -> None:
    """Put what `parsed` found into the table `errors`, and the rows that could not be split."""
    for column in columns:
        db.execute(
            f"INSERT INTO errors SELECT row, ?, {column.error} FROM parsed WHERE {column.error} IS NOT NULL",
            [column.name],
        )
    if source.malformed:
        db.execute("INSERT INTO errors SELECT unnest($1::BIGINT[]), '', 'malformed_row'", [source.malformed])


def error_values(db: Db, source: Source, mapping: Mapping, columns: Sequence[Column]) -> None:
    """plan.errors(row, header, value, code): the errors with the words of the file, personal ones masked."""
    db.execute("CREATE TABLE plan.errors (row BIGINT, header VARCHAR, value VARCHAR, code VARCHAR)")
    by_name = {column.name: column for column in columns}
    for (name,) in db.execute("SELECT DISTINCT field FROM errors").fetchall():
        column = by_name.get(name)
        header = mapping.column_of(name) or name
        raw = f"CAST(r.{column.raw} AS VARCHAR)" if column and column.raw else "''"
        if is_personal(mapping, name):
            raw = (
                f"CASE WHEN length({raw}) > 6 THEN left({raw}, 1) || '***' || right({raw}, 2) ELSE '***' END"
            )
        db.execute(
            f"INSERT INTO plan.errors SELECT e.row, ?, left({raw}, {MAX_VALUE}), e.code"
            " FROM errors e LEFT JOIN raw r ON r.row = e.row WHERE e.field = ?",
            [header, name],
        )


def is_personal(mapping: Mapping, name: str) -> bool:
    """True when a field says who somebody is."""
    field = find_field(mapping.kind, name)
    return field is not None and field.personal


def write_errors(
    path: Path, db: Db | None, mapping: Mapping, refused: Iterable[RowRefusal], table: str = "errors"
) -> Counter[str]:
    """Write the error file and return how often each code occurs; without errors an old file is removed.

    Rows found wrong beforehand come first in row order, then those refused when they were written. The file is
    readable for its owner only, and complete when it appears under its name.
    """
    codes: Counter[str] = Counter()
    part = path.with_name(path.name + ".part")
    with os.fdopen(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8-sig", newline=""
    ) as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        if db is not None:
            cursor = db.execute(
                f"SELECT row, header, coalesce(value, ''), code FROM {table} ORDER BY row, header"
            )
            while block := cursor.fetchmany(5000):
                for row, header, value, code in block:
                    writer.writerow((row, _safe(header), _safe(value), code, str(REASONS.get(code, code))))
                    codes[code] += 1
        later = iter(refused)
        while some := list(islice(later, 5000)):
            for one in some:
                header = mapping.column_of(one.field) or one.field
                writer.writerow(
                    (one.row, _safe(header), "", one.code, one.reason or str(REASONS.get(one.code, one.code)))
                )
                codes[one.code] += 1
    if codes:
        part.replace(path)
    else:
        part.unlink()
        path.unlink(missing_ok=True)
    return codes


def _safe(text: str) -> str:
    """A cell that a spreadsheet will not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
