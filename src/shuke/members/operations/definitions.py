"""Define the custom attributes of members."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.operations import record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.members.models import AttributeDefinition, AttributeKind

_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
MAX_CHOICES = 200
MAX_LABEL = 80


def define_attribute(
    *,
    actor: Actor,
    now: datetime,
    code: str,
    kind: str,
    labels: Mapping[str, str],
    choices: Sequence[str] = (),
    is_personal: bool = False,
) -> AttributeDefinition:
    """Add a custom attribute, or change the labels of one and add choices to it.

    The type, and whether it is personal, stay what they were: stored values depend on them. Choices in use cannot be
    found cheaply, so none is ever taken away. Raises InvalidInput.
    """
    if not _CODE.fullmatch(code):
        raise InvalidInput(
            field="code", reason=_("Begin with a letter; use lower-case letters, digits and _.")
        )
    if kind not in AttributeKind.values:
        raise InvalidInput(
            field="kind", reason=_("The type is one of: text, integer, decimal, boolean, date, choice.")
        )
    clean_labels = _clean_labels(labels)
    clean_choices = _clean_choices(kind, choices)
    with transaction.atomic():
        definition = AttributeDefinition.objects.select_for_update().filter(code=code).first()
        if definition is None:
            definition = AttributeDefinition(code=code, kind=kind, is_personal=is_personal, created_at=now)
        elif definition.kind != kind or definition.is_personal != is_personal:
            raise InvalidInput(
                field="kind", reason=_("This attribute exists with another type. Choose another code.")
            )
        elif not set(definition.choices) <= set(clean_choices):
            raise InvalidInput(field="choices", reason=_("A choice cannot be taken away, only added."))
        definition.labels = clean_labels
        definition.choices = clean_choices
        definition.save()
        record_audit(
            actor=actor,
            action="members.define_attribute",
            now=now,
            object_type="attribute",
            object_id=code,
            data={"kind": kind, "is_personal": is_personal, "choices": len(clean_choices)},
        )
    return definition


def _clean_labels(labels: Mapping[str, str]) -> dict[str, str]:
    languages = {code for code, _name in settings.LANGUAGES}
    if not labels or not set(labels) <= languages:
        raise InvalidInput(
            field="labels",
            reason=_("Label the attribute in at least one of: %(languages)s.")
            % {"languages": ", ".join(sorted(languages))},
        )
    clean = {language: clean_text("labels", text, MAX_LABEL) for language, text in labels.items()}
    if not all(clean.values()):
        raise InvalidInput(field="labels", reason=_("A label cannot be empty."))
    return clean


def _clean_choices(kind: str, choices: Sequence[str]) -> list[str]:
    clean = list(dict.fromkeys(clean_text("choices", choice, MAX_LABEL) for choice in choices))
    if (kind == AttributeKind.CHOICE) != bool(clean) or "" in clean or len(clean) > MAX_CHOICES:
        raise InvalidInput(
            field="choices", reason=_("A choice has 1 to 200 choices, none empty; other types have none.")
        )
    return clean
