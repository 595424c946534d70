"""Create and change stores, channels, categories and products, one by one or many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.catalog.errors import CodeTaken
from shuke.catalog.models import Category, Channel, Product, Store
from shuke.catalog.rules import category_paths, clean_product, clean_store
from shuke.catalog.search import search_text
from shuke.catalog.values import NewProduct, NewStore
from shuke.core.errors import InvalidInput, NotFound, OutOfStoreScope
from shuke.core.operations import record_audit
from shuke.core.text import clean_text, storable
from shuke.core.values import Actor
from shuke.kit.ids import uuid7

STORE_FIELDS = ("name", "region", "is_open", "opened_on")
PRODUCT_FIELDS = ("name", "category", "brand", "price_minor", "cost_minor", "currency", "is_active")


def create_store(
    *,
    actor: Actor,
    now: datetime,
    code: str,
    name: str,
    region: str = "",
    is_open: bool = True,
    opened_on: date | None = None,
) -> Store:
    """Open a store. Raises InvalidInput, CodeTaken, and OutOfStoreScope for an actor bound to some stores."""
    if not actor.all_stores:
        raise OutOfStoreScope(field="code")
    new = clean_store(NewStore(code=code, name=name, region=region, is_open=is_open, opened_on=opened_on))
    with transaction.atomic():
        store, is_new = Store.objects.get_or_create(
            code=new.code,
            defaults={
                "id": uuid7(),
                "name": new.name,
                "region": new.region,
                "is_open": new.is_open,
                "opened_on": new.opened_on,
                "created_at": now,
            },
        )
        if not is_new:
            raise CodeTaken(field="code", value=new.code)
        _audit(actor, now, "catalog.create_store", "store", store.id, {"code": new.code}, store_id=store.id)
    return store


def change_store(*, actor: Actor, now: datetime, store_id: UUID, changes: Mapping[str, Any]) -> Store:
    """Change name, region, is_open or opened_on. Raises NotFound, InvalidInput, OutOfStoreScope."""
    _check_fields(changes, STORE_FIELDS)
    if not actor.may_touch_store(store_id):
        raise OutOfStoreScope
    with transaction.atomic():
        store = Store.objects.select_for_update().filter(id=store_id).first()
        if store is None:
            raise NotFound
        before = NewStore(
            code=store.code,
            name=store.name,
            region=store.region,
            is_open=store.is_open,
            opened_on=store.opened_on,
        )
        after = clean_store(replace(before, **changes))
        changed = {
            field: getattr(after, field)
            for field in STORE_FIELDS
            if getattr(after, field) != getattr(before, field)
        }
        if changed:
            for field, value in changed.items():
                setattr(store, field, value)
            store.save(update_fields=list(changed))
            _audit(
                actor, now, "catalog.change_store", "store", store.id, {"changed": changed}, store_id=store.id
            )
    return store


def create_product(
    *,
    actor: Actor,
    now: datetime,
    sku: str,
    name: str,
    category: str = "",
    brand: str = "",
    price_minor: int | None = None,
    cost_minor: int | None = None,
    currency: str = "CNY",
    is_active: bool = True,
) -> Product:
    """Add a product; its category path is created with it. `price_minor` and `cost_minor` in the currency's minor
    unit.

    Raises InvalidInput, CodeTaken.
    """
    new = clean_product(
        NewProduct(
            sku=sku,
            name=name,
            category=category,
            brand=brand,
            price_minor=price_minor,
            cost_minor=cost_minor,
            currency=currency,
            is_active=is_active,
        )
    )
    with transaction.atomic():
        node = ensure_category(new.category) if new.category else None
        product, is_new = Product.objects.get_or_create(
            sku=new.sku,
            defaults={
                "id": uuid7(),
                "name": new.name,
                "search_text": product_terms(new),
                "category": node,
                "brand": new.brand,
                "price_minor": new.price_minor,
                "cost_minor": new.cost_minor,
                "currency": new.currency,
                "is_active": new.is_active,
                "created_at": now,
            },
        )
        if not is_new:
            raise CodeTaken(field="sku", value=new.sku)
        _audit(actor, now, "catalog.create_product", "product", product.id, {"sku": new.sku})
    return product


def change_product(*, actor: Actor, now: datetime, product_id: UUID, changes: Mapping[str, Any]) -> Product:
    """Change name, category, brand, price_minor, cost_minor, currency or is_active. Raises NotFound, InvalidInput."""
    _check_fields(changes, PRODUCT_FIELDS)
    with transaction.atomic():
        product = Product.objects.select_for_update().filter(id=product_id).first()
        if product is None:
            raise NotFound
        before = NewProduct(
            sku=product.sku,
            name=product.name,
            category=product.category_id or "",
            brand=product.brand,
            price_minor=product.price_minor,
            cost_minor=product.cost_minor,
            currency=product.currency,
            is_active=product.is_active,
        )
        after = clean_product(replace(before, **changes))
        changed = {key: value for key, value in asdict(after).items() if value != getattr(before, key)}
        if changed:
            product.name, product.brand = after.name, after.brand
            product.price_minor, product.currency = after.price_minor, after.currency
            product.cost_minor, product.is_active = after.cost_minor, after.is_active
            product.category = ensure_category(after.category) if after.category else None
            product.search_text = product_terms(after)
            product.save()
            _audit(actor, now, "catalog.change_product", "product", product.id, {"changed": changed})
    return product


def ensure_category(path: str) -> Category:
    """The category at "GROCERY/FROZEN/ICE CREAM", created with every level above it. Raises InvalidInput."""
    return ensure_categories([path])[0]


def ensure_categories(paths: Iterable[str]) -> list[Category]:
    """The categories at these paths, each created with every level above it. Raises InvalidInput."""
    levels = [category_paths(path) for path in paths]
    wanted = {step: None for steps in levels for step in steps}
    Category.objects.bulk_create(
        [
            Category(path=path, name=path.rpartition("/")[2], depth=path.count("/") + 1)
            for path in sorted(wanted)
        ],
        ignore_conflicts=True,
    )
    found = Category.objects.in_bulk([steps[-1] for steps in levels])
    return [found[steps[-1]] for steps in levels]


FIRST_CHANNELS = (
    ("pos", "POS"),
    ("web", "Web"),
    ("app", "App"),
    ("wechat", "微信 WeChat"),
    ("delivery", "外卖 Delivery"),
)


def ensure_first_channels() -> None:
    """The channels that every shop knows; without one, nothing could be sold or imported into a new house."""
    for code, name in FIRST_CHANNELS:
        ensure_channel(code, name)


def ensure_channel(code: str, name: str = "") -> Channel:
    """The channel with a code such as "pos" or "wechat"; created, under its code or the given name, when new.

    Raises InvalidInput.
    """
    clean = _channel_code("channel", code)
    title = clean_text("name", name, 80) or clean
    return Channel.objects.get_or_create(code=clean, defaults={"name": title})[0]


def create_channel(*, actor: Actor, now: datetime, code: str, name: str = "") -> Channel:
    """Add a channel; without a name it is called by its code. Codes are kept in small letters.

    Raises InvalidInput, CodeTaken, and OutOfStoreScope for an actor bound to some stores: a channel is for all of them.
    """
    if not actor.all_stores:
        raise OutOfStoreScope(field="code")
    clean = _channel_code("code", code)
    title = clean_text("name", name, 80) or clean
    with transaction.atomic():
        channel, is_new = Channel.objects.get_or_create(code=clean, defaults={"name": title})
        if not is_new:
            raise CodeTaken(field="code", value=clean)
        _audit_channel(actor, now, "catalog.create_channel", clean, {"name": title})
    return channel


def change_channel(*, actor: Actor, now: datetime, code: str, name: str) -> Channel:
    """Give a channel another name; its code stays. Raises NotFound, InvalidInput, OutOfStoreScope."""
    if not actor.all_stores:
        raise OutOfStoreScope(field="code")
    title = clean_text("name", name, 80)
    if not title:
        raise InvalidInput(field="name", reason=_("Give the channel a name."))
    with transaction.atomic():
        channel = Channel.objects.select_for_update().filter(code=storable(code)).first()
        if channel is None:
            raise NotFound
        if channel.name != title:
            before, channel.name = channel.name, title
            channel.save(update_fields=["name"])
            _audit_channel(actor, now, "catalog.change_channel", channel.code, {"name": [before, title]})
    return channel


def _channel_code(field: str, code: str) -> str:
    clean = clean_text(field, code, 40).lower()
    if not clean or not clean.replace("-", "").replace("_", "").isalnum():
        raise InvalidInput(field=field, reason=_("A channel code has letters, digits, - and _ only."))
    return clean


def _audit_channel(actor: Actor, now: datetime, action: str, code: str, data: Mapping[str, Any]) -> None:
    record_audit(actor=actor, action=action, now=now, object_type="channel", object_id=code, data=data)


def product_terms(product: NewProduct) -> str:
    """The search terms of a product."""
    return search_text(product.name, sku=product.sku, brand=product.brand, category=product.category)


def _check_fields(changes: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for field in changes:
        if field not in known:
            raise InvalidInput(field=str(field)[:40], reason=_("There is no such field to change."))


def _audit(
    actor: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID,
    data: Mapping[str, Any],
    *,
    store_id: UUID | None = None,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        now=now,
        object_type=object_type,
        object_id=object_id,
        store_id=store_id,
        data=data,
    )
