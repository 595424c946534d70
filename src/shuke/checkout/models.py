"""Tables of the sale: orders, their lines, refunds. Written by SQL functions on the hot path, never edited."""

from __future__ import annotations

from django.db import models

from shuke.catalog.models import Channel, Product, Store
from shuke.checkout.impact.models import ImpactRun as ImpactRun
from shuke.checkout.simulate.models import Simulation as Simulation
from shuke.kit.ids import uuid7
from shuke.loyalty.models import ProgrammeVersion
from shuke.members.models import Member


class OrderStatus(models.TextChoices):
    """Committed: something of it is still sold, perhaps not all. The others: nothing is left, and why."""

    COMMITTED = "committed"
    REFUNDED = "refunded"
    VOIDED = "voided"
    CANCELLED = "cancelled"


class Order(models.Model):
    """A sale as it was priced. All amounts in minor units of `currency`.

    list_minor − discount_minor = sales_minor; sales_minor − points_minor + tax_added_minor = payable_minor.
    `tax_minor` is the tax in what is paid; `tax_added_minor` the same where prices are without tax, else zero.
    `qualifying_minor` is what counted towards tier and earning. The
    `refunded_*` figures are what refunds have taken away again of the figures of the same name; they reach them when
    nothing is left of the order.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    """Store, channel and products are kept by triggers on their tables, which cost a sale nothing."""
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
    tax_minor = models.BigIntegerField(db_default=0)
    tax_added_minor = models.BigIntegerField(db_default=0)
    payable_minor = models.BigIntegerField()
    qualifying_minor = models.BigIntegerField()
    points_used = models.BigIntegerField()
    points_earned = models.BigIntegerField()
    growth_earned = models.BigIntegerField()
    refunded_sales_minor = models.BigIntegerField(db_default=0)
    refunded_qualifying_minor = models.BigIntegerField(db_default=0)
    refunded_growth = models.BigIntegerField(db_default=0)
    refunded_points = models.BigIntegerField(db_default=0)
    """Of what was earned, for tiers that count points; what a refund took from the balance is in the ledger."""
    tier = models.CharField(max_length=30)
    """The tier the order was priced under."""
    status = models.CharField(max_length=10, choices=OrderStatus.choices, default=OrderStatus.COMMITTED)
    programme_version = models.ForeignKey(
        ProgrammeVersion,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    actor = models.CharField(max_length=60)
    facts = models.JSONField(null=True)
    """What came with the order and is kept for later: tenders, coupon redemptions, campaign facts."""
    settled = models.BooleanField(null=True)
    """Whether its prices were final before they came here, so that no tier could take off anything; null: not kept then."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "number"], name="checkout_order_once"),
            models.CheckConstraint(
                condition=models.Q(sales_minor=models.F("list_minor") - models.F("discount_minor")),
                name="checkout_order_sales_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    payable_minor=models.F("sales_minor")
                    - models.F("points_minor")
                    + models.F("tax_added_minor")
                ),
                name="checkout_order_payable_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    refunded_sales_minor__gte=0, refunded_sales_minor__lte=models.F("sales_minor")
                ),
                name="checkout_order_refunded_in_range",
            ),
        ]
        indexes = [
            models.Index(
                fields=["member", "-occurred_at"],
                include=["qualifying_minor", "refunded_qualifying_minor", "status"],
                name="checkout_order_member",
            ),
            models.Index(fields=["store", "-occurred_at"], name="checkout_order_store"),
            models.Index(fields=["-occurred_at"], name="checkout_order_time"),
        ]


class OrderLine(models.Model):
    """One line as priced. `detail` lists each discount: {"kind", "code", "minor", …}; null when there is none."""

    pk = models.CompositePrimaryKey("order_id", "line_no")
    # Written in one statement with its order; `shuke orders verify` proves it, so no sale pays for the check.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="lines", db_index=False, db_constraint=False
    )
    line_no = models.SmallIntegerField()
    member_id = models.UUIDField(null=True)
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    quantity = models.DecimalField(max_digits=14, decimal_places=3)
    list_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField()
    points_minor = models.BigIntegerField()
    payable_minor = models.BigIntegerField()
    points_earned = models.BigIntegerField()
    growth_earned = models.BigIntegerField()
    detail = models.JSONField(null=True)


class LineTax(models.Model):
    """The tax of one line; only where a rate applied. `percent` in thousandths of a percent."""

    pk = models.CompositePrimaryKey("order_id", "line_no")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="taxes", db_index=False)
    line_no = models.SmallIntegerField()
    code = models.CharField(max_length=30)
    percent = models.IntegerField()
    taxable_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    class Meta:
        db_table = "checkout_linetax"


