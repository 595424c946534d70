"""Take a file apart into rows: CSV in any usual encoding, XLSX, Parquet. Nothing is interpreted here.

Every source ends as the DuckDB relation `raw(row, c0, c1, …)`; `row` is the row's number in the file, the header being
row 1, as a spreadsheet shows it. Text sources are streamed through one writer, so memory stays flat.
"""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from django.utils.translation import gettext_lazy as _
from python_calamine import CalamineError, CalamineWorkbook

from shuke.integrations.errors import FileUnreadable
from shuke.integrations.mapping import Mapping

MAX_CELL = 200_000
MAX_COLUMNS = 500
BLOCK = 1 << 20
DELIMITERS = ",;\t|"
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that lies open in `raw`: header i is column c{i} of DuckDB type `types[i]`."""

    headers: list[str]
    types: list[str]
    rows: int
    malformed: list[int]
    """Numbers of the rows that have another number of columns than the header; they are not in `raw`."""


MOST_CELLS = 20_000_000
"""Cells a sheet may span: a million rows with some twenty columns. Larger tables come as CSV or Parquet."""
_CELL_NAME = re.compile(rb'<c[^>]{0,40}? r="([A-Z]{1,3})([0-9]{1,7})"')


def read_headers(path: Path, mapping: Mapping) -> list[str]:
    """The headers alone, for a suggestion. Raises FileUnreadable."""
    if _is_parquet(path):
        with duckdb.connect() as connection:
            return _parquet_columns(connection, path)[0]
    for _row, cells in _text_rows(path, mapping):
        return _headers(path, cells)
    raise FileUnreadable(file=path.name, reason=_("It is empty."))


def open_source(
    connection: duckdb.DuckDBPyConnection, path: Path, mapping: Mapping, directory: Path
) -> Source:
    """Make the relation `raw`. Raises FileUnreadable."""
    if _is_parquet(path):
        return _open_parquet(connection, path)
    return _open_text(connection, path, mapping, directory)


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> Source:
    headers, types = _parquet_columns(connection, path)
    columns = ", ".join(f"{_identifier(header)} AS c{i}" for i, header in enumerate(headers))
    source = f"read_parquet('{_literal(str(path))}', file_row_number=true)"
    connection.execute(f"CREATE VIEW raw AS SELECT file_row_number + 2 AS row, {columns} FROM {source}")
    found = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    assert found is not None
    return Source(headers, types, found[0], [])


def _parquet_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[list[str], list[str]]:
    try:
        described = connection.execute(
            f"DESCRIBE SELECT * FROM read_parquet('{_literal(str(path))}')"
        ).fetchall()
    except duckdb.Error as error:
        raise FileUnreadable(file=path.name, reason=" ".join(str(error).split())[:300]) from error
    return _headers(path, [row[0] for row in described]), [row[1] for row in described]


def _open_text(
    connection: duckdb.DuckDBPyConnection, path: Path, mapping: Mapping, directory: Path
) -> Source:
    rows = _text_rows(path, mapping)
    first = next(rows, None)
    if first is None:
        raise FileUnreadable(file=path.name, reason=_("It is empty."))
    headers = _headers(path, first[1])
    width = len(headers)
    normal = directory / "rows.csv"
    malformed: list[int] = []
    count = 0
    with normal.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        while block := list(islice(rows, 5000)):
            good: list[list[Any]] = []
            for number, cells in block:
                if len(cells) != width:
                    cells = cells[:width] if not any(cells[width:]) and len(cells) > width else []
                if cells:
                    good.append([number, *cells])
                else:
                    malformed.append(number)
            count += len(block)
            writer.writerows(good)
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    connection.execute(
        "CREATE VIEW raw AS SELECT * FROM read_csv("
        f"'{_literal(str(normal))}', header=false, auto_detect=false, delim=',', quote='\"', escape='\"',"
        f" max_line_size={8 * BLOCK}, columns={{'row': 'BIGINT', {columns}}})"
    )
    return Source(headers, ["VARCHAR"] * width, count, malformed)


def _text_rows(path: Path, mapping: Mapping) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of every row that is not blank, the header first; [] for a row that cannot be split."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FileUnreadable(file=path.name, reason=error.strerror or str(error)) from error
    if start[:4] == b"PK\x03\x04" or path.suffix.lower() in {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}:
        rows = _sheet_rows(path, mapping.sheet)
    else:
        rows = _csv_rows(path, mapping)
    for number, cells in rows:
        if not cells or any(cell.strip() for cell in cells):
            yield number, cells


def _csv_rows(path: Path, mapping: Mapping) -> Iterator[tuple[int, list[str]]]:
    encoding = mapping.encoding or detect_encoding(path)
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise FileUnreadable(
            file=path.name,
            reason=_("There is no encoding %(name)s: see --encoding.") % {"name": encoding[:40]},
        ) from error
    csv.field_size_limit(MAX_CELL)
    with path.open("r", encoding=encoding, newline="") as file:
        try:
            delimiter = mapping.delimiter or _delimiter(file.read(1 << 16))
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            number = 0
            while True:
                number += 1
                line = reader.line_num
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if "unexpected end of data" in str(error) or "field larger" in str(error):
                        raise FileUnreadable(
                            file=path.name,
                            reason=_("A quotation mark in line %(line)s is never closed.")
                            % {"line": line + 1},
                        ) from error
                    cells = []
                    yield number, cells
                    continue
                if cells:
                    yield number, cells
        except UnicodeError as error:
            raise FileUnreadable(
                file=path.name,
                reason=_("It is not written in %(encoding)s. Name its encoding with --encoding.")
                % {"encoding": encoding},
            ) from error


def detect_encoding(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, or UTF-8 if every byte of it fits, or else GB18030.

    Raises FileUnreadable for a file that is neither, or no text at all.
    """
    with path.open("rb") as file:
        start = file.read(4)
        for mark, name in BOMS:
            if start.startswith(mark):
                return name
        for name in ("utf-8", "gb18030"):
            file.seek(0)
            decoder = codecs.getincrementaldecoder(name)()
            try:
                while block := file.read(BLOCK):
                    if b"\x00" in block:
                        raise FileUnreadable(file=path.name, reason=_("It is not a text file."))
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                continue
            return name
    raise FileUnreadable(
        file=path.name, reason=_("It is neither UTF-8 nor GB18030 text. Name its encoding with --encoding.")
    )


