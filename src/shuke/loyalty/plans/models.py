"""Tables of paid plans and of benefits given out: what is held, what was paid for it, what was had, and every step.

A holding is a member's one row per plan; its terms are the stretches that were paid for, one after the other. Money hangs
on terms, history on events. Events, uses and grants are append-only; of a term only its end before time is ever added.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.kit.ids import uuid7
from shuke.members.models import Member


class PlanState(models.TextChoices):
    TRIAL = "trial", _("Trial")
    ACTIVE = "active", _("Active")
    GRACE = "grace", _("In grace")
    ENDED = "ended", _("Ended")


class TermCause(models.TextChoices):
    TRIAL = "trial", _("Trial")
    BOUGHT = "bought", _("Bought")
    GIFT = "gift", _("Gift")
    RENEWED = "renewed", _("Renewed")
    AUTO_RENEWED = "auto_renewed", _("Renewed automatically")
    UPGRADED = "upgraded", _("Upgraded")


class GiftState(models.TextChoices):
    ISSUED = "issued", _("Not redeemed")
    REDEEMED = "redeemed", _("Redeemed")
    VOID = "void", _("Void")


class ChargeState(models.TextChoices):
    PENDING = "pending", _("Being charged")
    UNKNOWN = "unknown", _("Unclear")
    DECLINED = "declined", _("Declined")
    APPROVED = "approved", _("Paid")
    GIVEN_UP = "given_up", _("Given up")


class PlanMandate(models.Model):
    """A member's leave to charge renewals. `token` names it at the payment provider and tells nothing else."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    provider = models.CharField(max_length=30)
    token = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


class PlanHolding(models.Model):
    """A plan that a member has or had. It gives benefits from `since` until `grace_until` (or `until`, without grace)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    plan = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=PlanState)
    since = models.DateTimeField()
    """When the present run of terms began."""
    until = models.DateTimeField()
    """When the last term ends."""
    grace_until = models.DateTimeField()
    anchor_day = models.SmallIntegerField()
    """The day of the month on which the run began: terms come back to it after a short month."""
    last_seq = models.IntegerField()
    had_trial = models.BooleanField(default=False)
    times_bought = models.IntegerField(default=0)
    mandate = models.ForeignKey(
        PlanMandate, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    """Renewals are charged to it; null: nothing is renewed by itself."""
    charge_at = models.DateTimeField(null=True)
    """When the next renewal is to be charged, or tried again."""
    reminded_days = models.SmallIntegerField(null=True)
    """The nearest reminder of the present end that was told; null: none yet."""
    packs_at = models.DateTimeField(null=True)
    """When the next pack of coupons is due."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "plan"], name="loyalty_holding_once")]
        indexes = [
            models.Index(fields=["plan", "state"], name="loyalty_holding_plan"),
            models.Index(
                fields=["until"],
                name="loyalty_holding_ends",
                condition=~models.Q(state="ended"),
            ),
            models.Index(
                fields=["charge_at"],
                name="loyalty_holding_charge",
                condition=models.Q(charge_at__isnull=False),
            ),
            models.Index(
                fields=["packs_at"], name="loyalty_holding_packs", condition=models.Q(packs_at__isnull=False)
            ),
        ]


class PlanTerm(models.Model):
    """A stretch of a plan. value = paid + credit brought along from the plan that was given up for it, minor units."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holding = models.ForeignKey(PlanHolding, on_delete=models.PROTECT, related_name="terms", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    plan = models.CharField(max_length=40)
    seq = models.IntegerField()
    cause = models.CharField(max_length=20, choices=TermCause)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    """Brought forward when the term is given up."""
    occurred_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    price_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField()
    credit_minor = models.BigIntegerField(default=0)
    tender = models.CharField(max_length=20, default="")
    reference = models.CharField(max_length=80, default="")
    system = models.CharField(max_length=40)
    number = models.CharField(max_length=80)
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    gift_id = models.UUIDField(null=True)
    programme_version = models.ForeignKey(
        "loyalty.ProgrammeVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)
    closed_at = models.DateTimeField(null=True)
    """When it was given up before its end: refunded, or taken as credit for another plan."""
    refunded_minor = models.BigIntegerField(default=0)
    credited_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["holding", "seq"], name="loyalty_term_seq"),
            models.UniqueConstraint(fields=["system", "number"], name="loyalty_term_once"),
            models.CheckConstraint(
                condition=models.Q(
                    paid_minor__gte=0, credit_minor__gte=0, refunded_minor__gte=0, credited_minor__gte=0
                )
                & models.Q(
                    refunded_minor__lte=models.F("paid_minor")
                    + models.F("credit_minor")
                    - models.F("credited_minor")
                ),
                name="loyalty_term_money",
            ),
        ]
        indexes = [models.Index(fields=["occurred_at"], name="loyalty_term_sold")]


class PlanRefund(models.Model):
    """Money paid back for a plan, with the sums that led to it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holding = models.ForeignKey(PlanHolding, null=True, on_delete=models.PROTECT, related_name="+")
    gift_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    refund_minor = models.BigIntegerField()
    sums = models.JSONField()
    tender = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    reason = models.CharField(max_length=300)
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    actor = models.CharField(max_length=60)


class GiftOrderState(models.TextChoices):
    RUNNING = "running", _("Being made")
    DONE = "done", _("Ready")
    VOID = "void", _("Paid back")


