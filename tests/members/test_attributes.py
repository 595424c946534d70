"""Values of custom attributes, by type."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.core.errors import InvalidInput
from shuke.members.attributes import clean_tags, parse_value, sort_attributes
from shuke.members.models import AttributeDefinition, AttributeKind


def definition(kind: str, *, personal: bool = False, code: str = "a") -> AttributeDefinition:
    choices = ["大", "小"] if kind == "choice" else []
    return AttributeDefinition(
        code=code, kind=kind, choices=choices, is_personal=personal, labels={"en": "A"}
    )


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("text", " 花生过敏 ", "花生过敏"),
        ("integer", 42, 42),
        ("integer", "-7", -7),
        ("decimal", "12.50", "12.5"),
        ("decimal", "100", "100"),
        ("decimal", "-0.00", "0"),
        ("decimal", Decimal("1E+2"), "100"),
        ("decimal", "123456789012345678.1234567891", "123456789012345678.1234567891"),
        ("boolean", True, True),
        ("boolean", "否", False),
        ("boolean", "YES", True),
        ("boolean", 0, False),
        ("date", "2026-11-21", "2026-11-21"),
        ("date", date(2026, 1, 2), "2026-01-02"),
        ("choice", "大", "大"),
    ],
)
def test_a_value_is_kept_in_its_type(kind: str, value: Any, kept: Any) -> None:
    result = parse_value(definition(kind), value)
    assert (result, type(result)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 5),
        ("text", "x" * 501),
        ("text", "a\x00"),
        ("integer", True),
        ("integer", 1.5),
        ("integer", "1e5"),
        ("integer", 2**53),
        ("integer", "９９９９９９９９９９９９９９９９９"),
        ("decimal", 1.5),
        ("decimal", "NaN"),
        ("decimal", Decimal("Infinity")),
        ("decimal", "1" * 19),
        ("decimal", True),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("date", "21/11/2026"),
        ("date", "2026-02-30"),
        ("date", 20261121),
        ("choice", "中"),
        ("choice", 1),
        ("text", ["x"]),
        ("integer", {"a": 1}),
    ],
)
def test_another_type_is_refused_under_its_code(kind: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_value(definition(kind), value)
    assert refusal.value.field == "attributes/a"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_decimals_keep_their_value_exactly(value: Decimal) -> None:
    assert Decimal(parse_value(definition("decimal"), str(value))) == value  # type: ignore[arg-type]


def test_personal_and_clear_values_part_ways() -> None:
    definitions = {
        "size": definition("integer", code="size"),
        "allergy": definition("text", personal=True, code="allergy"),
        "vip": definition("boolean", personal=True, code="vip"),
        "old": definition("text", personal=True, code="old"),
    }
    values = {"size": "38", "allergy": "花生", "vip": True, "old": None}
    assert sort_attributes(values, definitions) == (
        {"size": 38},
        {"allergy": "花生", "vip": "true", "old": None},
    )
    with pytest.raises(InvalidInput) as refusal:
        sort_attributes({"unknown": 1}, definitions)
    assert refusal.value.field == "attributes/unknown"


def test_all_kinds_are_covered() -> None:
    for kind in AttributeKind.values:
        with pytest.raises(InvalidInput):
            parse_value(definition(kind), object())


def test_tags() -> None:
    assert clean_tags([" 老客 ", "vip", "老客"]) == ["vip", "老客"]
    for bad in ([""], ["x" * 41], [str(n) for n in range(51)], ["a\x00"]):
        with pytest.raises(InvalidInput):
            clean_tags(bad)
