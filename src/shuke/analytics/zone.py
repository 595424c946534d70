"""The time zone and currency of the reports: those of the programme in force."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from shuke.loyalty.queries import programme_at

HOME = ZoneInfo("Asia/Shanghai")


def reporting_zone(now: datetime) -> ZoneInfo:
    """The zone whose midnights part the days; China's before there is a programme."""
    in_force = programme_at(now)
    return in_force.programme.zone if in_force else HOME


def reporting_currency(now: datetime) -> str:
    """The currency of every amount; CNY before there is a programme."""
    in_force = programme_at(now)
    return in_force.programme.currency if in_force else "CNY"
