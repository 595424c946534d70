"""What the member file says in words of the person: attributes, and what somebody did with the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from shuke.console import formats
from shuke.console.audit_words import action_name
from shuke.core.models import AuditEvent
from shuke.members.models import AttributeDefinition, AttributeKind, IdentifierKind, MemberStatus

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
SAMPLE = "sample"
"""The tag of those with whom the demo's sample days were played."""
_TAGS: Mapping[str, str | Promise] = {
    GENERATED: gettext_lazy("Invented for the demo"),
    SAMPLE: gettext_lazy("Sample act of the demo"),
}


def tag_word(tag: str) -> str:
    """What a tag is shown as."""
    return str(_TAGS.get(tag, tag))


def tag_of(word: str) -> str:
    """The tag that is shown as this word; any other word is a tag itself."""
    return next((tag for tag, words in _TAGS.items() if word == str(words)), word)


def describe_act(event: AuditEvent, definitions: Mapping[str, AttributeDefinition]) -> tuple[str, str]:
    """(what somebody did with the file, which parts of it they touched)."""
    changed = event.data.get("changed", [])
    parts = [_part_name(str(each), definitions) for each in changed if each not in ("tags", "status")]
    if event.action == "members.change_status":
        parts = [f"{_status(event.data.get('from'))} → {_status(event.data.get('to'))}"]
    act = ACTS.get(event.action) or action_name(event.action)
    return str(act), pgettext("list", ", ").join(parts)


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
