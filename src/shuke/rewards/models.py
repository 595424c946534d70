"""Tables of the room. The reward catalogue's stand beside its code; here are those of coupons.

Coupons: pieces with their append-only history, unique codes as blind indexes, hot counters and their rows.

A unique code that nobody has claimed or used is a row of `Code` only: a million of them cost what their index costs. The
piece appears when the code is first touched. A public code has no pieces at the till: each use is a row of `Use`.
"""

from __future__ import annotations

from django.db import models

from shuke.kit.ids import uuid7
from shuke.rewards.catalogue.models import Redemption, RedemptionStep, RewardStock

__all__ = [
    "OPEN",
    "Alarm",
    "Code",
    "CodeJob",
    "CodeJobStatus",
    "Counter",
    "Coupon",
    "CouponEvent",
    "Redemption",
    "RedemptionStep",
    "RewardStock",
    "State",
    "Sweep",
    "Use",
]


class State(models.TextChoices):
    """Where a piece stands. `issued`: a bearer's code that came back from a refund; every other piece is somebody's."""

    ISSUED = "issued"
    HELD = "held"
    USED = "used"
    EXPIRED = "expired"
    VOID = "void"


OPEN = (State.ISSUED, State.HELD)


class CodeJobStatus(models.TextChoices):
    RUNNING = "running"
    DONE = "done"
    EXPIRED = "expired"
    VOID = "void"


class CodeJob(models.Model):
    """An order for unique codes. The codes follow from its id, so they can be told again although they are stored nowhere.

    The terms are those of the programme version at that time; the pieces were taken from the stock when it was ordered.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.CharField(max_length=40)
    count = models.IntegerField()
    made = models.IntegerField(default=0)
    """How many codes are in the table. A job that was interrupted goes on here."""
    status = models.CharField(max_length=10, choices=CodeJobStatus.choices, default=CodeJobStatus.RUNNING)
    valid_from = models.DateTimeField(null=True)
    valid_until = models.DateTimeField(null=True)
    """Fixed days only; a term that counts from the issue begins when somebody claims the code."""
    note = models.CharField(max_length=300, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    """When the codes that nobody had touched lapsed or were voided: `ended_pieces` of them."""
    ended_pieces = models.IntegerField(default=0)
    programme_version_id = models.UUIDField()
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["template", "-id"], name="rewards_job_template"),
            models.Index(
                fields=["valid_until"],
                name="rewards_job_lapsing",
                condition=models.Q(ended_at__isnull=True, valid_until__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(count__gt=0, made__gte=0, made__lte=models.F("count")),
                name="rewards_job_in_range",
            )
        ]


class Code(models.Model):
    """One unique code: its blind index, and the place in its job from which the code itself can be made again."""

    blind = models.BinaryField(primary_key=True, max_length=16)
    job_id = models.UUIDField()
    place = models.IntegerField()


class Coupon(models.Model):
    """One piece. Its states are told by its events; `order_id`, `used_at` and `value_minor` are set while it is used."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State.choices)
    member_id = models.UUIDField(null=True)
    issued_to = models.UUIDField(null=True)
    """Who got it first; it stays when the piece is passed on."""
    source = models.CharField(max_length=12)
    """manual | auto | claim | code | pack | campaign | order | reward"""
    reference = models.CharField(max_length=80, default="")
    nth = models.SmallIntegerField(default=1)
    """The how manieth of this template that the member got from this source and reference."""
    code_blind = models.BinaryField(max_length=16, null=True, unique=True)
    last_four = models.CharField(max_length=4, default="")
    job_id = models.UUIDField(null=True)
    issued_at = models.DateTimeField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    """The first instant at which it is no longer valid."""
    order_id = models.UUIDField(null=True)
    used_at = models.DateTimeField(null=True)
    value_minor = models.BigIntegerField(default=0)
    passed_from = models.UUIDField(null=True)
    noticed = models.SmallIntegerField(null=True)
    """Of the notices about its end: how many days ahead the last one was given."""
    programme_version_id = models.UUIDField()

    class Meta:
        indexes = [
            models.Index(fields=["member_id", "-id"], name="rewards_coupon_member"),
            models.Index(fields=["template", "-id"], name="rewards_coupon_template"),
            models.Index(
                fields=["valid_until", "id"],
                name="rewards_coupon_lapsing",
                condition=models.Q(state__in=["issued", "held"], valid_until__isnull=False),
            ),
            models.Index(
                fields=["order_id"], name="rewards_coupon_order", condition=models.Q(order_id__isnull=False)
            ),
            models.Index(
                fields=["job_id"], name="rewards_coupon_job", condition=models.Q(job_id__isnull=False)
            ),
        ]
        constraints = [
            # Whatever is repeated, a member gets a piece once; a null member (a bearer's code) is unique by its code.
            models.UniqueConstraint(
                fields=["issued_to", "template", "source", "reference", "nth"], name="rewards_coupon_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="used", order_id__isnull=False, used_at__isnull=False)
                | (
                    ~models.Q(state="used")
                    & models.Q(order_id__isnull=True, used_at__isnull=True, value_minor=0)
                ),
                name="rewards_coupon_used_in_order",
            ),
        ]


class CouponEvent(models.Model):
    """What happened to a piece. Append-only."""

    coupon_id = models.UUIDField()
    kind = models.CharField(max_length=8)
    """issued | held | used | restored | passed | expired | void"""
    at = models.DateTimeField()
    member_id = models.UUIDField(null=True)
    """Whose it was afterwards."""
    cause = models.CharField(max_length=300, default="")
    order_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [models.Index(fields=["coupon_id", "id"], name="rewards_event_coupon")]


class Use(models.Model):
    """What a sale took of a template, negative when a refund gave it back. Append-only.

    `day` is the local day that limits of a member count by. `pieces`: taken from the stock at the till, by a public code.
    """

    template = models.CharField(max_length=40)
    coupon_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    day = models.DateField()
    uses = models.SmallIntegerField()
    pieces = models.SmallIntegerField()
    minor = models.BigIntegerField()
    at = models.DateTimeField()
    order_id = models.UUIDField()
    refund_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["order_id"], name="rewards_use_order"),
            models.Index(
                fields=["member_id", "template", "day"], include=["uses"], name="rewards_use_member"
            ),
            models.Index(fields=["template", "id"], name="rewards_use_template"),
        ]


class Counter(models.Model):
    """A template's figures: pieces by where they stand, and the money given. Equal to the rows, always.

    issued = held + used + expired + void + codes that nobody has touched.
    """

    template = models.CharField(primary_key=True, max_length=40)
    issued = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    void = models.BigIntegerField(default=0)
    given_minor = models.BigIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    issued__gte=0, held__gte=0, used__gte=0, expired__gte=0, void__gte=0, given_minor__gte=0
                ),
                name="rewards_counter_not_negative",
            )
        ]


class Alarm(models.Model):
    """A limit of a template that was used up to its alarm's percentage; told once for each limit and percentage."""

    template = models.CharField(max_length=40)
    kind = models.CharField(max_length=6)
    """stock | uses | money"""
    percent = models.SmallIntegerField()
    most = models.BigIntegerField()
    taken = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template", "kind", "percent", "most"], name="rewards_alarm_once")
        ]


class Sweep(models.Model):
    """How far a daily walk through all members has come: `after` is the last member of the batches that are committed."""

    name = models.CharField(primary_key=True, max_length=40)
    day = models.DateField()
    since = models.DateField(null=True)
    """From which day on this walk makes up for what was missed; null: only `day`."""
    after = models.UUIDField(null=True)
    done = models.BooleanField(default=False)
