"""Days that people type into filters and forms: read with care, because a calendar knows years that a database does not."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.utils import timezone

EARLIEST_DAY = date(1900, 1, 1)
LATEST_DAY = date(2199, 12, 31)


def read_day(text: str) -> date | None:
    """The day of "2026-11-21"; None for nothing, nonsense, or a day that no shop can mean."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST_DAY <= day <= LATEST_DAY else None


def start_of(day: date) -> datetime:
    """The day's first instant in the time zone of the screen."""
    return timezone.make_aware(datetime.combine(day, time.min))


def end_of(day: date) -> datetime:
    """The instant after the day's last one."""
    return start_of(day + timedelta(days=1))
