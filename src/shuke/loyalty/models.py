"""Tables of the programme: immutable versions, each member's tier, and every tier change with its cause."""

from __future__ import annotations

from django.db import models

from shuke.core.models import Staff
from shuke.kit.ids import uuid7
from shuke.members.models import Member


class ProgrammeVersion(models.Model):
    """A published programme document. Never edited; the one in force is the newest with `effective_at` ≤ now."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.IntegerField(unique=True)
    document = models.JSONField()
    source = models.TextField()
    """The YAML as it was applied."""
    digest = models.CharField(max_length=64)
    note = models.CharField(max_length=300, default="")
    effective_at = models.DateTimeField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["-effective_at", "-number"], name="loyalty_version_in_force")]


class Standing(models.Model):
    """The tier a member holds now. A member without a row holds the lowest tier since joining."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.PROTECT, related_name="standing")
    tier = models.CharField(max_length=30)
    since = models.DateTimeField()
    review_at = models.DateTimeField(null=True)
    """When the tier lapses unless requalified; null for the lowest tier."""

    class Meta:
        indexes = [
            models.Index(fields=["tier", "member"], name="loyalty_standing_tier"),
            models.Index(
                fields=["review_at", "member"],
                name="loyalty_standing_due",
                condition=models.Q(review_at__isnull=False),
            ),
        ]


class TierChange(models.Model):
    """Append-only history. `metric` is the qualifying figure that decided, in minor units or growth."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    occurred_at = models.DateTimeField()
    from_tier = models.CharField(max_length=30)
    to_tier = models.CharField(max_length=30)
    cause = models.CharField(max_length=20)
    """qualified | lapsed | refund | programme"""
    metric = models.BigIntegerField()
    review_at = models.DateTimeField(null=True)
    order_id = models.UUIDField(null=True)
    programme_version = models.ForeignKey(
        ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        indexes = [models.Index(fields=["member", "-occurred_at", "-id"], name="loyalty_change_member")]
