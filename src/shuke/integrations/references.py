"""Turn the codes of a file into rows of the database, each distinct one once and many in one query."""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
from django.db import connection

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.members.identifiers import blind, normalise
from shuke.members.models import IdentifierKind

BLOCK = 20_000

Db = duckdb.DuckDBPyConnection


def resolve_stores(db: Db, table: str, column: str) -> None:
    """stores(idx, code, id) of every store that `column` names and that exists."""
    db.execute("CREATE TABLE plan.stores (idx INTEGER, code VARCHAR, id VARCHAR)")
    for codes in _distinct(db, table, column):
        with connection.cursor() as cursor:
            cursor.execute("SELECT code, id::text FROM catalog_store WHERE code = ANY(%s)", [codes])
            _insert(db, "plan.stores", cursor.fetchall(), 2)


def resolve_channels(db: Db, table: str, column: str) -> None:
    """channels(idx, code) of every channel that exists."""
    db.execute("CREATE TABLE plan.channels (idx INTEGER, code VARCHAR)")
    for codes in _distinct(db, table, column):
        with connection.cursor() as cursor:
            cursor.execute("SELECT code FROM catalog_channel WHERE code = ANY(%s)", [codes])
            _insert(db, "plan.channels", cursor.fetchall(), 1)


def resolve_products(db: Db, table: str, column: str) -> None:
    """products(idx, sku, id, category) of every product that exists."""
    db.execute("CREATE TABLE plan.products (idx INTEGER, sku VARCHAR, id VARCHAR, category VARCHAR)")
    for skus in _distinct(db, table, column):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sku, id::text, coalesce(category_path, '') FROM catalog_product WHERE sku = ANY(%s)",
                [skus],
            )
            _insert(db, "plan.products", cursor.fetchall(), 3)


def resolve_members(db: Db, table: str, column: str, kind: str, system: str) -> None:
    """members(idx, id) and member_refs(ref, idx): several spellings of one member share its idx.

    The references are personal data, so they stay in the staging database.
    """
    db.execute("CREATE TABLE plan.members (idx INTEGER, id VARCHAR)")
    db.execute("CREATE TABLE member_refs (ref VARCHAR, id VARCHAR)")
    for refs in _distinct(db, table, column):
        found = _numbers(refs) if kind == "number" else _identifiers(refs, kind, system)
        if found:
            db.execute(
                "INSERT INTO member_refs SELECT unnest($1), unnest($2)",
                [list(column) for column in zip(*found, strict=True)],
            )
    db.execute(
        "INSERT INTO plan.members SELECT row_number() OVER (ORDER BY id), id FROM (SELECT DISTINCT id FROM member_refs)"
    )


def _numbers(refs: Sequence[str]) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, id::text FROM members_member WHERE number = ANY(%s)", [list(refs)])
        return [(number, member_id) for number, member_id in cursor.fetchall()]


def _identifiers(refs: Sequence[str], kind: str, system: str) -> list[tuple[str, str]]:
    by_blind: dict[bytes, list[str]] = {}
    keys = keyset()
    for ref in refs:
        try:
            by_blind.setdefault(blind(keys, kind, normalise(kind, ref, system)), []).append(ref)
        except InvalidInput:
            continue
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT blind, member_id::text FROM members_identifier WHERE blind = ANY(%s) AND kind = %s AND system = %s",
            [list(by_blind), kind, system if kind == IdentifierKind.EXTERNAL else ""],
        )
        return [(ref, member_id) for index, member_id in cursor.fetchall() for ref in by_blind[bytes(index)]]


def _distinct(db: Db, table: str, column: str) -> Iterator[list[str]]:
    """The distinct values in blocks; read before anything is written, because a connection has one result open."""
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT DISTINCT {column} AS v FROM {table} WHERE {column} IS NOT NULL"
    )
    found = db.execute("SELECT count(*) FROM wanted").fetchone()
    assert found is not None
    for start in range(0, found[0], BLOCK):
        yield [v for (v,) in db.execute(f"SELECT v FROM wanted LIMIT {BLOCK} OFFSET {start}").fetchall()]


def _insert(db: Db, table: str, rows: Sequence[tuple[Any, ...]], width: int) -> None:
    """Append rows with a running number in front. Lists as parameters are many times faster than executemany."""
    if not rows:
        return
    columns = ", ".join(f"unnest(${i + 1})" for i in range(width))
    db.execute(
        f"INSERT INTO {table} SELECT (SELECT count(*) FROM {table}) + row_number() OVER (), * FROM (SELECT {columns})",
        [list(column) for column in zip(*rows, strict=True)],
    )
