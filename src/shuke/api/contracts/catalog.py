"""Stores, channels and products on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from shuke.api.contracts.shared import Amount, Code, Cursor, In, Limit, NextCursor, Out, SearchText, Sku

StoreName = Annotated[str, Meta(min_length=1, max_length=120)]
Region = Annotated[str, Meta(max_length=80)]
ProductName = Annotated[str, Meta(min_length=1, max_length=160)]
CategoryPath = Annotated[str, Meta(max_length=240, description="Levels between slashes: Food/Drinks/Tea.")]
Brand = Annotated[str, Meta(max_length=80)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class StoreIn(In):
    """A store to open."""

    code: Code
    name: StoreName
    region: Region = ""
    is_open: bool = True
    opened_on: date | None = None


class StoreChange(In):
    """What changes; the rest stays."""

    name: StoreName | UnsetType = UNSET
    region: Region | UnsetType = UNSET
    is_open: bool | UnsetType = UNSET
    opened_on: date | UnsetType | None = UNSET


class Store(Out):
    """A store."""

    id: UUID
    code: str
    name: str
    region: str
    is_open: bool
    opened_on: date | None
    created_at: datetime


class StoreList(Out):
    """One page, by code."""

    stores: list[Store]
    next_cursor: NextCursor


class Channel(Out):
    """Where sales and members come from."""

    code: str
    name: str


class ChannelIn(In):
    """A channel to add."""

    code: Annotated[
        Code, Meta(pattern="^[A-Za-z0-9_-]+$", description="Letters, digits, - and _; kept in small letters.")
    ]
    name: Annotated[str, Meta(max_length=80, description="Without one, the code.")] = ""


class ChannelChange(In):
    """The channel's new name."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]


class ChannelList(Out):
    """All channels."""

    channels: list[Channel]


class ProductIn(In):
    """A product to add."""

    sku: Sku
    name: ProductName
    category: CategoryPath = ""
    brand: Brand = ""
    price_minor: Annotated[
        Amount | None, Meta(description="List price of one unit; null: the till states it.")
    ] = None
    cost_minor: Annotated[
        Amount | None, Meta(description="What one unit costs the shop; null: not known.")
    ] = None
    currency: Currency = "CNY"
    is_active: bool = True


class ProductChange(In):
    """What changes; the rest stays."""

    name: ProductName | UnsetType = UNSET
    category: CategoryPath | UnsetType = UNSET
    brand: Brand | UnsetType = UNSET
    price_minor: Amount | UnsetType | None = UNSET
    cost_minor: Amount | UnsetType | None = UNSET
    currency: Currency | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class ProductsQuery(In):
    """Filters of the list of products."""

    text: Annotated[SearchText, Meta(description="SKU, or words of name, brand or category.")] | UnsetType = (
        UNSET
    )
    category: (
        Annotated[str, Meta(min_length=1, max_length=240, description="This path and below.")] | UnsetType
    ) = UNSET
    brand: Annotated[str, Meta(min_length=1, max_length=80)] | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


class Product(Out):
    """A product."""

    id: UUID
    sku: str
    name: str
    category: str
    brand: str
    price_minor: int | None
    cost_minor: int | None
    currency: str
    is_active: bool
    created_at: datetime


class ProductList(Out):
    """One page, by name."""

    products: list[Product]
    next_cursor: NextCursor
