"""Stores, channels and products."""

from __future__ import annotations

from typing import Any

import msgspec
from ninja import Router

from shuke.api.contracts.catalog import (
    Channel,
    ChannelChange,
    ChannelIn,
    ChannelList,
    Product,
    ProductChange,
    ProductIn,
    ProductList,
    ProductsQuery,
    Store,
    StoreChange,
    StoreIn,
    StoreList,
)
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import BY_CODE, BY_NAME, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.catalog import models
from shuke.catalog.errors import CodeTaken
from shuke.catalog.operations import (
    change_channel,
    change_product,
    change_store,
    create_channel,
    create_product,
    create_store,
)
from shuke.catalog.queries import (
    find_products,
    get_store_by_code,
    list_channels,
    list_stores,
    products_by_sku,
)
from shuke.core.errors import IdempotencyConflict, InvalidInput, NotFound, OutOfStoreScope
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Scope

router = Router()


@endpoint(
    router,
    "GET",
    "/stores",
    scope=Scope.CATALOG_READ,
    query=PageQuery,
    answers={200: StoreList},
    tag="catalog",
)
def stores(call: Call, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List the stores that the key covers, by code."""
    cursor = checked_cursor(query.cursor, BY_CODE)
    after = decode_cursor(cursor)[0] if cursor else ""
    rows = [row for row in list_stores() if row.code > after and call.covers(row.id)]
    rows.sort(
        key=lambda row: row.code
    )  # by code point, as `after` compares, whatever the database's collation
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return 200, {
        "stores": [_store(row) for row in page],
        "next_cursor": encode_cursor([page[-1].code]) if more else None,
    }


@endpoint(
    router,
    "POST",
    "/stores",
    scope=Scope.CATALOG_WRITE,
    body=StoreIn,
    answers={201: Store},
    tag="catalog",
    keyed="once",
    refusals=(CodeTaken, OutOfStoreScope, InvalidInput, IdempotencyConflict),
)
def create_a_store(call: Call, body: StoreIn) -> tuple[int, dict[str, Any]]:
    """Open a store.

    Needs a key that covers all stores.
    """
    return 201, _store(
        create_store(actor=call.caller.as_actor(), now=call.now, **msgspec.structs.asdict(body))
    )


@endpoint(
    router,
    "GET",
    "/stores/{code}",
    scope=Scope.CATALOG_READ,
    answers={200: Store},
    tag="catalog",
    refusals=(NotFound,),
)
def store(call: Call, code: str) -> tuple[int, dict[str, Any]]:
    """Read a store."""
    return 200, _store(_covered(call, code))


@endpoint(
    router,
    "PATCH",
    "/stores/{code}",
    scope=Scope.CATALOG_WRITE,
    body=StoreChange,
    answers={200: Store},
    tag="catalog",
    keyed="once",
    refusals=(NotFound, InvalidInput, IdempotencyConflict),
)
def change_a_store(call: Call, code: str, body: StoreChange) -> tuple[int, dict[str, Any]]:
    """Change a store."""
    row = _covered(call, code)
    changed = change_store(
        actor=call.caller.as_actor(), now=call.now, store_id=row.id, changes=_changes(body)
    )
    return 200, _store(changed)


@endpoint(router, "GET", "/channels", scope=Scope.CATALOG_READ, answers={200: ChannelList}, tag="catalog")
def channels(call: Call) -> tuple[int, dict[str, Any]]:
    """List the channels."""
    return 200, {"channels": [_channel(row) for row in list_channels()]}


@endpoint(
    router,
    "POST",
    "/channels",
    scope=Scope.CATALOG_WRITE,
    body=ChannelIn,
    answers={201: Channel},
    tag="catalog",
    keyed="once",
    refusals=(CodeTaken, OutOfStoreScope, InvalidInput, IdempotencyConflict),
)
def create_a_channel(call: Call, body: ChannelIn) -> tuple[int, dict[str, Any]]:
    """Add a channel.

    Needs a key that covers all stores.
    """
    return 201, _channel(
        create_channel(actor=call.caller.as_actor(), now=call.now, code=body.code, name=body.name)
    )


@endpoint(
    router,
    "PATCH",
    "/channels/{code}",
    scope=Scope.CATALOG_WRITE,
    body=ChannelChange,
    answers={200: Channel},
    tag="catalog",
    keyed="once",
    refusals=(NotFound, OutOfStoreScope, InvalidInput, IdempotencyConflict),
)
def change_a_channel(call: Call, code: str, body: ChannelChange) -> tuple[int, dict[str, Any]]:
    """Rename a channel.

    Needs a key that covers all stores.
    """
    return 200, _channel(
        change_channel(actor=call.caller.as_actor(), now=call.now, code=code, name=body.name)
    )


@endpoint(
    router,
    "GET",
    "/products",
    scope=Scope.CATALOG_READ,
    query=ProductsQuery,
    answers={200: ProductList},
    tag="catalog",
    refusals=(InvalidInput,),
)
def products(call: Call, query: ProductsQuery) -> tuple[int, dict[str, Any]]:
    """List or search the products on sale, by name."""
    page = find_products(
        query.text or "",
        checked_cursor(query.cursor, BY_NAME),
        query.category or "",
        query.brand or "",
        limit=query.limit,
    )
    return 200, {"products": [_product(row) for row in page.rows], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/products",
    scope=Scope.CATALOG_WRITE,
    body=ProductIn,
    answers={201: Product},
    tag="catalog",
    keyed="once",
    refusals=(CodeTaken, InvalidInput, IdempotencyConflict),
)
def create_a_product(call: Call, body: ProductIn) -> tuple[int, dict[str, Any]]:
    """Add a product.

    Its category path is created with it.
    """
    row = create_product(actor=call.caller.as_actor(), now=call.now, **msgspec.structs.asdict(body))
    return 201, _product(row)


@endpoint(
    router,
    "GET",
    "/products/{sku}",
    scope=Scope.CATALOG_READ,
    answers={200: Product},
    tag="catalog",
    refusals=(NotFound,),
)
def product(call: Call, sku: str) -> tuple[int, dict[str, Any]]:
    """Read a product."""
    return 200, _product(_by_sku(sku))


@endpoint(
    router,
    "PATCH",
    "/products/{sku}",
    scope=Scope.CATALOG_WRITE,
    body=ProductChange,
    answers={200: Product},
    tag="catalog",
    keyed="once",
    refusals=(NotFound, InvalidInput, IdempotencyConflict),
)
def change_a_product(call: Call, sku: str, body: ProductChange) -> tuple[int, dict[str, Any]]:
    """Change a product."""
    changed = change_product(
        actor=call.caller.as_actor(), now=call.now, product_id=_by_sku(sku).id, changes=_changes(body)
    )
    return 200, _product(changed)


def _covered(call: Call, code: str) -> models.Store:
    row = get_store_by_code(code)
    if not call.covers(row.id):
        raise NotFound
    return row


def _by_sku(sku: str) -> models.Product:
    row = products_by_sku([sku]).get(sku)
    if row is None:
        raise NotFound
    return row


def _changes(body: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}


def _channel(row: models.Channel) -> dict[str, Any]:
    return {"code": row.code, "name": row.name}


def _store(row: models.Store) -> dict[str, Any]:
    return {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "region": row.region,
        "is_open": row.is_open,
        "opened_on": row.opened_on,
        "created_at": row.created_at,
    }


def _product(row: models.Product) -> dict[str, Any]:
    return {
        "id": row.id,
        "sku": row.sku,
        "name": row.name,
        "category": row.category_id or "",
        "brand": row.brand,
        "price_minor": row.price_minor,
        "cost_minor": row.cost_minor,
        "currency": row.currency,
        "is_active": row.is_active,
        "created_at": row.created_at,
    }
