"""Tables of the member file. Personal data is only ever here as ciphertext or blind index."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Channel, Store
from shuke.core.models import Staff
from shuke.kit.ids import uuid7


class MemberStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    FROZEN = "frozen", _("Frozen")
    CLOSED = "closed", _("Closed")


class Member(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=20, unique=True)
    status = models.CharField(max_length=10, choices=MemberStatus.choices, default=MemberStatus.ACTIVE)
    profile = models.BinaryField()
    """AES-256-GCM of the JSON profile (name, phone, email, birthday, gender, address, note, personal attributes)."""
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    attributes = models.JSONField(default=dict)
    """Typed custom attributes that say nothing about who the person is; personal ones live in `profile`."""
    join_store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    join_channel = models.ForeignKey(
        Channel, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    join_staff = models.ForeignKey(
        Staff, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    joined_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["-joined_at", "-id"], name="members_newest"),
            models.Index(fields=["join_store", "-joined_at", "-id"], name="members_by_store"),
            models.Index(fields=["status", "-joined_at", "-id"], name="members_by_status"),
            GinIndex(fields=["tags"], name="members_by_tag"),
            GinIndex(fields=["attributes"], name="members_by_attribute"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=MemberStatus.values), name="members_status_known"
            )
        ]


class DataKey(models.Model):
    """The member's wrapped data key. Deleting this row is what erasure means."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.CASCADE, related_name="data_key")
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()


class IdentifierKind(models.TextChoices):
    PHONE = "phone", _("Phone")
    EMAIL = "email", _("Email")
    CARD = "card", _("Card")
    EXTERNAL = "external", _("External")


class Identifier(models.Model):
    """A proof of identity that finds one member. The value itself is in `value` as ciphertext."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=10, choices=IdentifierKind.choices)
    system = models.CharField(max_length=40, default="")
    """For external ids: the system that gave it; empty otherwise."""
    blind = models.BinaryField()
    value = models.BinaryField()
    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["blind", "kind", "system"], name="members_identifier_once")
        ]


class SearchToken(models.Model):
    """Blind indexes that may match several members: last four phone digits, name tokens, pinyin, initials.

    The rows are derived from the profile and there are a dozen for each member, so the database does not check
    the reference again for each: that would add half to its share of a bulk import.
    """

    pk = models.CompositePrimaryKey("token", "member_id")
    token = models.BinaryField()
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+", db_constraint=False)


class AttributeKind(models.TextChoices):
    TEXT = "text", _("Text")
    INTEGER = "integer", _("Integer")
    DECIMAL = "decimal", _("Decimal")
    BOOLEAN = "boolean", _("Boolean")
    DATE = "date", _("Date")
    CHOICE = "choice", _("Choice")


class AttributeDefinition(models.Model):
    code = models.SlugField(max_length=40, primary_key=True)
    kind = models.CharField(max_length=10, choices=AttributeKind.choices)
    labels = models.JSONField()
    """Label per language: {"zh-hans": …, "zh-hant": …, "en": …}."""
    choices = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    is_personal = models.BooleanField(default=False)
    created_at = models.DateTimeField()


class UsedQrCode(models.Model):
    """A rotating QR code that was shown at a till: each works once."""

    pk = models.CompositePrimaryKey("member_id", "step")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    step = models.BigIntegerField()
    used_at = models.DateTimeField(db_index=True)
