"""Bring many stores or products up to date at once: COPY into a temporary table, then one set-based statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, transaction

from shuke.catalog.errors import CodeTaken
from shuke.catalog.operations import ensure_categories, product_terms
from shuke.catalog.rules import clean_product, clean_store
from shuke.catalog.values import BulkResult, NewProduct, NewStore, RefusedRow
from shuke.core.errors import OutOfStoreScope
from shuke.core.operations import record_audit
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.kit.sql import load

CHUNK = 5000

_Row = TypeVar("_Row", NewStore, NewProduct)


def put_stores_in_bulk(*, actor: Actor, now: datetime, rows: Iterable[NewStore]) -> BulkResult:
    """Create the stores whose code is new and bring the others up to date, in one transaction.

    A refused row (InvalidInput, or CodeTaken for a code that came before) does not stop the others.
    Raises OutOfStoreScope for an actor bound to some stores.
    """
    if not actor.all_stores:
        raise OutOfStoreScope

    def merge(stores: Sequence[NewStore]) -> tuple[int, int]:
        return _merge(
            "store",
            ["uuid", "varchar", "varchar", "varchar", "bool", "date", "timestamptz"],
            ((uuid7(), s.code, s.name, s.region, s.is_open, s.opened_on, now) for s in stores),
        )

    return _put(actor, now, "store", rows, "code", clean_store, merge)


def put_products_in_bulk(*, actor: Actor, now: datetime, rows: Iterable[NewProduct]) -> BulkResult:
    """Create the products whose SKU is new and bring the others up to date, in one transaction.

    A refused row (InvalidInput, or CodeTaken for a SKU that came before) does not stop the others.
    """

    def merge(products: Sequence[NewProduct]) -> tuple[int, int]:
        ensure_categories({product.category for product in products if product.category})
        return _merge(
            "product",
            [
                "uuid",
                "varchar",
                "varchar",
                "text",
                "varchar",
                "varchar",
                "int8",
                "int8",
                "varchar",
                "bool",
                "timestamptz",
            ],
            (_product_row(product, now) for product in products),
        )

    return _put(actor, now, "product", rows, "sku", clean_product, merge)


def _put(
    actor: Actor,
    now: datetime,
    thing: str,
    rows: Iterable[_Row],
    key: str,
    clean: Callable[[_Row], _Row],
    merge: Callable[[Sequence[_Row]], tuple[int, int]],
) -> BulkResult:
    created = changed = 0
    refused: list[RefusedRow] = []
    seen: set[str] = set()
    numbered = enumerate(rows)
    with transaction.atomic():
        while chunk := list(islice(numbered, CHUNK)):
            accepted: list[_Row] = []
            for index, row in chunk:
                try:
                    good = clean(row)
                    code = getattr(good, key)
                    if code in seen:
                        raise CodeTaken(field=key, value=code)
                except ShukeError as error:
                    refused.append(RefusedRow(index, error))
                else:
                    seen.add(code)
                    accepted.append(good)
            new, other = merge(accepted)
            created, changed = created + new, changed + other
        record_audit(
            actor=actor,
            action=f"catalog.put_{thing}s_in_bulk",
            now=now,
            object_type=thing,
            data={"created": created, "changed": changed, "refused": len(refused)},
        )
    return BulkResult(created, changed, refused)


def _merge(thing: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> tuple[int, int]:
    """(new, changed) rows; those that are as the catalogue has them already count as neither."""
    with connection.cursor() as cursor:
        cursor.execute(load("catalog", f"stage_{thing}s"))
        with cursor.copy(f"COPY staged_{thing} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        cursor.execute(load("catalog", f"merge_{thing}s"))
        new, changed = cursor.fetchone()
        cursor.execute(f"DROP TABLE staged_{thing}")
    return new, changed


def _product_row(p: NewProduct, now: datetime) -> tuple[Any, ...]:
    what = (uuid7(), p.sku, p.name, product_terms(p), p.category or None, p.brand)
    return (*what, p.price_minor, p.cost_minor, p.currency, p.is_active, now)
