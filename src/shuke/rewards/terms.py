"""From when until when a piece is valid. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shuke.kit.clock import end_of_day, local_date, start_of_day
from shuke.rewards.values import Validity


def terms_of(validity: Validity, issued_at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """(first instant, first instant after it) of what is issued at `issued_at`; None: without end.

    Days are local and whole: seven days after the issue means through the end of the seventh day after it, none means the
    rest of this day. Fixed days and relative ones together: the narrower counts. The end may lie before the beginning, when
    the template's days are over.
    """
    begins, ends = issued_at, None
    first_day = local_date(issued_at, zone) + timedelta(days=validity.starts_after_days)
    if validity.starts_after_days:
        begins = start_of_day(first_day, zone)
    if validity.days_after_issue is not None:
        ends = end_of_day(first_day + timedelta(days=validity.days_after_issue), zone)
    if validity.begins is not None:
        begins = max(begins, start_of_day(validity.begins, zone))
    if validity.ends is not None:
        last = end_of_day(validity.ends, zone)
        ends = last if ends is None else min(ends, last)
    return begins, ends


def fixed_terms(validity: Validity, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The same for what has no issue yet: its fixed days only."""
    return (
        start_of_day(validity.begins, zone) if validity.begins is not None else None,
        end_of_day(validity.ends, zone) if validity.ends is not None else None,
    )
