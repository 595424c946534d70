"""The profile: sealed to one member, cleaned, masked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.core.errors import InvalidInput
from shuke.kit.crypto import Undecipherable
from shuke.kit.ids import uuid7
from shuke.members.profile import (
    Profile,
    clean_profile,
    mask_code,
    mask_email,
    mask_name,
    mask_phone,
    open_profile,
    seal_profile,
)

TODAY = date(2026, 11, 21)
KEY = b"k" * 32
FULL = Profile(
    name="林若溪",
    phone="+8613812346621",
    email="lin@example.com",
    birthday=date(1994, 5, 17),
    gender="female",
    address="上海市静安区\n南京西路 1 号",
    note="对花生过敏 🥜",
    extra={"shoe_size": "38"},
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


@given(words, words, words, st.dates() | st.none(), st.dictionaries(words, words, max_size=3))
def test_what_is_sealed_opens_the_same(
    name: str, address: str, note: str, birthday: date | None, extra: dict[str, str]
) -> None:
    profile = Profile(name=name, address=address, note=note, birthday=birthday, extra=extra)
    member_id = uuid7()
    assert open_profile(member_id, KEY, seal_profile(member_id, KEY, profile)) == profile


def test_a_profile_opens_for_its_member_and_key_only() -> None:
    member_id = uuid7()
    sealed = seal_profile(member_id, KEY, FULL)
    for stranger, key, text in (
        (uuid7(), KEY, sealed),
        (member_id, b"x" * 32, sealed),
        (member_id, KEY, sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(Undecipherable):
            open_profile(stranger, key, text)
    assert seal_profile(member_id, KEY, FULL) != sealed


def test_its_repr_and_str_hold_no_data() -> None:
    assert "林" not in repr(FULL) + str(FULL) + f"{FULL}" + f"{[FULL]}"


def test_cleaning_normalises() -> None:
    dirty = replace(FULL, name=" \u202e林若溪\u200f ", phone="138 1234 6621", email="LIN@example.com")
    assert clean_profile(dirty, today=TODAY) == FULL


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "x" * 121}, "name"),
        ({"name": "林" * 10_000}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\ud83d"}, "name"),
        ({"phone": "1"}, "phone"),
        ({"email": "x"}, "email"),
        ({"birthday": TODAY + timedelta(days=2)}, "birthday"),
        ({"birthday": date(1899, 12, 31)}, "birthday"),
        ({"gender": "x"}, "gender"),
        ({"address": "x" * 301}, "address"),
        ({"note": "x" * 2001}, "note"),
        ({"note": "\x1b[31m"}, "note"),
    ],
)
def test_an_unusable_field_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        clean_profile(replace(FULL, **change), today=TODAY)  # type: ignore[arg-type]
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "name", ["👩‍👩‍👧 Fam", "محمد علي", "O'Brien", "阿卜杜拉·买买提", "''; DROP TABLE x; --", "Zoë"]
)
def test_names_of_the_world_stay_as_they_are(name: str) -> None:
    assert clean_profile(Profile(name=name), today=TODAY).name == name


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("林若溪", "林*溪"),
        ("张三", "张*"),
        ("欧阳娜娜", "欧阳*娜"),
        ("诸葛亮", "诸葛*"),
        ("王", "*"),
        ("阿卜杜拉·买买提", "阿***提"),
        ("John Smith", "J*** S***"),
        ("A", "A***"),
        ("", ""),
    ],
)
def test_masked_names(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_masked_contacts() -> None:
    assert mask_phone("+8613812346621") == "138****6621"
    assert mask_phone("+16502530000") == "+16****0000"
    assert mask_phone("+29012345") == "+29****2345"
    assert mask_phone("+2471234") == "****34"
    assert mask_email("lin.ruoxi@example.com") == "l***@example.com"
    assert mask_code("VIP00123456") == "****3456"
    assert mask_code("1234") == "****"
    assert mask_phone("") == mask_email("") == ""


@given(st.from_regex(r"\+86[0-9]{11}", fullmatch=True))
def test_a_masked_phone_shows_seven_digits_at_most(phone: str) -> None:
    assert sum(c.isdigit() for c in mask_phone(phone)) == 7
