"""Equal phones, e-mails, cards and ids get one spelling; what is none of them gets a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.members.identifiers import (
    blind,
    normalise,
    normalise_card,
    normalise_email,
    normalise_external,
    normalise_phone,
    normalise_system,
)

SEPARATORS = st.sampled_from(["", " ", "-", "  ", ".", "\u3000", "\u00a0", "\u202d", "‑"])


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("13812346621", "+8613812346621"),
        ("138 1234 6621", "+8613812346621"),
        ("+86 138-1234-6621", "+8613812346621"),
        ("0086 13812346621", "+8613812346621"),
        ("86 138 1234 6621", "+8613812346621"),
        ("(138) 1234.6621", "+8613812346621"),
        ("１３８　１２３４　６６２１", "+8613812346621"),
        ("＋８６１３８１２３４６６２１", "+8613812346621"),
        ("\u202d138 1234 6621\u202c", "+8613812346621"),
        (" 19912346621\t", "+8619912346621"),
        ("+1 650-253-0000", "+16502530000"),
        ("+852 9123 4567", "+85291234567"),
        ("+886 912 345 678", "+886912345678"),
        ("0014155552671", "+14155552671"),
        ("010-8888 8888", "+861088888888"),
        ("021 6888 1234", "+862168881234"),
    ],
)
def test_a_phone_has_one_spelling(text: str, e164: str) -> None:
    assert normalise_phone(text) == e164


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "138", "1381234662", "138123466211", "12812346621", "abc", "138 1234 662a", "+", "++8613812346621"),
        *("+999 1234 5678", "13812346621 ext 5", "1-800-FLOWERS", "138\x001234 6621", "1" * 10_000, "'; DROP TABLE--"),
        *("\ud800", "🤳", "+86", "0086", "٠١٢٣٤٥٦٧٨٩x"),
    ],
)  # fmt: skip
def test_what_is_no_phone_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        normalise_phone(text)
    assert refusal.value.field == "phone"
    assert str(refusal.value)


@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.lists(SEPARATORS, min_size=12, max_size=12),
    st.booleans(),
)
def test_separators_width_and_country_code_make_no_difference(
    digits: str, between: list[str], with_code: bool
) -> None:
    if with_code:
        digits = "+86" + digits
    text = "".join(d + s for d, s in zip(digits, between + [""] * 3, strict=False))
    wide = text.translate({48 + n: 0xFF10 + n for n in range(10)})
    assert normalise_phone(text) == normalise_phone(wide) == "+86" + digits[-11:]


@given(st.text(max_size=60))
def test_any_text_is_either_refused_or_stable(text: str) -> None:
    for normalise_one in (
        normalise_phone,
        normalise_email,
        normalise_card,
        normalise_external,
        normalise_system,
    ):
        try:
            once = normalise_one(text)
        except InvalidInput:
            continue
        assert normalise_one(once) == once
        assert "\x00" not in once


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Lin.RuoXi@Example.COM ", "lin.ruoxi@example.com"),
        ("ｌｉｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "lin@example.com"),
        ("lin@例子.中国", "lin@xn--fsqu00a.xn--fiqs8s"),
        ("lin+shop@mail.example.co", "lin+shop@mail.example.co"),
    ],
)
def test_an_email_has_one_spelling(text: str, address: str) -> None:
    assert normalise_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "lin", "lin@", "@example.com", "a@b@c.com", "lin@exa mple.com", "lin@-x.com", "x" * 65 + "@example.com"),
        *("lin@" + "x" * 64 + ".com", "x@" + "y." * 200 + "com", "lin\x00@example.com", "lin@..com", "\ud800@example.com"),
        "林@例子.中国",
    ],
)  # fmt: skip
def test_what_is_no_email_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        normalise_email(text)
    assert refusal.value.field == "email"


def test_cards_and_external_ids() -> None:
    assert normalise_card(" vip-0012 3456 ") == "VIP00123456"
    assert normalise_external(" oX-AbC ") == "oX-AbC"
    assert normalise_system(" WeChat.Mini ") == "wechat.mini"
    for call in (
        lambda: normalise_card("abc"),
        lambda: normalise_card("a" * 41),
        lambda: normalise_card("会员卡123"),
        lambda: normalise_external(""),
        lambda: normalise_external("a\x00b"),
        lambda: normalise_external("x" * 129),
        lambda: normalise_system("we chat"),
        lambda: normalise("external", "x", ""),
        lambda: normalise("passport", "x"),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_a_blind_index_depends_on_kind_and_value() -> None:
    keys = keyset()
    made = {blind(keys, kind, value) for kind in ("phone", "card") for value in ("a", "b")}
    assert len(made) == 4
    assert blind(keys, "phone", "a") in made