def _delimiter(sample: str) -> str:
    """The sign that splits the first rows into the most columns, and all of them into equally many."""
    best, most = ",", 0
    for candidate in DELIMITERS:
        reader = csv.reader(io.StringIO(sample), delimiter=candidate)
        try:
            widths = [len(row) for row in islice((row for row in reader if row), 20)]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            same = sum(1 for width in widths if width == widths[0])
            score = widths[0] * same * 100 // len(widths)
            if score > most:
                best, most = candidate, score
    return best


def _refuse_sparse(path: Path) -> None:
    """Refuse a workbook whose cells span more than memory holds: the reader lays out the whole rectangle.

    A file of two kilobytes can name the cell XFD1048576; so the names of the cells are looked at first, as a stream.
    """
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if not (part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml")):
                continue
            rows = columns = 0
            with archive.open(part) as stream:
                tail = b""
                while block := stream.read(1 << 20):
                    for letters, digits in _CELL_NAME.findall(tail + block):
                        rows, columns = max(rows, int(digits)), max(columns, _column(letters))
                    if rows * columns > MOST_CELLS:
                        raise FileUnreadable(
                            file=path.name,
                            reason=_(
                                "Its cells spread over %(rows)s rows and %(columns)s columns. Delete what stands far away."
                            )
                            % {"rows": rows, "columns": columns},
                        )
                    tail = block[-40:]


def _column(letters: bytes) -> int:
    """A → 1, Z → 26, AA → 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _sheet_rows(path: Path, sheet: str) -> Iterator[tuple[int, list[str]]]:
    try:
        _refuse_sparse(path)
        workbook = CalamineWorkbook.from_path(str(path))
        names = workbook.sheet_names
        if sheet and sheet not in names:
            raise FileUnreadable(
                file=path.name, reason=_("It has no sheet %(sheet)s; it has: %(names)s.")
                % {"sheet": sheet, "names": ", ".join(names)[:300]}
            )  # fmt: skip
        table = workbook.get_sheet_by_name(sheet or names[0])
        merged = dict(table.merged_cell_ranges or ())
        rows = table.to_python(skip_empty_area=False) if table.height else []
    except (CalamineError, zipfile.BadZipFile, OSError, IndexError) as error:
        raise FileUnreadable(file=path.name, reason=" ".join(str(error).split())[:300]) from error
    _fill_merged(rows, merged)
    width = 0
    for number, cells in enumerate(rows, 1):
        texts = [_cell_text(cell) for cell in cells]
        filled = sum(1 for text in texts if text.strip())
        if not width:
            # A title over the table is one cell; the header is the first row with more, if any row has.
            if filled == 0 or (filled == 1 and _has_wider(rows, number)):
                continue
            width = max(i for i, text in enumerate(texts, 1) if text.strip())
        if filled:
            yield number, texts[:width] if not any(texts[width:]) else texts


def _has_wider(rows: list[list[Any]], after: int) -> bool:
    return any(sum(1 for cell in row if cell not in ("", None)) > 1 for row in rows[after : after + 10])


def _fill_merged(rows: list[list[Any]], merged: dict[tuple[int, int], tuple[int, int]]) -> None:
    """A cell merged downwards means its value for each of its rows; only the first one holds it."""
    for (top, left), (bottom, _right) in merged.items():
        if bottom <= top or top >= len(rows) or left >= len(rows[top]):
            continue
        for row in rows[top + 1 : bottom + 1]:
            if left < len(row) and row[left] in ("", None):
                row[left] = rows[top][left]


def _cell_text(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime():
            return cell.isoformat(sep=" ")
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
    return str(cell)


def _headers(path: Path, cells: Iterable[str]) -> list[str]:
    """Trimmed headers; empty ones at the end do not count."""
    headers = [str(cell).replace("\ufeff", "").strip() for cell in cells]
    while headers and not headers[-1]:
        headers.pop()
    if not headers:
        raise FileUnreadable(file=path.name, reason=_("It has no header row."))
    if len(headers) > MAX_COLUMNS:
        raise FileUnreadable(file=path.name, reason=_("It has more than 500 columns."))
    named = [header for header in headers if header]
    double = next((header for header in named if named.count(header) > 1), None)
    if double is not None:
        raise FileUnreadable(
            file=path.name, reason=_("Two columns are called %(header)s.") % {"header": double[:60]}
        )
    return headers


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise FileUnreadable(file=path.name, reason=error.strerror or str(error)) from error


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return text.replace("'", "''")
