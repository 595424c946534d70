"""Defining custom attributes."""

from __future__ import annotations

from typing import Any

import pytest

from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent
from shuke.core.values import SYSTEM
from shuke.members.models import AttributeDefinition
from shuke.members.operations import define_attribute
from shuke.members.queries import list_attribute_definitions
from tests.factories.core import NOW

pytestmark = pytest.mark.django_db


def define(**changes: Any) -> AttributeDefinition:
    values = {
        "code": "size",
        "kind": "choice",
        "labels": {"zh-hans": "尺码"},
        "choices": ["S", "M"],
        **changes,
    }
    return define_attribute(actor=SYSTEM, now=NOW, **values)


def test_an_attribute_is_defined_and_grows() -> None:
    define()
    define(labels={"zh-hans": "尺码", "zh-hant": "尺碼", "en": "Size"}, choices=["S", "M", "L"])
    kept = list_attribute_definitions()
    assert [(d.code, d.choices, d.labels["en"]) for d in kept] == [("size", ["S", "M", "L"], "Size")]
    assert AuditEvent.objects.filter(action="members.define_attribute").count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "Größe"}, "code"),
        ({"code": "1x"}, "code"),
        ({"code": "x" * 41}, "code"),
        ({"kind": "colour"}, "kind"),
        ({"labels": {}}, "labels"),
        ({"labels": {"fr": "Taille"}}, "labels"),
        ({"labels": {"en": " "}}, "labels"),
        ({"choices": []}, "choices"),
        ({"choices": ["S", ""]}, "choices"),
        ({"kind": "text"}, "choices"),
    ],
)
def test_an_unusable_definition_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        define(**changes)
    assert refusal.value.field == field
    assert not AttributeDefinition.objects.exists()


def test_what_stored_values_depend_on_stays() -> None:
    define()
    for changes, field in (
        ({"kind": "text", "choices": []}, "kind"),
        ({"is_personal": True}, "kind"),
        ({"choices": ["S"]}, "choices"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            define(**changes)
        assert refusal.value.field == field
