"""Tables of the catalogue: stores, channels, categories, products. Nothing here writes."""

from __future__ import annotations

from django.db import models

from shuke.kit.ids import uuid7


class Store(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    region = models.CharField(max_length=80, blank=True)
    is_open = models.BooleanField(default=True)
    opened_on = models.DateField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["region", "code"], name="catalog_store_region")]


class Channel(models.Model):
    """Where a sale or a member comes from: pos, web, app, wechat, delivery…"""

    code = models.CharField(max_length=40, primary_key=True)
    name = models.CharField(max_length=80)


class Category(models.Model):
    """A node of the category tree, named by its full path: "GROCERY/FROZEN/ICE CREAM"."""

    path = models.CharField(max_length=240, primary_key=True)
    name = models.CharField(max_length=120)
    depth = models.SmallIntegerField()


class Product(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=160)
    search_text = models.TextField(default="")
    """Search terms separated by spaces, from `catalog.search.search_text`. The database keeps a tsvector of them in
    the generated column `search_terms`, under the GIN index catalog_product_terms."""
    category = models.ForeignKey(
        Category, null=True, on_delete=models.PROTECT, db_column="category_path", db_index=False
    )
    brand = models.CharField(max_length=80, blank=True)
    price_minor = models.BigIntegerField(null=True)
    """List price of one unit in the currency's minor unit; null when the till must state it."""
    cost_minor = models.BigIntegerField(null=True)
    """What one unit costs the shop; null when not known. Only staff who may see finances are shown it."""
    currency = models.CharField(max_length=3, default="CNY")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["name", "id"], name="catalog_product_name"),
            models.Index(fields=["category", "name", "id"], name="catalog_product_category"),
            models.Index(fields=["brand", "name", "id"], name="catalog_product_brand"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(price_minor__gte=0), name="catalog_product_price_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(cost_minor__gte=0), name="catalog_product_cost_not_negative"
            ),
        ]
