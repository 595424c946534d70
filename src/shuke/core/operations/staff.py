"""Staff accounts: create, change, end. All of them are serialised by one lock: they are rare, and the rule
that an owner remains spans rows.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from axes.utils import reset as forget_login_failures
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.authority import require_manager, require_rank, require_stores_covered
from shuke.core.errors import InvalidInput, LastOwner, NotFound, UsernameTaken, WeakPassword
from shuke.core.models import Staff
from shuke.core.operations.audit import record_audit
from shuke.core.values import Actor, Permission, Role
from shuke.kit.ids import uuid7

_STAFF_LOCK = 0x57AF_0001
_USERNAME_EXTRA = set("._-@+")


def create_staff(
    *,
    actor: Actor,
    now: datetime,
    username: str,
    display_name: str,
    role: Role | str,
    password: str,
    all_stores: bool = False,
    store_ids: Collection[UUID] = (),
    preferred_language: str = "zh-hans",
) -> Staff:
    """A new account that can log in at once. Usernames are stored in lower case.

    Raises NotAllowed, OutOfStoreScope, UsernameTaken, WeakPassword, InvalidInput.
    """
    manager = require_manager(actor, Permission.STAFF_MANAGE)
    staff = Staff(
        id=uuid7(),
        username=_clean_username(username),
        display_name=_clean_display_name(display_name),
        role=_clean_role(role),
        all_stores=all_stores,
        store_ids=[] if all_stores else sorted(set(store_ids)),
        preferred_language=_clean_language(preferred_language),
        created_at=now,
    )
    require_rank(manager, staff.role)
    require_stores_covered(actor, all_stores=all_stores, store_ids=staff.store_ids)
    _use_password(staff, password)
    with transaction.atomic():
        _lock_staff()
        if Staff.objects.filter(username__iexact=staff.username).exists():
            raise UsernameTaken(field="username")
        staff.save(force_insert=True)
        _audit(actor, now, "core.staff_created.v1", staff, data=_described(staff))
    return staff


def change_staff(
    *,
    actor: Actor,
    now: datetime,
    staff_id: UUID,
    display_name: str | None = None,
    role: Role | str | None = None,
    all_stores: bool | None = None,
    store_ids: Collection[UUID] | None = None,
    preferred_language: str | None = None,
) -> Staff:
    """Change what is given; None leaves as it is. Takes effect with the next request of that person.

    Raises NotFound, NotAllowed, OutOfStoreScope, LastOwner, InvalidInput.
    """
    manager = require_manager(actor, Permission.STAFF_MANAGE)
    with transaction.atomic():
        _lock_staff()
        staff = _managed(actor, manager, staff_id)
        before = _described(staff)
        if display_name is not None:
            staff.display_name = _clean_display_name(display_name)
        if role is not None:
            wanted = _clean_role(role)
            require_rank(manager, wanted)
            if staff.role == Role.OWNER and wanted != Role.OWNER:
                _require_other_owner(staff)
            staff.role = wanted
        if all_stores is not None:
            staff.all_stores = all_stores
        if store_ids is not None:
            staff.store_ids = sorted(set(store_ids))
        if staff.all_stores:
            staff.store_ids = []
        if preferred_language is not None:
            staff.preferred_language = _clean_language(preferred_language)
        require_stores_covered(actor, all_stores=staff.all_stores, store_ids=staff.store_ids)
        after = _described(staff)
        changed = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
        if changed:
            staff.save()
            _audit(actor, now, "core.staff_changed.v1", staff, data=changed)
    return staff


def set_password(*, actor: Actor, now: datetime, staff_id: UUID, password: str) -> None:
    """Set somebody's password, or one's own. Every session of that person ends, this one included: the caller
    that serves the person's own request logs them in again.

    Raises NotFound, NotAllowed, OutOfStoreScope, WeakPassword.
    """
    own = actor.kind == "staff" and actor.id == staff_id
    manager = None if own else require_manager(actor, Permission.STAFF_MANAGE)
    with transaction.atomic():
        _lock_staff()
        staff = _found(staff_id) if manager is None else _managed(actor, manager, staff_id)
        _use_password(staff, password)
        staff.save(update_fields=["password"])
        _end_sessions(staff, now)
        _audit(actor, now, "core.staff_password_set.v1", staff, data={"own": own})


def set_language(*, actor: Actor, now: datetime, language: str) -> Staff:
    """The language of one's own screens; everybody chooses their own. Raises NotFound, InvalidInput."""
    if actor.kind != "staff" or actor.id is None:
        raise NotFound
    with transaction.atomic():
        _lock_staff()
        staff = _found(actor.id)
        before, staff.preferred_language = staff.preferred_language, _clean_language(language)
        if staff.preferred_language != before:
            staff.save(update_fields=["preferred_language"])
            data = {"preferred_language": [before, staff.preferred_language]}
            _audit(actor, now, "core.staff_changed.v1", staff, data=data)
    return staff