class PlanGiftOrder(models.Model):
    """Many gifts sold at once, such as to a firm for its staff; a job makes them. `taken_back`: how many were paid back."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.CharField(max_length=40)
    count = models.IntegerField()
    made = models.IntegerField(default=0)
    """How many gifts are in the table. A job that was interrupted goes on here."""
    state = models.CharField(max_length=10, choices=GiftOrderState, default=GiftOrderState.RUNNING)
    currency = models.CharField(max_length=3)
    price_minor = models.BigIntegerField()
    """Of one."""
    tender = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    note = models.CharField(max_length=300, default="")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    occurred_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    taken_back = models.IntegerField(default=0)
    programme_version = models.ForeignKey(
        "loyalty.ProgrammeVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [models.Index(fields=["plan", "-id"], name="loyalty_giftorder_plan")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(count__gt=0, made__gte=0, made__lte=models.F("count")),
                name="loyalty_giftorder_in_range",
            )
        ]


class PlanGift(models.Model):
    """A plan paid for by somebody who gives it away. Its code is a keyed function of the id and stored nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.CharField(max_length=40)
    blind = models.BinaryField(unique=True)
    last_four = models.CharField(max_length=4)
    order = models.ForeignKey(
        PlanGiftOrder, null=True, on_delete=models.PROTECT, related_name="gifts", db_index=False
    )
    state = models.CharField(max_length=10, choices=GiftState, default=GiftState.ISSUED)
    buyer = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    price_minor = models.BigIntegerField()
    tender = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, default="")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    occurred_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    redeemed_by = models.ForeignKey(
        Member, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    redeemed_at = models.DateTimeField(null=True)
    programme_version = models.ForeignKey(
        "loyalty.ProgrammeVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["state", "occurred_at"], name="loyalty_plangift_state"),
            models.Index(
                fields=["order", "id"],
                name="loyalty_plangift_order",
                condition=models.Q(order__isnull=False),
            ),
        ]


class PlanCharge(models.Model):
    """One renewal to be charged to a mandate. `reference` is the idempotency key at the provider: one a term, for ever."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holding = models.ForeignKey(PlanHolding, on_delete=models.PROTECT, related_name="+", db_index=False)
    mandate = models.ForeignKey(PlanMandate, on_delete=models.PROTECT, related_name="+", db_index=False)
    term_seq = models.IntegerField()
    reference = models.CharField(max_length=80, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=ChargeState, default=ChargeState.PENDING)
    attempts = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    """Declines so far: the place in the schedule of retries."""
    reason = models.CharField(max_length=80, default="")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holding", "term_seq"], name="loyalty_charge_once")]


class PlanEvent(models.Model):
    """The history of plans: append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holding = models.ForeignKey(
        PlanHolding, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    member = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    plan = models.CharField(max_length=40)
    kind = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    data = models.JSONField(default=dict)
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["member", "-occurred_at", "-id"], name="loyalty_planevent_member"),
            models.Index(fields=["plan", "kind", "occurred_at"], name="loyalty_planevent_kind"),
        ]


class LocalAccount(models.Model):
    """The local payment provider: one mandate as it knows it. `script`: how the next charges end; empty: approved."""

    token = models.CharField(max_length=80, primary_key=True)
    script = models.JSONField(default=list)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)


class LocalPayment(models.Model):
    """The local payment provider: what became of a reference. Asked again, it says the same."""

    reference = models.CharField(max_length=80, primary_key=True)
    token = models.CharField(max_length=80)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    outcome = models.CharField(max_length=10)
    """approved | declined"""
    occurred_at = models.DateTimeField()


class EntitlementUse(models.Model):
    """Something had at the counter: +1, or −1 when it was taken back. `period`: the local day its quota counts from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    entitlement = models.CharField(max_length=40)
    sources = models.CharField(max_length=200)
    """Through which tier and plans, as `tier:gold plan:vip`; a tier that a plan brought is the plan, and of several plans the
    one that was held longest comes first."""
    period = models.DateField()
    amount = models.SmallIntegerField()
    counted = models.BooleanField()
    """It took a piece of stock."""
    worth_minor = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    reason = models.CharField(max_length=300, default="")
    actor = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["member", "entitlement", "period"], name="loyalty_entitled_member"),
            models.Index(
                fields=["entitlement"], name="loyalty_entitled_stock", condition=models.Q(counted=True)
            ),
        ]


class GiftStock(models.Model):
    """Hot counter of an entitlement with stock: pieces handed out. Equals the sum of its uses, always."""

    entitlement = models.CharField(max_length=40, primary_key=True)
    used = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(used__gte=0), name="loyalty_giftstock_not_negative")
        ]


class BenefitGrant(models.Model):
    """A pack or a birthday gift that was given: its row is what makes it once. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    """birthday | pack"""
    code = models.CharField(max_length=90)
    """The source, and the pack where there are several: `plan:vip/monthly`."""
    period = models.CharField(max_length=40)
    """What it was for: the year of the birthday, the first day of the pack's period."""
    worth_minor = models.BigIntegerField(default=0)
    through = models.CharField(max_length=40, default="", db_default="")
    """The plan whose holder was served as the tier that gave it; empty: the member's own tier, or a plan's own benefit."""
    occurred_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "kind", "code", "period"], name="loyalty_benefitgrant_once"
            )
        ]
        indexes = [models.Index(fields=["kind", "code", "period"], name="loyalty_benefitgrant_what")]
