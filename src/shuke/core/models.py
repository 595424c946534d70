"""Tables of the core: staff, API keys, audit, idempotency, outbox."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from shuke.core.values import CHAIN_WIDE, ROLE_PERMISSIONS, Actor, Permission, Role
from shuke.kit.ids import uuid7


class StaffManager(BaseUserManager["Staff"]):
    def get_by_natural_key(self, username: str | None) -> Staff:
        return self.get(username__iexact=username)


class Staff(AbstractBaseUser):
    """A person who works here: one role, and the stores it covers."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(max_length=64, unique=True)
    display_name = models.CharField(max_length=80)
    role = models.CharField(max_length=20, choices=Role.choices)
    all_stores = models.BooleanField(default=False)
    store_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    preferred_language = models.CharField(max_length=10, default="zh-hans")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects: ClassVar[StaffManager] = StaffManager()
    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["display_name", "role"]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="core_staff_username_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="core_staff_role_known"),
        ]

    def may(self, permission: Permission | str) -> bool:
        """True when the role grants the permission, the account is active, and covers all stores where that is needed."""
        return (
            self.is_active
            and permission in ROLE_PERMISSIONS[self.role]
            and (self.all_stores or permission not in CHAIN_WIDE)
        )

    def as_actor(self) -> Actor:
        """The account as the actor of an operation."""
        return Actor("staff", self.id, self.username, self.all_stores, frozenset(self.store_ids))


class ApiKey(models.Model):
    """A bearer key of a POS, shop or back office. Only its SHA-256 is kept: the secret is 256 random bits."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    secret_hash = models.BinaryField(unique=True)
    scopes = ArrayField(models.CharField(max_length=40))
    all_stores = models.BooleanField(default=False)
    store_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_on = models.DateField(null=True)


class TxidBase(models.Model):
    """At most one row: what is added to the server's transaction numbers, which begin anew after a logical
    restore.

    The SQL functions `core_txid()` and `core_txid_horizon()` add it, so that numbers only ever grow.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    base = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="core_txidbase_one_row")]


class KeysetMark(models.Model):
    """At most one row: the mark of the index key that this database's blind indexes were made with.

    A start with another one is refused (`config.runtime`): nobody would be found by phone any more, and new members would
    be indexed apart from the old ones. It says nothing about the key itself.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    mark = models.BinaryField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="core_keysetmark_one_row")]


class AuditEvent(models.Model):
    """One act, append-only. `data` holds no personal data in clear. `hash` covers every other column."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    occurred_at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=80)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    store_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    hash = models.BinaryField()
    txid = models.BigIntegerField(db_default=models.expressions.RawSQL("core_txid()", []))
    """The writing transaction, so that sealing never passes one that is still open."""

    class Meta:
        indexes = [
            models.Index(fields=["-id"], name="core_audit_newest"),
            models.Index(fields=["object_type", "object_id", "-id"], name="core_audit_object"),
            models.Index(fields=["actor_id", "-id"], name="core_audit_actor"),
            models.Index(fields=["action", "-id"], name="core_audit_action"),
            models.Index(fields=["txid", "id"], name="core_audit_txid"),
        ]


class AuditSeal(models.Model):
    """A sealed batch of audit rows: the chain that makes a missing or altered row visible."""

    number = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField()
    after_txid = models.BigIntegerField()
    through_txid = models.BigIntegerField()
    rows = models.IntegerField()
    root = models.BinaryField()
    previous = models.BinaryField()
    hash = models.BinaryField()


class IdempotentCall(models.Model):
    """The stored answer of a write, by caller and key. Same input → same answer; other input → 409."""

    pk = models.CompositePrimaryKey("caller_id", "key")
    caller_id = models.UUIDField()
    key = models.CharField(max_length=120)
    input_hash = models.BinaryField()
    status = models.SmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)


class OutboxEvent(models.Model):
    """A past-tense fact, written in the transaction that made it true; consumers read in (txid, id) order."""

    id = models.BigAutoField(primary_key=True)
    txid = models.BigIntegerField(db_default=models.expressions.RawSQL("core_txid()", []))
    name = models.CharField(max_length=80)
    member_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    payload = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["txid", "id"], name="core_outbox_order")]


class OutboxCursor(models.Model):
    """How far a consumer has read."""

    consumer = models.CharField(max_length=60, primary_key=True)
    txid = models.BigIntegerField(default=0)
    event_id = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(null=True)
