"""Words that the pages about a member's book share: assets, points above all, states, and who did it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from shuke.console import formats
from shuke.core.models import ApiKey, Staff
from shuke.ledger.models import AdjustmentStatus, HoldStatus
from shuke.loyalty.queries import asset_names_at, asset_word_at, own_points_name_at

_STATUS = {**dict(AdjustmentStatus.choices), **dict(HoldStatus.choices)}


def asset_label(asset: str, now: datetime) -> str:
    """The name of an asset under the programme in force."""
    return asset_names_at(now)(asset)


def points_word(now: datetime) -> str:
    """The word for points within a sentence: "points", or what the programme in force calls them ("Stars")."""
    return asset_word_at("points", now)


def points_counted(value: int, now: datetime) -> str:
    """Points with their unit: "12,480 pts", or "12,480 Stars" where the programme calls them so."""
    own = own_points_name_at(now)
    return f"{formats.points(value)} {own}" if own else formats.points(value, unit=True)


def shelf_name(now: datetime) -> str:
    """What the reward catalogue is called; in Chinese it bears the name of the points."""
    own = own_points_name_at(now)
    return _("Rewards for %(points)s") % {"points": own} if own else _("Rewards")


def status_word(status: str) -> str:
    """The state of an adjustment or a hold, in the active language."""
    return str(_STATUS.get(status, status))


def people_of(references: Iterable[str]) -> dict[str, str]:
    """Names of those who act, by reference (`staff:<id>`, `key:<id>`): two queries, whatever their number."""
    ids: dict[str, list[UUID]] = {"staff": [], "key": []}
    for reference in set(references):
        kind, _colon, value = reference.partition(":")
        if kind in ids:
            ids[kind].append(UUID(value))
    found: dict[str, str] = {}
    if ids["staff"]:
        names = Staff.objects.filter(id__in=ids["staff"]).values_list("id", "display_name")
        found |= {f"staff:{staff_id}": name for staff_id, name in names}
    if ids["key"]:
        keys = ApiKey.objects.filter(id__in=ids["key"]).values_list("id", "name")
        found |= {f"key:{key_id}": name for key_id, name in keys}
    return found
