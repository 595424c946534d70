"""Tables of the ledger: append-only transfers and entries, the lots they move, and the running balances.

member balance = Σ entries of account "member" = Σ open lots − debt, per asset (`shuke ledger reconcile` proves it).
"""

from __future__ import annotations

from django.db import models

from shuke.kit.ids import uuid7
from shuke.members.models import Member


class Book(models.Model):
    """A member's book. Every operation that moves an asset or changes a tier bumps `revision`: it is the lock."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.PROTECT, related_name="book")
    revision = models.BigIntegerField(default=0)


class Account(models.Model):
    """Running balance of one asset: `balance` = Σ entries; `debt` = what is owed; Σ lots.remaining = balance + debt."""

    pk = models.CompositePrimaryKey("member_id", "asset")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    asset = models.CharField(max_length=30)
    balance = models.BigIntegerField()
    debt = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(debt__gte=0), name="ledger_account_debt_not_negative")
        ]


class TransferKind(models.TextChoices):
    EARN = "earn"
    REDEEM = "redeem"
    REVERSAL = "reversal"
    EXPIRE = "expire"
    ADJUST = "adjust"
    TRANSFER_OUT = "transfer_out"
    TRANSFER_IN = "transfer_in"
    FEE = "fee"
    TOP_UP = "top_up"
    PAY = "pay"
    REFUND_PAY = "refund_pay"
    ACCRUE = "accrue"


class Transfer(models.Model):
    """One business act on one member's book. Its entries sum to zero per asset. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=TransferKind.choices)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    order_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    store_id = models.UUIDField(null=True)
    programme_version_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, default="")

    class Meta:
        indexes = [
            models.Index(fields=["member", "-occurred_at", "-id"], name="ledger_transfer_member"),
            models.Index(fields=["order_id"], name="ledger_transfer_order"),
        ]


class Entry(models.Model):
    """One leg. `account` is "member" or a system account (issued, redeemed, expired, debt, adjustments, bonus, transferred,
    topped_up, paid_out).

    A member leg with a lot moves that lot; without one it makes (negative) or settles (positive) debt.
    `explain` says where the number came from: rule, version, lines and units.
    """

    pk = models.CompositePrimaryKey("transfer_id", "seq")
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries", db_index=False)
    seq = models.SmallIntegerField()
    member_id = models.UUIDField()
    account = models.CharField(max_length=20)
    asset = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    lot_id = models.UUIDField(null=True)
    explain = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["lot_id"], name="ledger_entry_lot", condition=models.Q(lot_id__isnull=False)
            ),
            models.Index(
                fields=["member_id"], name="ledger_entry_member", condition=models.Q(account="member")
            ),
        ]


class Lot(models.Model):
    """Points that came in together: usable from `active_at` (inclusive) to `expires_at` (exclusive).

    `remaining` is a running figure: Σ entries with this lot. Consumed soonest expiry first, then oldest; none last.
    `held` of it is promised by open holds: not spent, not expired, not taken back before they end.
    `pending` until the activation run has announced that it became usable; time alone decides whether it is.
    A lot that waits for the event `waits_for` has `active_at` at the end of time (`logic.WAITING`).
    `slides`: each earning or spending of the asset puts off its end (expiry by inactivity).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    asset = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    remaining = models.BigIntegerField()
    held = models.BigIntegerField(default=0, db_default=0)
    earned_at = models.DateTimeField()
    active_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    order_id = models.UUIDField(null=True)
    pending = models.BooleanField(default=False, db_default=False)
    waits_for = models.CharField(max_length=40, null=True)
    slides = models.BooleanField(default=False, db_default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["member", "asset", "expires_at", "earned_at"],
                name="ledger_lot_open",
                condition=models.Q(remaining__gt=0),
            ),
            models.Index(
                fields=["expires_at", "id"],
                name="ledger_lot_due",
                condition=models.Q(remaining__gt=models.F("held"), expires_at__isnull=False),
            ),
            models.Index(
                fields=["active_at", "id"],
                name="ledger_lot_pending",
                condition=models.Q(pending=True),
            ),
            models.Index(
                fields=["order_id"], name="ledger_lot_order", condition=models.Q(order_id__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="ledger_lot_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("amount")),
                name="ledger_lot_remaining_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(held__gte=0, held__lte=models.F("remaining")),
                name="ledger_lot_held_in_range",
            ),
        ]
