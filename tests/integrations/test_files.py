"""Files as shops really export them: encodings, delimiters, workbooks, Parquet, and what cannot be read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import xlsxwriter

from shuke.integrations.errors import FileUnreadable
from shuke.integrations.files import Source, detect_encoding, open_source, read_headers
from shuke.integrations.mapping import Mapping
from shuke.integrations.values import Kind

BARE = Mapping(kind=Kind.STORES, columns={})
TEXT = '编号,名称,备注\nS1,一店,"第一行\n第二行, 带逗号"\n\nS2,二店,\n'
ROWS = [(2, "S1", "一店", "第一行\n第二行, 带逗号"), (4, "S2", "二店", None)]


def rows_of(path: Path, directory: Path, mapping: Mapping = BARE) -> tuple[Source, list[tuple[Any, ...]]]:
    with duckdb.connect() as db:
        source = open_source(db, path, mapping, directory)
        return source, db.execute("SELECT * FROM raw ORDER BY row").fetchall()


def blanks(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(cell if cell != "" else None for cell in row) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_every_usual_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "stores.csv"
    path.write_bytes(TEXT.encode(encoding))
    source, rows = rows_of(path, tmp_path)
    assert source.headers == ["编号", "名称", "备注"]
    assert blanks(rows) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "stores.csv"
    path.write_text(f'code{delimiter}name\nS1{delimiter}a b\nS2{delimiter}"c{delimiter}d"\n')
    assert rows_of(path, tmp_path)[1] == [(2, "S1", "a b"), (3, "S2", f"c{delimiter}d")]


def test_windows_line_ends_and_a_last_line_without_one(tmp_path: Path) -> None:
    path = tmp_path / "stores.csv"
    path.write_bytes(b"code,name\r\nS1,a\r\nS2,b")
    assert rows_of(path, tmp_path)[1] == [(2, "S1", "a"), (3, "S2", "b")]


def test_rows_of_another_width_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stores.csv"
    path.write_text('code,name\nS1,a\nS2\nS3,c,d\nS4,e,,\nS5,"f"g\nS6,h\n')
    source, rows = rows_of(path, tmp_path)
    assert rows == [(2, "S1", "a"), (5, "S4", "e"), (7, "S6", "h")]
    assert source.malformed == [3, 4, 6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b'code,name\nS1,"never closed\nS2,b\n', "never closed"),
        (b"code,code\nS1,a\n", "Two columns"),
        (b"PK\x03\x04 not a workbook", "cannot be read"),
        (b"\x00\x01\x02\x03", "not a text file"),
        (b"code,name\n\xff\xff,\x80\n", "neither UTF-8 nor GB18030"),
        (b"PAR1 not parquet", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "stores.csv"
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match=reason):
        rows_of(path, tmp_path)


def test_a_missing_file_and_a_wrong_encoding(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="No such file"):
        read_headers(tmp_path / "none.csv", BARE)
    path = tmp_path / "stores.csv"
    path.write_bytes("编号\n一\n".encode("gbk"))
    with pytest.raises(FileUnreadable, match="--encoding"):
        rows_of(path, tmp_path, Mapping(kind=Kind.STORES, columns={}, encoding="utf-8"))
    with pytest.raises(FileUnreadable, match="--encoding"):
        rows_of(path, tmp_path, Mapping(kind=Kind.STORES, columns={}, encoding="klingon"))


def test_text_that_is_utf8_is_never_taken_for_gbk(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("名称\n" + "店" * 2_000_000)
    assert detect_encoding(path) == "utf-8"


def workbook(path: Path) -> Path:
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("会员")
    sheet.merge_range("A1:D1", "2026 年会员表")
    sheet.write_row(1, 0, ["单号", "手机", "日期", "金额"])
    sheet.merge_range("A3:A4", "A1")
    sheet.write_number(2, 1, 13800000001)
    sheet.write_datetime(2, 2, date(2026, 1, 5), book.add_format({"num_format": "yyyy-mm-dd"}))
    sheet.write_formula(2, 3, "=1+1.5", None, 2.5)
    sheet.write_string(3, 1, "=cmd|' /C calc'!A0")
    sheet.write_boolean(3, 3, True)
    sheet.write_row(6, 0, ["A2", "x", "y", 3])
    book.add_worksheet("空")
    book.close()
    return path


def test_a_workbook_with_one_far_cell_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["单号", "手机"])
    sheet.write_string(1_048_575, 16_383, "x")
    book.close()
    assert path.stat().st_size < 20_000
    with pytest.raises(FileUnreadable, match="1048576"):
        rows_of(path, tmp_path)


def test_a_workbook_gives_cached_values_plain_text_and_fills_merged_cells(tmp_path: Path) -> None:
    source, rows = rows_of(workbook(tmp_path / "book.xlsx"), tmp_path)
    assert source.headers == ["单号", "手机", "日期", "金额"]
    assert blanks(rows) == [
        (3, "A1", "13800000001", "2026-01-05", "2.5"),
        (4, "A1", "=cmd|' /C calc'!A0", None, "true"),
        (7, "A2", "x", "y", "3"),
    ]


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx")
    with pytest.raises(FileUnreadable, match="empty"):
        rows_of(path, tmp_path, Mapping(kind=Kind.STORES, columns={}, sheet="空"))
    with pytest.raises(FileUnreadable, match="会员"):
        rows_of(path, tmp_path, Mapping(kind=Kind.STORES, columns={}, sheet="无"))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "stores.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT 'S1' AS code, 7::BIGINT AS n, DATE '2026-01-05' AS \"the day\") TO '{path}'"
        )
    source, rows = rows_of(path, tmp_path)
    assert (source.headers, source.types, source.rows) == (
        ["code", "n", "the day"],
        ["VARCHAR", "BIGINT", "DATE"],
        1,
    )
    assert rows == [(2, "S1", 7, date(2026, 1, 5))]
