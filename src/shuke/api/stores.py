"""Store ids and codes: the API speaks in codes, the rooms in ids. A store never changes its code, so both are kept."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.api.endpoint import Call
from shuke.catalog.models import Store
from shuke.core.errors import InvalidInput
from shuke.core.text import storable

MOST_KEPT = 20_000

_codes: dict[UUID, str] = {}


def store_codes(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """The codes of stores by id; one query for those not seen before in this process."""
    wanted = {store_id for store_id in ids if store_id is not None}
    missing = wanted - _codes.keys()
    if missing:
        if len(_codes) > MOST_KEPT:
            _codes.clear()
            missing = wanted
        _codes.update(Store.objects.filter(id__in=missing).values_list("id", "code"))
    return {store_id: _codes[store_id] for store_id in wanted if store_id in _codes}


def covered_store(call: Call, code: str, field: str) -> UUID:
    """The id of a store that the key covers. Raises InvalidInput, the same for an unknown and an uncovered one."""
    store_id = Store.objects.filter(code=storable(code)).values_list("id", flat=True).first()
    if store_id is None or not call.covers(store_id):
        raise InvalidInput(field=field, reason=_("There is no such store."))
    return store_id