class OrderTender(models.Model):
    """One way an order was paid; only where the till named it.

    Kinds stored_value, bonus and gift_card moved in the ledger (transfer of kind `pay` with this order): `holder_id` is
    the member or the gift card whose book they left. The others are facts, with the payment's number outside.
    """

    pk = models.CompositePrimaryKey("order_id", "seq")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="tenders", db_index=False)
    seq = models.SmallIntegerField()
    kind = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    holder_id = models.UUIDField(null=True)
    reference = models.CharField(max_length=80, default="")

    class Meta:
        db_table = "checkout_tender"
        indexes = [
            models.Index(
                fields=["holder_id"],
                name="checkout_tender_holder",
                condition=models.Q(holder_id__isnull=False),
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="checkout_tender_amount_positive"
            )
        ]


class TopUp(models.Model):
    """Money that a member paid in advance, with the bonus it was given under the rule of that version.

    Every instalment of the bonus is a lot of its own from the start, usable from its day on.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    system = models.CharField(max_length=40)
    number = models.CharField(max_length=80)
    """The receipt's number in the system that took the money; (system, number) exists once."""
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    bonus_minor = models.BigIntegerField()
    rule = models.CharField(max_length=40, default="")
    tender = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    returned_at = models.DateTimeField(null=True)
    """Set when the card was returned: its bonus no longer counts."""
    transfer_id = models.UUIDField()
    programme_version = models.ForeignKey(
        ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "number"], name="checkout_topup_once"),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0, bonus_minor__gte=0), name="checkout_topup_amounts"
            ),
        ]
        indexes = [models.Index(fields=["member", "-occurred_at"], name="checkout_topup_member")]


class StoredValueReturn(models.Model):
    """A member's prepaid money paid back: principal − deducted = paid; unspent bonus money is forfeited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    principal_minor = models.BigIntegerField()
    deducted_minor = models.BigIntegerField()
    """For bonus money that was spent already."""
    paid_minor = models.BigIntegerField()
    forfeited_minor = models.BigIntegerField()
    tender = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    reason = models.CharField(max_length=300)
    transfer_id = models.UUIDField()
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(paid_minor=models.F("principal_minor") - models.F("deducted_minor"))
                & models.Q(paid_minor__gte=0, deducted_minor__gte=0, forfeited_minor__gte=0),
                name="checkout_return_adds_up",
            )
        ]
        indexes = [models.Index(fields=["member", "-occurred_at"], name="checkout_return_member")]


class GiftCardStatus(models.TextChoices):
    ISSUED = "issued"
    ACTIVE = "active"
    BLOCKED = "blocked"
    RETURNED = "returned"
    """Its money was paid back; it pays no more."""


class GiftCard(models.Model):
    """A bearer card: who knows the code may pay. Its id is the holder of a book of its own in the ledger.

    The code is nowhere in the database: `blind` finds the card, `last_four` tells cards apart at the counter.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    blind = models.BinaryField(max_length=16, unique=True)
    last_four = models.CharField(max_length=4)
    status = models.CharField(max_length=10, choices=GiftCardStatus.choices, default=GiftCardStatus.ISSUED)
    currency = models.CharField(max_length=3)
    face_minor = models.BigIntegerField()
    issued_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    """Where it was activated."""
    buyer_id = models.UUIDField(null=True)
    """The member who bought it, where the law wants a name."""
    batch_id = models.UUIDField()
    tender = models.CharField(max_length=20, default="")
    reference = models.CharField(max_length=80, default="")
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(face_minor__gt=0), name="checkout_giftcard_face"),
        ]
        indexes = [
            models.Index(fields=["batch_id"], name="checkout_giftcard_batch"),
            models.Index(fields=["status", "-id"], name="checkout_giftcard_status"),
            models.Index(fields=["last_four", "-id"], name="checkout_giftcard_four"),
        ]


