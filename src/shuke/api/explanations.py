"""Why a balance moved, in words: the sentence that goes with each ledger entry, in the active language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext

from shuke.kit.clock import local_date
from shuke.kit.money import to_text
from shuke.ledger.queries import EntryView
from shuke.loyalty.programme import Programme


def explain_entry(entry: EntryView, programme: Programme | None) -> str:
    """One sentence. `programme` is the version under which the entry was written, if there was one."""
    told = entry.explain or {}
    match entry.kind:
        case "earn":
            return _earned(entry, told)
        case "redeem":
            return _redeemed(told, programme)
        case "reversal":
            return _reversed(told)
        case "expire":
            return _expired(entry, programme)
    if entry.reason:
        return gettext("Adjusted: %(reason)s") % {"reason": entry.reason}
    return gettext("Adjusted by staff.")


def _earned(entry: EntryView, told: Mapping[str, Any]) -> str:
    parts = [_part(part) for part in told.get("rules", ())]
    if not parts:
        return gettext("Earned with an order. An earlier debt took the first part of it.")
    listed = pgettext("between rules", "; ").join(parts)
    if entry.lot_id is None:
        return gettext("Earned with an order and kept to settle a debt (%(parts)s).") % {"parts": listed}
    return gettext("Earned with an order (%(parts)s).") % {"parts": listed}


def _part(part: Mapping[str, Any]) -> str:
    if part.get("id") == "tier" and "tier" in part:
        return gettext("tier %(tier)s ×%(factor)s: %(points)s") % part
    if "factor" in part:
        return gettext("multiplier %(id)s ×%(factor)s: %(points)s") % part
    return gettext("rule %(id)s: %(points)s") % part


def _redeemed(told: Mapping[str, Any], programme: Programme | None) -> str:
    worth = told.get("points_minor")
    if worth is None or programme is None:
        return gettext("Used as cash in an order.")
    return gettext("Used as cash in an order, worth %(worth)s %(currency)s together.") % {
        "worth": to_text(worth, programme.currency),
        "currency": programme.currency,
    }


def _reversed(told: Mapping[str, Any]) -> str:
    match told.get("refund"):
        case "returned":
            return gettext("Returned, because the order they were used in was refunded.")
        case "clawed_back":
            return gettext("Taken back, because the order they came from was refunded.")
        case "debt":
            return gettext("Taken back by a refund after they were spent: this much is owed.")
        case "debt_settled":
            return gettext("Came back by a refund and settled what was owed.")
    return gettext("Reversed.")


def _expired(entry: EntryView, programme: Programme | None) -> str:
    if entry.lot_expires_at is None or programme is None:
        return gettext("Expired unused.")
    # The end is exclusive: a lot that is gone at midnight was last good on the day before.
    last = local_date(entry.lot_expires_at - timedelta(microseconds=1), programme.zone)
    return gettext("Expired unused; the last good day was %(day)s.") % {
        "day": date_format(last, "DATE_FORMAT")
    }
