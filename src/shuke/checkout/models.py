"""Tables of the sale: orders, their lines, refunds. Written by SQL functions on the hot path, never edited."""

from __future__ import annotations

from django.db import models

from shuke.catalog.models import Channel, Product, Store
from shuke.kit.ids import uuid7
from shuke.loyalty.models import ProgrammeVersion
from shuke.members.models import Member


class OrderStatus(models.TextChoices):
    COMMITTED = "committed"
    REFUNDED = "refunded"


class Order(models.Model):
    """A sale as it was priced. All amounts in minor units of `currency`.

    list_minor − discount_minor = sales_minor; sales_minor − points_minor = payable_minor.
    `qualifying_minor` is what counted towards tier and earning.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+", db_index=False)
    system = models.CharField(max_length=40)
    number = models.CharField(max_length=80)
    """The order number in the system that sold; (system, number) exists once."""
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    list_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField()
    sales_minor = models.BigIntegerField()
    points_minor = models.BigIntegerField()
    payable_minor = models.BigIntegerField()
    qualifying_minor = models.BigIntegerField()
    points_used = models.BigIntegerField()
    points_earned = models.BigIntegerField()
    growth_earned = models.BigIntegerField()
    tier = models.CharField(max_length=30)
    """The tier the order was priced under."""
    status = models.CharField(max_length=10, choices=OrderStatus.choices, default=OrderStatus.COMMITTED)
    programme_version = models.ForeignKey(
        ProgrammeVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)
    facts = models.JSONField(null=True)
    """What came with the order and is kept for later: tenders, coupon redemptions, campaign facts."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "number"], name="checkout_order_once"),
            models.CheckConstraint(
                condition=models.Q(sales_minor=models.F("list_minor") - models.F("discount_minor")),
                name="checkout_order_sales_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(payable_minor=models.F("sales_minor") - models.F("points_minor")),
                name="checkout_order_payable_adds_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["member", "-occurred_at"],
                include=["qualifying_minor", "status"],
                name="checkout_order_member",
            ),
            models.Index(fields=["store", "-occurred_at"], name="checkout_order_store"),
            models.Index(fields=["-occurred_at"], name="checkout_order_time"),
        ]


class OrderLine(models.Model):
    """One line as priced. `detail` lists each discount: {"kind", "code", "minor", …}; null when there is none."""

    pk = models.CompositePrimaryKey("order_id", "line_no")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines", db_index=False)
    line_no = models.SmallIntegerField()
    member_id = models.UUIDField(null=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.DecimalField(max_digits=14, decimal_places=3)
    list_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField()
    points_minor = models.BigIntegerField()
    payable_minor = models.BigIntegerField()
    points_earned = models.BigIntegerField()
    growth_earned = models.BigIntegerField()
    detail = models.JSONField(null=True)


class Refund(models.Model):
    """A refund of a whole order: money back by tender, points back to their lots, earned points clawed back."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="refund")
    member_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    payable_minor = models.BigIntegerField()
    points_returned = models.BigIntegerField()
    points_expired = models.BigIntegerField()
    """Of the points returned: those whose lot had expired meanwhile, so they expired again at once."""
    points_clawed_back = models.BigIntegerField()
    growth_clawed_back = models.BigIntegerField()
    debt_created = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=60)
