"""What a person can be found by, on terms alone; the database side is in test_finding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.core.keyset import keyset
from shuke.members.search import blind_terms, name_terms, phone_terms, query_terms
from shuke.members.surnames import split_surname


def finds(query: str, name: str, phone: str = "+8613812346621") -> bool:
    wanted = query_terms(query)
    return bool(wanted) and wanted <= name_terms(name) | phone_terms([phone])


@pytest.mark.parametrize(
    "query",
    [
        "林若溪",
        "林若",
        "若溪",
        "林",
        "lin",
        "linruo",
        "linruoxi",
        "ruoxi",
        "lrx",
        "LRX",
        "Lin RuoXi",
        "ruoxi lin",
        "6621",
        "林 6621",
        "lin 6621",
        "ｌｒｘ",
        "６６２１",
    ],
)
def test_a_three_character_name_is_found_by(query: str) -> None:
    assert finds(query, "林若溪")


@pytest.mark.parametrize(
    "query", ["若", "溪", "林溪", "溪若", "linxi", "xi", "lx", "6622", "林若溪儿", "x", "", " ", "*", "%"]
)
def test_a_name_is_not_found_by(query: str) -> None:
    assert not finds(query, "林若溪")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("单雄信", "shanxiongxin", "danxiongxin"),
        ("單雄信", "sxx", "dxx"),
        ("曾国藩", "zengguofan", "cengguofan"),
        ("解缙", "xiejin", "jiejin"),
        ("仇英", "qiuying", "chouying"),
        ("区志强", "ouzhiqiang", "quzhiqiang"),
        ("朴树", "piaoshu", "pushu"),
        ("盖叫天", "ge", "gai"),
        ("查良镛", "zhaliangyong", "chaliangyong"),
        ("翟天临", "zhaitianlin", "ditianlin"),
        ("乐毅", "yueyi", "leyi"),
        ("缪荃孙", "miao", "mou"),
        ("尉迟恭", "yuchigong", "weichigong"),
        ("万俟卨", "moqi", "wanqi"),
        ("澹台灭明", "tantai", "dantai"),
        ("令狐冲", "linghuchong", "lhuc"),
        ("晟", "sheng", "xyz"),
        ("李晟", "lisheng", "lixyz"),
    ],
)
def test_surnames_are_read_as_surnames(name: str, right: str, wrong: str) -> None:
    if name == "晟":  # alone it is a surname, which keeps the dictionary's reading
        right = "cheng"
    assert finds(right, name)
    assert not finds(wrong, name)


@pytest.mark.parametrize(
    "query", ["欧阳娜娜", "欧阳", "娜娜", "ouyang", "ouyangnana", "nana", "oynn", "ou", "阳娜"]
)
def test_a_compound_surname_is_one_surname(query: str) -> None:
    assert finds(query, "欧阳娜娜")
    assert split_surname("欧阳娜娜") == ("欧阳", "娜娜")
    assert split_surname("欧阳") == ("欧", "阳")


@pytest.mark.parametrize("query", ["zhangle", "zhangyue", "zl", "zy"])
def test_a_given_name_that_reads_two_ways_is_found_by_both(query: str) -> None:
    assert finds(query, "张乐")


@pytest.mark.parametrize("query", ["lvbu", "lübu", "LÜBU", "lyubu", "lv", "lu\u0308bu"])
def test_u_with_diaeresis_is_found_as_people_type_it(query: str) -> None:
    assert finds(query, "吕布")


@pytest.mark.parametrize(
    "query", ["jo", "john", "JOHN sm", "smith john", "smi", "js", "o'br", "jose", "José"]
)
def test_western_names_are_found_by_the_beginnings_of_words(query: str) -> None:
    assert any(finds(query, name) for name in ("John Smith", "John O'Brien", "José García"))
    assert not finds("ohn", "John Smith")
    assert not finds("j", "John Smith")


def test_a_long_word_is_found_whole() -> None:
    assert finds("Wolfeschlegelsteinhausen", "Hubert Wolfeschlegelsteinhausen")


def test_mixed_names() -> None:
    for query in ("lucy", "林", "lin", "luc 林"):
        assert finds(query, "Lucy 林")


@given(st.text(max_size=200))
def test_any_name_gives_a_bounded_number_of_terms(name: str) -> None:
    terms = name_terms(name)
    assert len(terms) <= 200
    assert blind_terms(keyset(), terms) is not None


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4))
def test_every_chinese_name_is_found_by_itself(name: str) -> None:
    assert query_terms(name) <= name_terms(name)
    assert query_terms(name, whole_name=True) <= name_terms(name)


def test_terms_of_a_very_long_name_are_few() -> None:
    assert len(name_terms("林" * 10_000)) < 100
    assert len(name_terms("ab " * 10_000)) < 100
    assert len(query_terms("a b c d e f g h i j k")) == 6


def test_blind_terms_show_nothing() -> None:
    made = blind_terms(keyset(), ["s:林", "l:lin"])
    assert all(len(token) == 16 for token in made)
    assert not any(b"lin" in token or "林".encode() in token for token in made)
