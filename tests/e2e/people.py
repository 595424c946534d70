"""Accounts for the browser tests. They are committed, so that the server's threads see them."""

from __future__ import annotations

from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import Role

PASSWORD = "correct horse battery"


def staff_named(username: str, role: Role, name: str) -> Staff:
    """The account of that name, made when first asked for, with PASSWORD; it covers every store."""
    if found := Staff.objects.filter(username=username).first():
        return found
    staff = Staff(username=username, display_name=name, role=role, all_stores=True, created_at=timezone.now())
    staff.set_password(PASSWORD)
    staff.save()
    return staff
