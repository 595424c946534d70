"""Tables of the catalogue: one row per redemption, its append-only history, and the hot counter of each reward's stock."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from shuke.kit.ids import uuid7


class RedemptionStatus(models.TextChoices):
    PLACED = "placed", _("placed")
    READY = "ready", _("ready")
    DONE = "done", _("handed over")
    CANCELLED = "cancelled", _("cancelled")
    LAPSED = "lapsed", _("not collected")


OPEN = (RedemptionStatus.PLACED, RedemptionStatus.READY)
GONE = (RedemptionStatus.CANCELLED, RedemptionStatus.LAPSED)


class Redemption(models.Model):
    """Points, and perhaps money, exchanged for a reward. `cash_minor` was paid outside, by `tender`; it is a fact.

    The pick-up code is a keyed function of the id; only its blind index and last four are kept.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member_id = models.UUIDField()
    reward = models.CharField(max_length=40)
    kind = models.CharField(max_length=10)
    fulfilment = models.CharField(max_length=10)
    names = models.JSONField()
    """The reward's name as it was then, by language."""
    quantity = models.IntegerField()
    points = models.BigIntegerField()
    cash_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    tender = models.CharField(max_length=20, default="")
    tender_reference = models.CharField(max_length=80, default="")
    status = models.CharField(max_length=10, choices=RedemptionStatus.choices)
    store = models.ForeignKey(
        "catalog.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    """Where it was ordered, if at a store."""
    pick_up_store = models.ForeignKey(
        "catalog.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    blind = models.BinaryField(null=True, max_length=32)
    last_four = models.CharField(max_length=4, default="")
    tracking = models.CharField(max_length=80, default="")
    placed_at = models.DateTimeField()
    collect_by = models.DateTimeField(null=True)
    returns_uncollected = models.BooleanField(default=True)
    ended_at = models.DateTimeField(null=True)
    given = models.JSONField(default=dict)
    """What came of it: coupon ids, the lot of bonus money, the tier."""
    transfer_id = models.UUIDField(null=True)
    programme_version_id = models.UUIDField()
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["member_id", "-placed_at", "-id"], name="rewards_redemption_member"),
            models.Index(fields=["status", "-placed_at", "-id"], name="rewards_redemption_inbox"),
            models.Index(fields=["-placed_at", "-id"], name="rewards_redemption_recent"),
            models.Index(fields=["reward", "status"], name="rewards_redemption_reward"),
            models.Index(
                fields=["collect_by", "id"],
                name="rewards_redemption_due",
                condition=models.Q(status__in=["placed", "ready"], collect_by__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["blind"], name="rewards_redemption_code", condition=models.Q(blind__isnull=False)
            ),
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, points__gte=0, cash_minor__gte=0),
                name="rewards_redemption_amounts",
            ),
        ]


class RedemptionStep(models.Model):
    """Append-only: what happened to a redemption, when, by whom and why."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="steps", db_index=False)
    status = models.CharField(max_length=10, choices=RedemptionStatus.choices)
    at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, default="")
    store_id = models.UUIDField(null=True)
    transfer_id = models.UUIDField(null=True)

    class Meta:
        indexes = [models.Index(fields=["redemption", "at"], name="rewards_step_redemption")]


class RewardStock(models.Model):
    """How many pieces of a reward are taken: always the sum over redemptions that were not cancelled and did not lapse."""

    reward = models.CharField(primary_key=True, max_length=40)
    taken = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(taken__gte=0), name="rewards_stock_not_negative")
        ]
