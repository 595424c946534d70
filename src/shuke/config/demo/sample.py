"""The sample days: the last days of the demo, on which real operations fill what the data set knows nothing of.

Coupons, prepaid money, gift cards, plans, rewards, refunds and moves by hand are played through the same public operations
that serve the screens, with a fixed seed. Their sales bear the system "sample", their members the tag "sample", so that
nobody takes them for the data set's, and the totals that are compared with the source never see them.

Each day is one transaction with its mark in the audit log: a start that was interrupted goes on with the next day.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from shuke.config.demo.people import SEED
from shuke.config.demo.sample_acts import DAYS, Act, fund_cast, tag_people
from shuke.config.demo.sample_shop import Shop, read_shop
from shuke.core.models import AuditEvent
from shuke.core.operations import record_audit
from shuke.core.values import SYSTEM

PLAYED = "demo.sample_day_played"
OPENS, CLOSES = time(8, 30), time(21, 0)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sample days end on the day after the data set's last one: today, unless its year was kept."""

    first: date
    zone: ZoneInfo

    @classmethod
    def ending(cls, last_day_of_data: date, zone: ZoneInfo) -> Calendar:
        return cls(last_day_of_data + timedelta(days=2 - len(DAYS)), zone)

    @property
    def begins(self) -> datetime:
        """From when on the second version of the programme is in force."""
        return datetime.combine(self.first, time(), self.zone)

    def hours(self, number: int, now: datetime) -> tuple[datetime, datetime] | None:
        """When a day's acts happen; None for a day that has not begun. A day that has just begun is used from midnight."""
        day = self.first + timedelta(days=number)
        midnight = datetime.combine(day, time(), self.zone)
        opens, closes = (datetime.combine(day, at, self.zone) for at in (OPENS, CLOSES))
        if now <= midnight:
            return None
        closes = min(closes, now)
        return (opens, closes) if closes - opens > timedelta(hours=1) else (midnight, closes)


@dataclass(slots=True)
class Diary:
    """What was played, by kind, for the sentence at the end."""

    days: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, counts: dict[str, int]) -> None:
        self.days += 1
        for kind, count in counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count

    def __str__(self) -> str:
        told = ", ".join(f"{kind} {count:,}" for kind, count in self.counts.items())
        return f"Sample data of {self.days} days, not of the data set and not in the totals above: {told}."


def play_sample_days(calendar: Calendar, *, clock: Clock) -> Diary | None:
    """Play the days that have not been played yet. None where the loaded part of the data has nobody to play with."""
    shop = read_shop(until=calendar.begins)
    if shop is None:
        return None
    diary = Diary()
    for number in range(len(DAYS)):
        now = clock()
        hours = calendar.hours(number, now)
        if hours is None:
            break
        mark = AuditEvent.objects.filter(action=PLAYED, object_id=str(number)).first()
        diary.add(mark.data if mark else _play(shop, number, hours, now))
    return diary


def _play(shop: Shop, number: int, hours: tuple[datetime, datetime], now: datetime) -> dict[str, int]:
    dice = random.Random(f"{SEED}-sample-{number}")  # noqa: S311 - a fixed seed is the point
    with transaction.atomic():
        act = Act(shop, number, dice, hours)
        if number == 0:
            tag_people(act)
            fund_cast(act)
        DAYS[number](act)
        record_audit(
            actor=SYSTEM, action=PLAYED, now=now, object_type="demo", object_id=str(number), data=act.counts
        )
    return act.counts
