"""Staff accounts, for the console."""

from __future__ import annotations

from uuid import UUID

from shuke.core.errors import NotFound
from shuke.core.models import Staff


def list_staff(*, include_inactive: bool = True) -> list[Staff]:
    """Accounts by name, active ones first."""
    accounts = Staff.objects.order_by("-is_active", "display_name", "id")
    return list(accounts if include_inactive else accounts.filter(is_active=True))


def get_staff(staff_id: UUID) -> Staff:
    """One account. Raises NotFound."""
    staff = Staff.objects.filter(id=staff_id).first()
    if staff is None:
        raise NotFound
    return staff
