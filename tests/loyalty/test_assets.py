"""When units become usable and when they lapse, on the calendar of the programme's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shuke.ledger.logic import WAITING
from shuke.loyalty.assets import Expiry, Pending, compile_expiry, round_up

SHANGHAI = ZoneInfo("Asia/Shanghai")
# 00:30 on 1 February 2026 in Shanghai, still January in UTC.
EARNED = datetime(2026, 1, 31, 16, 30, tzinfo=UTC)


def end(year: int, month: int, day: int) -> datetime:
    """The first instant after a day in Shanghai."""
    return datetime(year, month, day, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        ({"model": "rolling", "months": 12, "round_to": "month_end"}, end(2027, 2, 28)),
        ({"model": "rolling", "months": 12, "round_to": "quarter_end"}, end(2027, 3, 31)),
        ({"model": "rolling", "months": 12, "round_to": "year_end"}, end(2027, 12, 31)),
        ({"model": "rolling", "months": 1, "round_to": "none"}, end(2026, 3, 1)),
        ({"model": "rolling", "days": 30, "round_to": "none"}, end(2026, 3, 3)),
        ({"model": "rolling", "days": 30, "round_to": "month_end"}, end(2026, 3, 31)),
        ({"model": "rolling", "months": 1, "round_to": "none", "instant": "exact"}, datetime(2026, 2, 28, 16, 30, tzinfo=UTC)),
        ({"model": "inactivity", "months": 6, "round_to": "month_end"}, end(2026, 8, 31)),
        ({"model": "fixed_date", "on": "2026-06-30"}, end(2026, 6, 30)),
        ({"model": "end_of_year", "years": 0}, end(2026, 12, 31)),
        ({"model": "end_of_year"}, end(2027, 12, 31)),
        ({"model": "never"}, None),
    ],
)  # fmt: skip
def test_every_model_of_expiry(expiry: dict[str, object], expected: datetime | None) -> None:
    assert compile_expiry(expiry).lapses_at(EARNED, SHANGHAI) == expected


def test_a_month_after_the_longest_day_is_the_last_of_the_shorter_month() -> None:
    last_of_january = datetime(2027, 1, 31, 4, tzinfo=UTC)
    expiry = Expiry("rolling", months=1, exact=True)
    assert expiry.lapses_at(last_of_january, SHANGHAI) == datetime(2027, 2, 28, 4, tzinfo=UTC)


@pytest.mark.parametrize("month", range(1, 13))
def test_quarters_end_where_they_end(month: int) -> None:
    ends = [date(2026, 3, 31), date(2026, 6, 30), date(2026, 9, 30), date(2026, 12, 31)]
    assert round_up(date(2026, month, 1), "quarter_end") == ends[(month - 1) // 3]


def test_units_wait_until_full_days_have_passed_or_an_event_comes() -> None:
    assert Pending().active_at(EARNED, SHANGHAI) == EARNED
    assert Pending("after_days", 7).active_at(EARNED, SHANGHAI) == end(2026, 2, 8)
    assert Pending("after_return_window", 0).active_at(EARNED, SHANGHAI) == EARNED
    waiting = Pending("on_event", event="delivered")
    assert (waiting.active_at(EARNED, SHANGHAI), waiting.waits_for) == (WAITING, "delivered")
