"""What budgets have given, and the proof that their hot counters equal the uses that sales and accruals left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from shuke.kit.clock import local_date
from shuke.loyalty.models import Counter
from shuke.loyalty.programme import Programme


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its current period: how much of `limit` was given."""

    id: str
    asset: str
    period: date
    limit: int
    used: int

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A counter that says other than its uses."""

    budget: str
    period: date
    said: int
    found: int


def budget_states(programme: Programme, now: datetime) -> list[BudgetState]:
    """Every budget of a programme as it stands at `now`, in the order of the document. One query."""
    day = local_date(now, programme.zone)
    used = {
        (budget, period): n for budget, period, n in Counter.objects.values_list("budget", "period", "used")
    }
    return [
        BudgetState(b.id, b.asset, b.period_of(day), b.limit, used.get((b.id, b.period_of(day)), 0))
        for b in programme.budgets.values()
    ]


def verify_counters(*, most: int = 10) -> list[CounterDifference]:
    """The first counters that differ from the sum of their uses; empty when all agree. One snapshot, no locks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(c.budget, u.budget), coalesce(c.period, u.period), coalesce(c.used, 0),"
            " coalesce(u.amount, 0) FROM loyalty_counter c FULL JOIN"
            " (SELECT budget, period, sum(amount)::bigint AS amount FROM loyalty_use WHERE budget IS NOT NULL"
            " GROUP BY budget, period) u ON u.budget = c.budget AND u.period = c.period"
            " WHERE coalesce(c.used, 0) <> coalesce(u.amount, 0) ORDER BY 1, 2 LIMIT %s",
            [most],
        )
        return [CounterDifference(*row) for row in cursor.fetchall()]
