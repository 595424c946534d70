"""What a programme says of its assets, compiled: their kind, when units become usable, when they lapse.

Pure values and calendar arithmetic: no ORM, no clock. A day always means a day of the programme's zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shuke.kit.clock import add_months, end_of_day, end_of_month, local_date
from shuke.kit.money import exponent
from shuke.ledger.logic import WAITING

AssetKind = Literal["points", "growth", "stored_value", "bonus", "gift_card", "punch", "custom"]
ExpiryModel = Literal["rolling", "fixed_date", "end_of_year", "inactivity", "never"]
RoundTo = Literal["none", "month_end", "quarter_end", "year_end"]
Usable = Literal["at_once", "after_days", "after_return_window", "on_event"]

RESERVED: Mapping[str, AssetKind] = {
    "points": "points",
    "growth": "growth",
    "stored_value": "stored_value",
    "bonus": "bonus",
    "gift_card": "gift_card",
}
"""Codes whose kind is fixed: other rooms post to them by name."""

MONEY_KINDS = frozenset({"stored_value", "bonus", "gift_card"})
"""Counted in minor units of the programme's currency."""

NEVER_BY_DEFAULT = frozenset({"growth", "stored_value", "gift_card"})
"""Kinds that do not lapse unless the document says so: paid-in money is the member's."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a lot lapses. `days` or `months` after it was earned (rolling) or last moved (inactivity), then rounded up."""

    model: ExpiryModel
    months: int = 0
    """For end_of_year: years to keep (0: this year's end)."""
    round_to: RoundTo = "none"
    on: date | None = None
    """For fixed_date: the last valid day."""
    days: int = 0
    exact: bool = False
    """Lapse at the very instant instead of the end of the local day."""

    @property
    def slides(self) -> bool:
        """True when each earning or spending of the asset puts off the end of the lots that are open."""
        return self.model == "inactivity"

    def lapses_at(self, since: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant at which units earned (or last used) at `since` are gone. None: never."""
        if self.model == "never":
            return None
        day = local_date(since, zone)
        if self.exact:
            # The wall clock's time on that day: a month is a calendar month, an hour change moves nothing.
            last = self._later(day)
            return (
                since.astimezone(zone).replace(year=last.year, month=last.month, day=last.day).astimezone(UTC)
            )
        return _lapse_of(self, day, zone)

    def _later(self, day: date) -> date:
        return day + timedelta(days=self.days) if self.days else add_months(day, self.months)

    def last_day(self, day: date) -> date:
        """The last local day on which units of a local day are valid, for every model but `never`."""
        if self.model == "fixed_date":
            assert self.on is not None
            return self.on
        if self.model == "end_of_year":
            return date(day.year + self.months, 12, 31)
        return round_up(self._later(day), self.round_to)


@lru_cache(maxsize=1024)
def _lapse_of(expiry: Expiry, day: date, zone: ZoneInfo) -> datetime:
    """The same for all units of a local day, and asked for each of their sales."""
    return end_of_day(expiry.last_day(day), zone)


def round_up(day: date, to: RoundTo) -> date:
    """The last day of the month, quarter or year that holds `day`; the day itself for none."""
    if to == "month_end":
        return end_of_month(day)
    if to == "quarter_end":
        return end_of_month(day.replace(day=1, month=(day.month + 2) // 3 * 3))
    if to == "year_end":
        return day.replace(month=12, day=31)
    return day


@dataclass(frozen=True, slots=True)
class Pending:
    """When units become usable: at once, when `days` full local days have passed, or when `event` is reported."""

    usable: Usable = "at_once"
    days: int = 0
    """For after_days; for after_return_window the programme's return window, filled in when compiled."""
    event: str = ""

    def active_at(self, earned_at: datetime, zone: ZoneInfo) -> datetime:
        """The first instant at which units earned at `earned_at` can be spent; WAITING when an event decides."""
        if self.usable == "on_event":
            return WAITING
        if self.usable == "at_once" or not self.days:
            return earned_at
        return end_of_day(local_date(earned_at, zone) + timedelta(days=self.days), zone)

    @property
    def waits_for(self) -> str | None:
        """The event that such a lot waits for, or None."""
        return self.event or None


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset of the programme. `decimals`: of its units when shown; money kinds follow the currency."""

    code: str
    kind: AssetKind
    name: Mapping[str, str]
    decimals: int
    expiry: Expiry
    pending: Pending
    notice_days: tuple[int, ...]
    """How many days ahead the member is told that units will lapse."""


def compile_assets(document: Mapping[str, Any], currency: str, return_window_days: int) -> dict[str, Asset]:
    """The section `assets`. What an older document does not say is as it was then: usable at once, no notice."""
    return {code: _asset(code, spec, currency, return_window_days) for code, spec in document.items()}


def _asset(code: str, raw: Mapping[str, Any], currency: str, return_window_days: int) -> Asset:
    kind: AssetKind = raw.get("kind", RESERVED.get(code, "custom"))
    return Asset(
        code=code,
        kind=kind,
        name=raw["name"],
        decimals=exponent(currency) if kind in MONEY_KINDS else raw.get("decimals", 0),
        expiry=compile_expiry(raw.get("expiry", {})),
        pending=compile_pending(raw.get("pending", {}), return_window_days),
        notice_days=tuple(sorted(raw.get("notice_days", ()), reverse=True)),
    )


def compile_pending(raw: Mapping[str, Any], return_window_days: int) -> Pending:
    """One waiting time, also where a rule overrides that of its asset."""
    usable: Usable = raw.get("usable", "at_once")
    days = return_window_days if usable == "after_return_window" else raw.get("days", 0)
    return Pending(usable, days, raw.get("event", ""))


def compile_expiry(raw: Mapping[str, Any]) -> Expiry:
    """One expiry, also where a rule overrides that of its asset."""
    model: ExpiryModel = raw.get("model", "rolling")
    if model in ("rolling", "inactivity"):
        days = raw.get("days", 0)
        return Expiry(
            model,
            months=0 if days else raw.get("months", 12),
            round_to=raw.get("round_to", "month_end"),
            days=days,
            exact=raw.get("instant") == "exact",
        )
    if model == "fixed_date":
        on = raw["on"]
        return Expiry("fixed_date", on=date.fromisoformat(on) if isinstance(on, str) else on)
    if model == "end_of_year":
        return Expiry("end_of_year", raw.get("years", 1))
    return Expiry("never")
