"""Tables of the ledger: append-only transfers and entries, the lots they move, and the running balances.

member balance = Σ entries of account "member" = Σ open lots − debt, per asset (`shuke ledger reconcile` proves it).

No foreign keys: rows come only from `ledger_post`, which writes a transfer with its legs, and the reconciliation finds
what belongs to nothing. So a sale pays for no check of what it has just written itself, and `member_id` may name another
holder than a member, such as a bearer's gift card.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from shuke.kit.ids import uuid7
from shuke.members.models import Member


class Book(models.Model):
    """A member's book. Every operation that moves an asset or changes a tier bumps `revision`: it is the lock."""

    member = models.OneToOneField(
        Member, primary_key=True, on_delete=models.PROTECT, related_name="book", db_constraint=False
    )
    revision = models.BigIntegerField(default=0)


class Account(models.Model):
    """Running balance of one asset: `balance` = Σ entries; `debt` = what is owed; Σ lots.remaining = balance + debt."""

    pk = models.CompositePrimaryKey("member_id", "asset")
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
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
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=12, choices=TransferKind.choices)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    order_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    store_id = models.UUIDField(null=True)
    programme_version_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, default="")
    txid = models.BigIntegerField(null=True, db_default=models.expressions.RawSQL("core_txid()", []))
    """The number of its transaction, for readers of what is new; null for what was there before numbers were kept."""

    class Meta:
        indexes = [
            models.Index(fields=["member", "-occurred_at", "-id"], name="ledger_transfer_member"),
            models.Index(fields=["order_id"], name="ledger_transfer_order"),
            BrinIndex(fields=["txid"], name="ledger_transfer_txid", autosummarize=True, pages_per_range=32),
        ]


class Entry(models.Model):
    """One leg. `account` is "member" or a system account (issued, redeemed, expired, debt, adjustments, bonus, transferred,
    topped_up, paid_out).

    A member leg with a lot moves that lot; without one it makes (negative) or settles (positive) debt.
    `explain` says where the number came from: rule, version, lines and units.
    """

    pk = models.CompositePrimaryKey("transfer_id", "seq")
    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
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
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
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


class HoldStatus(models.TextChoices):
    HELD = "held", _("held")
    CAPTURED = "captured", _("captured")
    RELEASED = "released", _("released")
    EXPIRED = "expired", _("expired")


class Hold(models.Model):
    """Units set aside for a purpose: later captured (spent), released, or free again when their time is over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member_id = models.UUIDField()
    asset = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    captured = models.BigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=HoldStatus.choices, default=HoldStatus.HELD)
    reason = models.CharField(max_length=300)
    reference = models.CharField(max_length=80, default="")
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=60)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=60, default="")
    transfer_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["member_id", "-placed_at"], name="ledger_hold_member"),
            models.Index(
                fields=["expires_at", "id"], name="ledger_hold_due", condition=models.Q(status="held")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, captured__gte=0, captured__lte=models.F("amount")),
                name="ledger_hold_amounts",
            )
        ]


class HoldLot(models.Model):
    """How much of which lot a hold has taken; kept after its end, so that any past instant can be told."""

    pk = models.CompositePrimaryKey("hold_id", "lot_id")
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="lots", db_index=False)
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["lot"], name="ledger_holdlot_lot")]
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="ledger_holdlot_amount")]


class Gift(models.Model):
    """One member gave units to another: the two transfers that moved them, and the one that took the fee."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sender_id = models.UUIDField()
    receiver_id = models.UUIDField()
    asset = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    fee = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, default="")
    out_transfer_id = models.UUIDField()
    in_transfer_id = models.UUIDField()
    fee_transfer_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["sender_id", "asset", "-occurred_at"], name="ledger_gift_sender"),
            models.Index(fields=["receiver_id", "-occurred_at"], name="ledger_gift_receiver"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, fee__gte=0) & ~models.Q(sender_id=models.F("receiver_id")),
                name="ledger_gift_amounts",
            )
        ]


class AdjustmentStatus(models.TextChoices):
    REQUESTED = "requested", _("requested")
    POSTED = "posted", _("posted")
    REJECTED = "rejected", _("rejected")
    LAPSED = "lapsed", _("lapsed")


class Adjustment(models.Model):
    """Units added (positive) or taken (negative) by hand, and who asked, who agreed and when. Posted ones never change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member_id = models.UUIDField()
    asset = models.CharField(max_length=30)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=AdjustmentStatus.choices)
    requested_by = models.CharField(max_length=60)
    requested_at = models.DateTimeField()
    lapses_at = models.DateTimeField()
    decided_by = models.CharField(max_length=60, default="")
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, default="")
    transfer_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "-requested_at", "-id"], name="ledger_adjustment_inbox"),
            models.Index(fields=["member_id", "-requested_at"], name="ledger_adjustment_member"),
        ]
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount=0), name="ledger_adjustment_not_zero"),
            models.CheckConstraint(
                condition=models.Q(status="posted", transfer_id__isnull=False)
                | (~models.Q(status="posted") & models.Q(transfer_id__isnull=True)),
                name="ledger_adjustment_posted",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by="")
                | ~models.Q(decided_by=models.F("requested_by"))
                | ~models.Q(status="posted"),
                name="ledger_adjustment_four_eyes",
            ),
        ]


class ExpiryNotice(models.Model):
    """A member was told `days` ahead that what lapses at this instant will lapse. The row makes it happen once."""

    pk = models.CompositePrimaryKey("member_id", "asset", "expires_at", "days")
    member_id = models.UUIDField()
    asset = models.CharField(max_length=30)
    expires_at = models.DateTimeField()
    days = models.SmallIntegerField()
