"""Which stores a person may look at, and which of them they chose in the top bar. The choice lives in the session."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from shuke.catalog.models import Store
from shuke.console.access import staff_of
from shuke.core.models import Staff

SESSION_KEY = "console_store"


def stores_of(staff: Staff) -> list[Store]:
    """The stores this person covers, by code; at most 500, which is more than a menu can show."""
    stores = Store.objects.order_by("code")
    return list((stores if staff.all_stores else stores.filter(id__in=staff.store_ids))[:500])


def chosen_store(request: HttpRequest) -> Store | None:
    """The one store the screens are narrowed to; None means all that the person covers."""
    raw = request.session.get(SESSION_KEY)
    staff = staff_of(request)
    if not raw or not staff.as_actor().may_touch_store(UUID(raw)):
        return None
    return Store.objects.filter(id=raw).first()


def choose_store(request: HttpRequest, store_id: UUID | None) -> bool:
    """Remember the choice. False, and nothing changed, when the store does not exist or is not theirs."""
    if store_id is None:
        request.session.pop(SESSION_KEY, None)
        return True
    if not staff_of(request).as_actor().may_touch_store(store_id) or not Store.objects.filter(id=store_id).exists():
        return False
    request.session[SESSION_KEY] = str(store_id)
    return True
