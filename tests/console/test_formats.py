"""Money, points, numbers, dates and discounts in the three languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from shuke.console import formats

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)  # 18:00 in Shanghai


@pytest.fixture(autouse=True)
def shanghai() -> Iterator[None]:
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        yield


def test_money_is_exact_and_grouped() -> None:
    assert formats.money(123450) == "¥1,234.50"
    assert formats.money(5) == "¥0.05"
    assert formats.money(-123450) == "-¥1,234.50"
    assert formats.money(10**15) == "¥10,000,000,000,000.00"


def test_money_follows_the_currency() -> None:
    assert formats.money(1234, "JPY") == "JP¥1,234"
    assert formats.money(1234, "KWD") == "KWD 1.234"
    assert formats.money(123450, "TWD") == "NT$1,234.50"
    assert formats.money(-1200, "HKD", signed=True) == "-HK$12.00"


def test_signs() -> None:
    assert formats.money(1200, signed=True) == "+¥12.00"
    assert formats.money(0, signed=True) == "¥0.00"
    assert formats.points(120, signed=True) == "+120"
    assert formats.points(-50, signed=True) == "-50"


def test_whole_money_rounds_half_up() -> None:
    assert formats.money(128640050, whole=True) == "¥1,286,401"
    assert formats.money(128640049, whole=True) == "¥1,286,400"


@pytest.mark.parametrize(
    ("language", "small", "large", "huge"),
    [
        ("zh-hans", "9,999", "128.6 万", "1.3 亿"),
        ("zh-hant", "9,999", "128.6 萬", "1.3 億"),
        ("en", "10K", "1.3M", "128.6M"),
    ],
)
def test_short_numbers(language: str, small: str, large: str, huge: str) -> None:
    with translation.override(language):
        assert formats.number_short(9999) == small
        assert formats.number_short(1286400) == large
        assert formats.number_short(128640000) == huge
        assert formats.money_short(128640000) == f"¥{large}"
        assert formats.money_short(-128640000) == f"-¥{large}"


def test_percent_rounds_half_up_and_knows_nothing_to_divide_by() -> None:
    assert formats.percent(Decimal("0.42849")) == "42.8%"
    assert formats.percent(Decimal("0.4285")) == "42.9%"
    assert formats.percent(Decimal("0.12"), places=0) == "12%"
    assert formats.percent(Decimal("0.031"), signed=True) == "+3.1%"
    assert formats.percent(None) == "–"


@pytest.mark.parametrize(
    ("paid", "hans", "hant", "english"),
    [
        (85, "8.5 折", "85 折", "15% off"),
        (80, "8 折", "8 折", "20% off"),
        (Decimal("88.5"), "8.85 折", "88.5 折", "11.5% off"),
        (95, "9.5 折", "95 折", "5% off"),
        (5, "0.5 折", "0.5 折", "95% off"),
        ("50.0", "5 折", "5 折", "50% off"),
    ],
)
def test_discounts_in_the_local_idiom(paid: int, hans: str, hant: str, english: str) -> None:
    for language, expected in (("zh-hans", hans), ("zh-hant", hant), ("en", english)):
        with translation.override(language):
            assert formats.discount(paid) == expected


@pytest.mark.parametrize("paid", [0, 100, -5, 120])
def test_what_is_no_discount(paid: int) -> None:
    with pytest.raises(ValueError, match="discount"):
        formats.discount(paid)


def test_dates_are_local() -> None:
    late = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # already the 21st in Shanghai
    with translation.override("zh-hans"):
        assert formats.day(late) == "2026-11-21"
        assert formats.day(date(2026, 1, 2)) == "2026-01-02"
        assert formats.day_short(late) == "11/21"
        assert formats.moment(late) == "2026-11-21 00:30"
        assert formats.moment(late, seconds=True) == "2026-11-21 00:30:00"
    with translation.override("en"):
        assert formats.day(late) == "21 Nov 2026"
        assert formats.day_short(late) == "21 Nov"
        assert formats.moment(late) == "21 Nov 2026, 00:30"


@pytest.mark.parametrize(
    ("back", "hans", "english"),
    [
        (timedelta(seconds=20), "刚刚", "just now"),
        (timedelta(minutes=1), "1 分钟前", "1 minute ago"),
        (timedelta(minutes=59), "59 分钟前", "59 minutes ago"),
        (timedelta(hours=3), "今天 15:00", "today 15:00"),
        (timedelta(hours=19), "昨天 23:00", "yesterday 23:00"),
        (timedelta(days=52), "52 天前", "52 days ago"),
        (timedelta(days=100), "2026-08-13", "13 Aug 2026"),
        (timedelta(hours=-2), "今天 20:00", "today 20:00"),
        (timedelta(hours=-20), "明天 14:00", "tomorrow 14:00"),
        (timedelta(days=-3), "3 天后", "in 3 days"),
    ],
)
def test_relative_times(back: timedelta, hans: str, english: str) -> None:
    with translation.override("zh-hans"):
        assert formats.ago(NOW - back, now=NOW) == hans
    with translation.override("en"):
        assert formats.ago(NOW - back, now=NOW) == english


def test_points_with_their_unit() -> None:
    for language, one, many in (("zh-hans", "1 分", "12,480 分"), ("en", "1 pt", "12,480 pts")):
        with translation.override(language):
            assert formats.points(1, unit=True) == one
            assert formats.points(12480, unit=True) == many


def test_masking_hides_short_texts_whole() -> None:
    assert formats.masked("6222021234565566") == "••••5566"
    assert formats.masked("sk_live_abcdef123456", first=8) == "sk_live_••••3456"
    assert formats.masked("1234") == "••••"
    assert formats.masked("") == "••••"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("欧阳雨桐", "雨桐"),
        ("周敏", "周敏"),
        ("林**", "林"),
        ("Emma Zhang", "EZ"),
        ("E*** Z***", "EZ"),
        ("***", "–"),
        ("", "–"),
    ],
)
def test_initials(name: str, expected: str) -> None:
    assert formats.initials(name) == expected


def test_avatar_colours_are_stable_and_spread() -> None:
    colours = {formats.avatar_colour(f"会员{i}") for i in range(60)}
    assert colours == set(range(6))
    assert formats.avatar_colour("林若溪") == formats.avatar_colour("林若溪")


@pytest.mark.parametrize(
    ("code", "tag"), [("zh-hans", "zh-Hans"), ("zh-hant", "zh-Hant"), ("zh-tw", "zh-Hant"), ("en", "en")]
)
def test_the_language_tag_names_the_script(code: str, tag: str) -> None:
    with translation.override(code):
        assert formats.html_lang() == tag
