"""Import members, products and stores: rows in file order, a few thousand to a transaction."""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from shuke.catalog.bulk import put_products_in_bulk, put_stores_in_bulk
from shuke.catalog.models import Product, Store
from shuke.catalog.values import NewProduct, NewStore
from shuke.core.values import SYSTEM
from shuke.integrations.journal import chunks_done, claim_chunk, close_chunk
from shuke.integrations.member_rows import MemberRows
from shuke.integrations.models import ImportRun
from shuke.integrations.parsing import Column
from shuke.integrations.references import Db
from shuke.integrations.values import Counts, Kind, OnExisting, RowRefusal
from shuke.kit.errors import ShukeError

CHUNK_ROWS = 4000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[int, dict[str, Any]]
Outcome = tuple[Counts, list[RowRefusal]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The good rows of a file, as chunks whose borders depend on the file alone."""

    db: Db
    columns: Sequence[Column]
    last: int

    def chunks(self) -> Iterator[tuple[int, Callable[[], list[Row]]]]:
        """(number, reader) of each chunk in order."""
        for number in range(self.last // CHUNK_ROWS + 1):
            yield number, lambda number=number: self._read(number)  # type: ignore[misc]

    def _read(self, number: int) -> list[Row]:
        values = ", ".join(column.value for column in self.columns)
        found = self.db.execute(
            f"SELECT row, {values} FROM parsed ANTI JOIN bad_rows USING (row)"
            f" WHERE row >= {number * CHUNK_ROWS} AND row < {(number + 1) * CHUNK_ROWS} ORDER BY row"
        ).fetchall()
        names = [column.name for column in self.columns]
        instants = {column.name for column in self.columns if column.field.type == "instant"}
        rows: list[Row] = []
        for row, *cells in found:
            values_of = dict(zip(names, cells, strict=True))
            for name in instants:
                if values_of[name] is not None:
                    values_of[name] = EPOCH + timedelta(microseconds=values_of[name])
            rows.append((row, values_of))
        return rows


def refuse_duplicates(db: Db, columns: Sequence[Column], kind: Kind) -> None:
    """Of two rows with one code the first counts; the table `bad_rows` lists every row with an error."""
    key = {Kind.STORES: "code", Kind.PRODUCTS: "sku"}.get(kind)
    column = next((column for column in columns if column.name == key), None)
    if column is not None:
        db.execute(
            f"INSERT INTO errors SELECT row, '{key}', 'duplicate_row' FROM (SELECT row, row_number() OVER"
            f" (PARTITION BY {column.value} ORDER BY row) AS n FROM parsed WHERE {column.value} IS NOT NULL) WHERE n > 1"
        )
    db.execute("CREATE TABLE bad_rows AS SELECT DISTINCT row FROM errors")


def write_rows(
    *, run: ImportRun, rows: Rows, on_existing: OnExisting, currency: str, clock: Callable[[], datetime]
) -> Iterator[Counts]:
    """Write the chunks that are not written yet; yields the figures of each after it is committed."""
    done = chunks_done(run.id)
    write = {Kind.MEMBERS: MemberRows().write, Kind.STORES: _stores, Kind.PRODUCTS: _products}[Kind(run.kind)]
    for number, read in rows.chunks():
        if (0, number) in done:
            continue
        chunk = read()
        if not chunk:
            continue
        now = clock()
        with transaction.atomic():
            if not claim_chunk(run_id=run.id, lane=0, number=number, now=now):
                continue
            counts, refused = write(chunk, on_existing, currency, now)
            counts.refused = len({one.row for one in refused})
            close_chunk(run=run, lane=0, number=number, now=now, counts=counts, refused=refused, data={})
        yield counts


def _stores(rows: list[Row], on_existing: OnExisting, currency: str, now: datetime) -> Outcome:
    known = {store.code: store for store in Store.objects.filter(code__in=[row["code"] for _n, row in rows])}

    def build(row: Mapping[str, Any]) -> NewStore:
        old = known.get(row["code"])
        return NewStore(
            code=row["code"],
            name=row["name"],
            region=_given(row, "region", old.region if old else ""),
            is_open=_given(row, "is_open", old.is_open if old else True),
            opened_on=_given(row, "opened_on", old.opened_on if old else None),
        )

    def put(new: list[NewStore]) -> tuple[int, int, list[tuple[int, ShukeError]]]:
        result = put_stores_in_bulk(actor=SYSTEM, now=now, rows=new)
        return result.created, result.changed, [(one.index, one.error) for one in result.refused]

    return _put(rows, "code", set(known), on_existing, build, put)


def _products(rows: list[Row], on_existing: OnExisting, currency: str, now: datetime) -> Outcome:
    known = {p.sku: p for p in Product.objects.filter(sku__in=[row["sku"] for _n, row in rows])}

    def build(row: Mapping[str, Any]) -> NewProduct:
        old = known.get(row["sku"])
        return NewProduct(
            sku=row["sku"],
            name=row["name"],
            category=_given(row, "category", (old.category_id or "") if old else "").replace(">", "/"),
            brand=_given(row, "brand", old.brand if old else ""),
            price_minor=_given(row, "price", old.price_minor if old else None),
            cost_minor=_given(row, "cost", old.cost_minor if old else None),
            currency=currency,
            is_active=_given(row, "is_active", old.is_active if old else True),
        )

    def put(new: list[NewProduct]) -> tuple[int, int, list[tuple[int, ShukeError]]]:
        result = put_products_in_bulk(actor=SYSTEM, now=now, rows=new)
        return result.created, result.changed, [(one.index, one.error) for one in result.refused]

    return _put(rows, "sku", set(known), on_existing, build, put)


def _put(
    rows: list[Row],
    key: str,
    known: set[str],
    on_existing: OnExisting,
    build: Callable[[Mapping[str, Any]], Any],
    put: Callable[[list[Any]], tuple[int, int, list[tuple[int, ShukeError]]]],
) -> Outcome:
    counts, refused = Counts(), list[RowRefusal]()
    accepted: list[Row] = []
    for number, row in rows:
        if row[key] in known and on_existing is not OnExisting.UPDATE:
            if on_existing is OnExisting.ERROR:
                refused.append(RowRefusal(number, key, "already_exists"))
            else:
                counts.skipped += 1
        else:
            accepted.append((number, row))
    created, changed, errors = put([build(row) for _number, row in accepted])
    refused += [refusal_of(accepted[index][0], error) for index, error in errors]
    counts.imported, counts.updated = created, changed
    counts.skipped += len(accepted) - created - changed - len(errors)
    return counts, refused


def refusal_of(row: int, error: ShukeError) -> RowRefusal:
    """A refusal of another room as a line of the error file."""
    return RowRefusal(row, (error.field or "").replace("_minor", ""), error.code, str(error))


def _given(row: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    value = row.get(name)
    return otherwise if value is None else value
