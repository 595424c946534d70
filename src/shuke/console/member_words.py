"""What the member file says in words: why a balance moved, what a discount was, what somebody did with the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.core.models import AuditEvent
from shuke.ledger.queries import EntryView
from shuke.loyalty import words
from shuke.loyalty.queries import version_by_id, version_by_number
from shuke.members.models import AttributeDefinition, AttributeKind, IdentifierKind, MemberStatus

Document = Mapping[str, Any]

ENTRY_KINDS: Mapping[str, tuple[str | Promise, str]] = {
    "earn": (pgettext_lazy("ledger entry", "Earned"), "ok"),
    "redeem": (pgettext_lazy("ledger entry", "Used"), "brand"),
    "reversal": (pgettext_lazy("ledger entry", "Reversed"), "info"),
    "expire": (pgettext_lazy("ledger entry", "Expired"), "warn"),
    "adjust": (pgettext_lazy("ledger entry", "Adjusted"), "gold"),
}
TIER_CAUSES: Mapping[str, str | Promise] = {
    "qualified": gettext_lazy("Reached by spending"),
    "renewed": gettext_lazy("Kept for another term"),
    "lapsed": gettext_lazy("Not reached again at the review"),
    "refund": gettext_lazy("Lost through a refund"),
    "programme": gettext_lazy("The programme changed"),
}
STATUS_KINDS = {MemberStatus.ACTIVE: "ok", MemberStatus.FROZEN: "warn", MemberStatus.CLOSED: "bad"}
ACTS: Mapping[str, str | Promise] = {
    "members.register_member": gettext_lazy("Registered the member"),
    "members.update_member": gettext_lazy("Changed the profile"),
    "members.unmask_profile": gettext_lazy("Looked at the personal data"),
    "members.change_status": gettext_lazy("Changed the status"),
    "members.add_identifier": gettext_lazy("Added an identifier"),
    "members.remove_identifier": gettext_lazy("Removed an identifier"),
    "members.set_tags": gettext_lazy("Changed the tags"),
    "members.set_attributes": gettext_lazy("Changed attributes"),
}
PROFILE_LABELS = {
    "name": pgettext_lazy("person", "Name"),
    "phone": gettext_lazy("Phone"),
    "email": gettext_lazy("E-mail"),
    "birthday": gettext_lazy("Birthday"),
    "gender": gettext_lazy("Gender"),
    "address": gettext_lazy("Address"),
    "note": gettext_lazy("Note"),
}
_IDENTIFIERS: Mapping[str, str | Promise] = {str(kind): kind.label for kind in IdentifierKind}
UNMASK = "members.unmask_profile"
GENERATED = "generated"
"""The tag of people who were invented for the demo."""


def document_of(version_id: UUID | None) -> Document | None:
    """The programme under which something was written; None before the first one."""
    return version_by_id(version_id).document if version_id else None


def explain_entry(entry: EntryView, currency: str) -> str:
    """Why a balance moved, in one sentence."""
    told = entry.explain or {}
    match entry.kind:
        case "earn":
            return _earned(entry, told)
        case "redeem" if "points_minor" in told:
            worth = formats.money(told["points_minor"], currency)
            return _("Used as cash in an order, worth %(worth)s together.") % {"worth": worth}
        case "redeem":
            return _("Used as cash in an order.")
        case "reversal":
            return _reversed(told)
        case "expire" if entry.lot_expires_at is not None:
            # The end is exclusive: what is gone at midnight was last good on the day before.
            last = entry.lot_expires_at - timedelta(microseconds=1)
            return _("Expired unused; the last good day was %(day)s.") % {"day": formats.day(last)}
        case "expire":
            return _("Expired unused.")
    return entry.reason or _("Adjusted by staff.")


def _earned(entry: EntryView, told: Mapping[str, Any]) -> str:
    document = document_of(entry.programme_version_id)
    sentence = words.explain_earning(told, document, entry.asset) if document else ""
    if not sentence:
        return _("Earned with an order; the first part of it settled a debt.")
    if entry.lot_id is None:
        return _("%(sentence)s; kept to settle a debt") % {"sentence": sentence}
    return sentence


def _reversed(told: Mapping[str, Any]) -> str:
    match told.get("refund"):
        case "returned":
            return _("Returned, because the order they were used in was refunded.")
        case "clawed_back":
            return _("Taken back, because the order they came from was refunded.")
        case "debt":
            return _("Taken back by a refund after they were spent: this much is owed.")
        case "debt_settled":
            return _("Came back by a refund and settled what was owed.")
    return _("Reversed.")


def explain_discount(detail: Mapping[str, Any], programme_version: int | None) -> str:
    """What a discount on a line was, without its amount."""
    code = str(detail.get("code", ""))
    if detail.get("kind") == "tier":
        document = version_by_number(programme_version).document if programme_version else None
        name = words.tier_name(document, code) if document else code
        paid = 100 - Decimal(str(detail.get("percent", 0))) / 1000
        return f"{name} {formats.discount(paid)}" if 0 < paid < 100 else name
    if not code:
        return _("Given at the till")
    return _("Given at the till: %(code)s") % {"code": code}


def tier_cause(cause: str) -> str:
    """Why a tier changed."""
    return str(TIER_CAUSES.get(cause, cause))


def describe_act(event: AuditEvent, definitions: Mapping[str, AttributeDefinition]) -> tuple[str, str]:
    """(what somebody did with the file, which parts of it they touched)."""
    changed = event.data.get("changed", [])
    parts = [_part_name(str(each), definitions) for each in changed if each not in ("tags", "status")]
    if event.action == "members.change_status":
        parts = [f"{_status(event.data.get('from'))} → {_status(event.data.get('to'))}"]
    return str(ACTS.get(event.action, event.action)), pgettext("list", ", ").join(parts)


def _part_name(part: str, definitions: Mapping[str, AttributeDefinition]) -> str:
    code = part.removeprefix("attributes/")
    if code != part:
        return attribute_label(definitions.get(code), code)
    return str(PROFILE_LABELS.get(part) or _IDENTIFIERS.get(part, part))


def _status(value: Any) -> str:
    return str(dict(MemberStatus.choices).get(value, value))


def attribute_label(definition: AttributeDefinition | None, code: str) -> str:
    """The name of an attribute in the language of the screen."""
    labels = definition.labels if definition else {}
    return labels.get(formats.language()) or next(iter(labels.values()), code)


def attribute_value(definition: AttributeDefinition | None, value: Any) -> str:
    """The value of an attribute as people read it."""
    kind = definition.kind if definition else ""
    if kind == AttributeKind.BOOLEAN or isinstance(value, bool):
        return _("Yes") if value in (True, "true") else _("No")
    if kind == AttributeKind.INTEGER and isinstance(value, int):
        return formats.number(value)
    if kind == AttributeKind.DATE:
        return formats.day(date.fromisoformat(str(value)))
    return str(value)


def attribute_rows(
    values: Mapping[str, Any], definitions: Mapping[str, AttributeDefinition]
) -> Sequence[tuple[str, str]]:
    """(label, value) of each attribute, in the order of their labels."""
    return sorted(
        (attribute_label(definitions.get(code), code), attribute_value(definitions.get(code), value))
        for code, value in values.items()
    )
