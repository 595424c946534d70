"""Local days are half-open, and months end where they end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from shuke.kit.clock import add_months, end_of_day, end_of_month, local_date, now, start_of_day

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC")]
)


def test_now_is_aware_and_utc() -> None:
    assert now().utcoffset() == timedelta(0)


def test_local_date_crosses_midnight_before_utc_does() -> None:
    instant = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert local_date(instant, SHANGHAI) == date(2026, 11, 21)
    assert local_date(instant - timedelta(seconds=1), SHANGHAI) == date(2026, 11, 20)


def test_days_of_23_and_25_hours() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert end_of_day(spring, BERLIN) - start_of_day(spring, BERLIN) == timedelta(hours=23)
    assert end_of_day(autumn, BERLIN) - start_of_day(autumn, BERLIN) == timedelta(hours=25)


@given(DAYS, ZONES)
def test_a_day_ends_where_the_next_begins_and_holds_its_own_instants(day: date, zone: ZoneInfo) -> None:
    assert end_of_day(day, zone) == start_of_day(day + timedelta(days=1), zone)
    assert local_date(start_of_day(day, zone), zone) == day
    assert local_date(end_of_day(day, zone) - timedelta(microseconds=1), zone) == day
    assert local_date(end_of_day(day, zone), zone) == day + timedelta(days=1)


def test_add_months_by_example() -> None:
    assert add_months(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert add_months(date(2024, 1, 31), 1) == date(2024, 2, 29)
    assert add_months(date(2026, 11, 21), 12) == date(2027, 11, 21)
    assert add_months(date(2026, 3, 31), -1) == date(2026, 2, 28)
    assert add_months(date(2026, 12, 5), 1) == date(2027, 1, 5)
    assert add_months(date(2024, 2, 29), 12) == date(2025, 2, 28)


@given(DAYS, st.integers(-500, 500))
def test_add_months_lands_in_the_right_month(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and later == end_of_month(later))


@given(DAYS)
def test_end_of_month_is_the_day_before_the_first(day: date) -> None:
    assert (end_of_month(day) + timedelta(days=1)).day == 1 and end_of_month(day).month == day.month
