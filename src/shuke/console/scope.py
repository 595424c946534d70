"""Which stores a person may look at, and which of them they chose in the top bar. The choice lives in the session."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from shuke.catalog.models import Store
from shuke.catalog.queries import list_stores
from shuke.console.access import staff_of
from shuke.core.models import Staff

SESSION_KEY = "console_store"


def stores_of(staff: Staff) -> list[Store]:
    """The stores this person covers, by code."""
    actor = staff.as_actor()
    return [store for store in list_stores() if actor.may_touch_store(store.id)]


def chosen_store(request: HttpRequest) -> Store | None:
    """The one store the screens are narrowed to; None means all that the person covers."""
    raw = request.session.get(SESSION_KEY)
    return (
        next((store for store in stores_of(staff_of(request)) if str(store.id) == raw), None) if raw else None
    )


def shown_store(request: HttpRequest) -> Store | None:
    """The store that the top bar names: the chosen one, or the only one of a person bound to it."""
    staff = staff_of(request)
    if not staff.all_stores and len(staff.store_ids) == 1:
        return Store.objects.filter(id=staff.store_ids[0]).first()
    return chosen_store(request)


def place_of(request: HttpRequest) -> Store | None:
    """The store where the person stands: the chosen one, or the only one they cover, if it is open."""
    chosen = chosen_store(request)
    if chosen is None and not staff_of(request).all_stores:
        mine = stores_of(staff_of(request))
        chosen = mine[0] if len(mine) == 1 else None
    return chosen if chosen is not None and chosen.is_open else None


def choose_store(request: HttpRequest, store_id: UUID | None) -> bool:
    """Remember the choice. False, and nothing changed, when the store does not exist or is not theirs."""
    if store_id is None:
        request.session.pop(SESSION_KEY, None)
        return True
    if all(store.id != store_id for store in stores_of(staff_of(request))):
        return False
    request.session[SESSION_KEY] = str(store_id)
    return True