def deactivate_staff(*, actor: Actor, now: datetime, staff_id: UUID, reason: str = "") -> Staff:
    """End an account: no login, and every open session ends at once. Raises NotFound, NotAllowed,
    OutOfStoreScope, LastOwner.
    """
    manager = require_manager(actor, Permission.STAFF_MANAGE)
    with transaction.atomic():
        _lock_staff()
        staff = _managed(actor, manager, staff_id)
        if staff.is_active:
            if staff.role == Role.OWNER:
                _require_other_owner(staff)
            staff.is_active = False
            staff.save(update_fields=["is_active"])
            _end_sessions(staff, now)
            _audit(actor, now, "core.staff_deactivated.v1", staff, reason=reason)
    return staff


def reactivate_staff(*, actor: Actor, now: datetime, staff_id: UUID) -> Staff:
    """Let an ended account log in again. Raises NotFound, NotAllowed, OutOfStoreScope."""
    manager = require_manager(actor, Permission.STAFF_MANAGE)
    with transaction.atomic():
        _lock_staff()
        staff = _managed(actor, manager, staff_id)
        if not staff.is_active:
            staff.is_active = True
            staff.save(update_fields=["is_active"])
            _audit(actor, now, "core.staff_reactivated.v1", staff)
    return staff


def unlock_staff(*, actor: Actor, now: datetime, staff_id: UUID) -> None:
    """Forget the failed logins of an account, so that a lock-out ends now. Raises NotFound, NotAllowed,
    OutOfStoreScope."""
    manager = require_manager(actor, Permission.STAFF_MANAGE)
    with transaction.atomic():
        staff = _managed(actor, manager, staff_id)
        forget_login_failures(username=staff.username)
        _audit(actor, now, "core.staff_unlocked.v1", staff)


def _lock_staff() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_STAFF_LOCK])


def _found(staff_id: UUID) -> Staff:
    staff = Staff.objects.filter(id=staff_id).first()
    if staff is None:
        raise NotFound
    return staff


def _managed(actor: Actor, manager: Role, staff_id: UUID) -> Staff:
    """The account, when the actor may manage it: an administrator must not take over an owner's."""
    staff = _found(staff_id)
    require_rank(manager, staff.role)
    require_stores_covered(actor, all_stores=staff.all_stores, store_ids=staff.store_ids)
    return staff


def _require_other_owner(staff: Staff) -> None:
    if not Staff.objects.filter(role=Role.OWNER, is_active=True).exclude(id=staff.id).exists():
        raise LastOwner


def _use_password(staff: Staff, password: str) -> None:
    try:
        validate_password(password, staff)
    except ValidationError as error:
        raise WeakPassword(reason=" ".join(error.messages)) from error
    staff.set_password(password)


def _end_sessions(staff: Staff, now: datetime) -> None:
    """Sessions do not name their owner in a column, so the live ones are read; there are few, and this is
    rare.
    """
    key = str(staff.id)
    ended = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=now).iterator(chunk_size=500)
        if session.get_decoded().get(SESSION_KEY) == key
    ]
    Session.objects.filter(pk__in=ended).delete()


def _audit(
    actor: Actor,
    now: datetime,
    action: str,
    staff: Staff,
    *,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        now=now,
        object_type="staff",
        object_id=staff.id,
        reason=reason,
        data={"username": staff.username, **(data or {})},
    )


def _described(staff: Staff) -> dict[str, Any]:
    return {
        "display_name": staff.display_name,
        "role": staff.role,
        "all_stores": staff.all_stores,
        "store_ids": list(staff.store_ids),
        "preferred_language": staff.preferred_language,
    }


def _clean_username(text: str) -> str:
    username = text.strip().lower()
    if not 2 <= len(username) <= 64 or not all(
        char.isalnum() or char in _USERNAME_EXTRA for char in username
    ):
        raise InvalidInput(field="username", reason=_("A username has 2 to 64 letters, digits or . _ - @ +"))
    return username


def _clean_display_name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 80:
        raise InvalidInput(field="display_name", reason=_("Give a name of at most 80 characters."))
    return name


def _clean_role(role: Role | str) -> str:
    if role not in Role.values:
        raise InvalidInput(field="role", reason=_("Choose one of the known roles."))
    return str(role)


def _clean_language(code: str) -> str:
    if code not in dict(settings.LANGUAGES):
        raise InvalidInput(field="preferred_language", reason=_("Choose one of the offered languages."))
    return code
