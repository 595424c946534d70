"""Tables of the programme: immutable versions, each member's tier, and every tier change with its cause.

Those of paid plans and of benefits stand beside their code.
"""

from __future__ import annotations

from django.db import models

from shuke.core.models import Staff
from shuke.kit.ids import uuid7
from shuke.loyalty.plans.models import (
    BenefitGrant,
    EntitlementUse,
    GiftStock,
    LocalAccount,
    LocalPayment,
    PlanCharge,
    PlanEvent,
    PlanGift,
    PlanHolding,
    PlanMandate,
    PlanRefund,
    PlanTerm,
)
from shuke.members.models import Member

__all__ = [
    "Accrual",
    "BenefitGrant",
    "CancelledVersion",
    "Counter",
    "EntitlementUse",
    "GiftStock",
    "LocalAccount",
    "LocalPayment",
    "MemberGroup",
    "PlanCharge",
    "PlanEvent",
    "PlanGift",
    "PlanHolding",
    "PlanMandate",
    "PlanRefund",
    "PlanTerm",
    "ProgrammeVersion",
    "Standing",
    "TierChange",
    "Use",
]


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


class CancelledVersion(models.Model):
    """A scheduled version that was taken back before it began. The version itself is never edited."""

    version = models.OneToOneField(
        ProgrammeVersion, primary_key=True, on_delete=models.PROTECT, related_name="cancellation"
    )
    cancelled_at = models.DateTimeField()
    cancelled_by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, default="")


class Standing(models.Model):
    """The tier a member holds now. A member without a row holds the lowest tier since joining."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.PROTECT, related_name="standing")
    tier = models.CharField(max_length=30)
    since = models.DateTimeField()
    review_at = models.DateTimeField(null=True)
    """When the tier has to be looked at next: its review, or the end of a grant; null where nothing can lapse."""
    held = models.JSONField(null=True)
    """What was earned beneath granted levels, and the grants (`tier_logic.held_document`); null for most members."""

    class Meta:
        indexes = [
            models.Index(fields=["tier", "member"], name="loyalty_standing_tier"),
            models.Index(
                fields=["review_at", "member"],
                name="loyalty_standing_due",
                condition=models.Q(review_at__isnull=False),
            ),
        ]


class TrackStanding(models.Model):
    """What a member holds on a further track, as `Standing` has it for the main one."""

    pk = models.CompositePrimaryKey("member_id", "track")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    track = models.CharField(max_length=30)
    tier = models.CharField(max_length=30)
    since = models.DateTimeField()
    review_at = models.DateTimeField(null=True)
    held = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["track", "tier", "member"], name="loyalty_track_tier"),
            models.Index(
                fields=["review_at", "member"],
                name="loyalty_track_due",
                condition=models.Q(review_at__isnull=False),
            ),
        ]


class TierChange(models.Model):
    """Append-only history. `metric` is the qualifying figure that decided, in minor units or plain units.

    `track` is "" for the main one. A change that leaves the tier as it is tells of a renewal, or of what moved beneath a
    granted level.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    occurred_at = models.DateTimeField()
    from_tier = models.CharField(max_length=30)
    to_tier = models.CharField(max_length=30)
    cause = models.CharField(max_length=20)
    """qualified | renewed | lapsed | refund | programme | override | bought | plan | ended"""
    metric = models.BigIntegerField()
    review_at = models.DateTimeField(null=True)
    order_id = models.UUIDField(null=True)
    programme_version = models.ForeignKey(
        ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    track = models.CharField(max_length=30, default="", db_default="")
    grant_id = models.UUIDField(null=True)

    class Meta:
        indexes = [models.Index(fields=["member", "-occurred_at", "-id"], name="loyalty_change_member")]


class TierGrant(models.Model):
    """A level given to a member: by hand, for points, or by a plan. Only its end is ever added to a row.

    It was given at `granted_at` and ends at `until` (null: when it is ended) or at `ended_at`, whatever comes first.
    `reference` names what it was given for: the same is given once. `ended_id` places the end in the order of events.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    track = models.CharField(max_length=30, default="")
    tier = models.CharField(max_length=30)
    cause = models.CharField(max_length=10)
    """override | bought | plan"""
    reference = models.CharField(max_length=80)
    reason = models.CharField(max_length=300, default="")
    granted_at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    granted_by = models.CharField(max_length=60)
    programme_version = models.ForeignKey(
        ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    points = models.BigIntegerField(default=0)
    transfer_id = models.UUIDField(null=True)
    """The transfer that paid for it, when it was bought."""
    ended_id = models.UUIDField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=60, default="")
    end_reason = models.CharField(max_length=300, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "cause", "reference"], name="loyalty_grant_once"),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gt=models.F("granted_at")),
                name="loyalty_grant_ends_later",
            ),
        ]


class TierNotice(models.Model):
    """A member was told `days` ahead that the tier will be lost at `review_at`. Told once."""

    pk = models.CompositePrimaryKey("member_id", "track", "review_at", "days")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+", db_index=False)
    track = models.CharField(max_length=30)
    review_at = models.DateTimeField()
    days = models.SmallIntegerField()
    told_at = models.DateTimeField()


class Reassessment(models.Model):
    """How far the members have been looked at under a version that began; written with each batch, so a run resumes."""

    version = models.OneToOneField(
        ProgrammeVersion, primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    last_member = models.UUIDField(null=True)
    moved = models.IntegerField(default=0)
    done_at = models.DateTimeField(null=True)


class Counter(models.Model):
    """A budget's hot counter: units given in the period that began on `period`. Equals the sum of its uses, always."""

    pk = models.CompositePrimaryKey("budget", "period")
    budget = models.CharField(max_length=40)
    period = models.DateField()
    used = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(used__gte=0), name="loyalty_counter_not_negative")
        ]


class Use(models.Model):
    """Units that a sale or an accrual took of a rule's caps (`budget` null) or of a budget; negative when given back.

    Append-only. `day` is the local day that caps count by.
    """

    member_id = models.UUIDField()
    rule = models.CharField(max_length=40)
    asset = models.CharField(max_length=30)
    budget = models.CharField(max_length=40, null=True)
    period = models.DateField(null=True)
    day = models.DateField()
    amount = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    order_id = models.UUIDField(null=True)
    accrual_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["member_id", "rule", "day"],
                include=["amount"],
                name="loyalty_use_member",
                condition=models.Q(budget__isnull=True),
            ),
            models.Index(fields=["order_id"], name="loyalty_use_order"),
            models.Index(fields=["budget", "period"], include=["amount"], name="loyalty_use_budget"),
        ]


class MemberGroup(models.Model):
    """A plan that a member has, or a segment that a member is in, as the rooms above report it; rules look at it."""

    pk = models.CompositePrimaryKey("member_id", "kind", "code")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    """plan | segment"""
    code = models.CharField(max_length=40)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)


class Accrual(models.Model):
    """Something a member did other than buying, rewarded once. `given` names each rule's units; it may be empty."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20)
    reference = models.CharField(max_length=80)
    """What it was done for: a survey, a review, the friend, the day of a check-in."""
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    given = models.JSONField()
    transfer_id = models.UUIDField(null=True)
    programme_version = models.ForeignKey(
        ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "kind", "reference"], name="loyalty_accrual_once"),
            # One friend is brought by one member only.
            models.UniqueConstraint(
                fields=["reference"],
                name="loyalty_referral_once",
                condition=models.Q(kind="referral"),
            ),
        ]