class Allowance(models.Model):
    """What one member may spend on one device while it is cut off, signed at `issued_at`.

    Nothing is reserved for it: what the member spends elsewhere meanwhile becomes a debt when the device reports. The
    newest of a member and device is the open one; closing one keeps what it was used for.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    device = models.CharField(max_length=80)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    points = models.BigIntegerField()
    money_minor = models.BigIntegerField()
    points_used = models.BigIntegerField(default=0)
    money_used_minor = models.BigIntegerField(default=0)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(points_used__gte=0, points_used__lte=models.F("points"))
                & models.Q(money_used_minor__gte=0, money_used_minor__lte=models.F("money_minor")),
                name="checkout_allowance_not_overspent",
            ),
            models.UniqueConstraint(
                fields=["member", "device"],
                condition=models.Q(closed_at__isnull=True),
                name="checkout_allowance_open",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="checkout_allowance_expiry"),
            models.Index(fields=["member", "-issued_at"], name="checkout_allowance_member"),
        ]


class RefundKind(models.TextChoices):
    """Why it was given back. A voided or cancelled sale was never completed: it leaves nothing, whatever the policies."""

    REFUND = "refund"
    EXCHANGE = "exchange"
    VOID = "void"
    CANCELLATION = "cancellation"


class Refund(models.Model):
    """One of an order's refunds. Its figures are the difference between what was back before and after it.

    sales_minor − points_minor (+ added tax) = payable_minor = Σ tenders; `deducted_minor` was kept of it for missing
    points. `tax_minor` is the tax in what was given back.
    points_clawed_back = taken out of lots or owed + `points_bought`, what money paid for.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds", db_index=False)
    seq = models.SmallIntegerField()
    """The how manieth refund of the order, from 1."""
    kind = models.CharField(max_length=12, choices=RefundKind.choices)
    member_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    sales_minor = models.BigIntegerField()
    points_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField(db_default=0)
    payable_minor = models.BigIntegerField()
    deducted_minor = models.BigIntegerField()
    """Money kept for points that are missing; negative when points came back that an earlier refund kept money for."""
    qualifying_minor = models.BigIntegerField()
    points_returned = models.BigIntegerField()
    points_expired = models.BigIntegerField()
    """Of the points returned: those whose lot had expired meanwhile, so they expired again at once."""
    points_clawed_back = models.BigIntegerField()
    growth_clawed_back = models.BigIntegerField()
    points_bought = models.BigIntegerField()
    """Of the points clawed back: missing ones that money paid for; negative when they came back later."""
    points_owed = models.BigIntegerField()
    """Missing points that became debt; negative when points came back and settled what this order's refunds had left."""
    points_settled = models.BigIntegerField()
    """Points that came back and settled debts of other causes; negative when those are owed again."""
    debt_created = models.BigIntegerField()
    """What the member's debt grew by, if it grew: points_owed − points_settled."""
    debt_written_off = models.BigIntegerField(db_default=0)
    """Of the points owed: what a second person has forgiven."""
    exchange_order = models.ForeignKey(
        Order, null=True, on_delete=models.PROTECT, related_name="exchanged_for", db_index=False
    )
    """The sale that was made in the same act."""
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "seq"], name="checkout_refund_once")]
        indexes = [
            models.Index(
                fields=["exchange_order"],
                name="checkout_refund_exchange",
                condition=models.Q(exchange_order__isnull=False),
            )
        ]


class RefundBasis(models.TextChoices):
    GOODS = "goods"
    AMOUNT = "amount"


class RefundLine(models.Model):
    """What one refund gave back of one line. `basis` says whether goods or a stated amount set the value."""

    pk = models.CompositePrimaryKey("refund_id", "line_no")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines", db_index=False)
    line_no = models.SmallIntegerField()
    order_id = models.UUIDField()
    member_id = models.UUIDField(null=True)
    basis = models.CharField(max_length=6, choices=RefundBasis.choices)
    quantity = models.DecimalField(max_digits=14, decimal_places=3)
    sales_minor = models.BigIntegerField()
    points_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField(db_default=0)
    payable_minor = models.BigIntegerField()
    qualifying_minor = models.BigIntegerField()
    points_returned = models.BigIntegerField()
    points_clawed_back = models.BigIntegerField()
    growth_clawed_back = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["order_id"], name="checkout_refundline_order")]


class RefundTender(models.Model):
    """What one refund gave back the way it was paid. `tender_seq` is the order's tender, 0 for money that none names."""

    pk = models.CompositePrimaryKey("refund_id", "tender_seq")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="tenders", db_index=False)
    tender_seq = models.SmallIntegerField()
    kind = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    holder_id = models.UUIDField(null=True)


class Delivery(models.Model):
    """When the goods of an order were handed over that was sold before; from then on it is refunded, not cancelled."""

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.PROTECT, related_name="+")
    delivered_at = models.DateTimeField()
    actor = models.CharField(max_length=60)
