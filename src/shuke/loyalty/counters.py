"""Caps and budgets outside the hot path: taking from them, what they have given, and the proof that counters equal uses.

A sale at the till takes within its own statement (`checkout_commit`); what is rarer takes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec
from django.db import connection

from shuke.kit.clock import local_date
from shuke.loyalty.earning import Use
from shuke.loyalty.models import Counter
from shuke.loyalty.programme import Programme
from shuke.loyalty.rule_facts import uses_document

_json = msgspec.json.Encoder()


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


def hold_budgets(programme: Programme, now: datetime) -> None:
    """Wait for the budgets that the programme's sales draw on, and hold them until the transaction ends.

    For an act that cannot simply be priced again when a rival is first. The caller holds the member's book.
    """
    day = local_date(now, programme.zone)
    hold_counters((b.id, b.period_of(day)) for b in programme.needs.budgets)


def hold_counters(counters: Iterable[tuple[str, date]]) -> dict[tuple[str, date], int]:
    """Wait for these (budget, period), hold them until the transaction ends, and tell what was drawn on each.

    The caller holds the books of the members who shall draw; who waits for a budget holds no other, or comes in this order.
    """
    held = sorted(set(counters))
    if not held:
        return {}
    columns = [list(column) for column in zip(*held, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO loyalty_counter (budget, period, used) SELECT b, p, 0"
            " FROM unnest(%s::text[], %s::date[]) AS u(b, p) ORDER BY b, p ON CONFLICT DO NOTHING",
            columns,
        )
        cursor.execute(
            "SELECT c.budget, c.period, c.used FROM loyalty_counter c JOIN unnest(%s::text[], %s::date[]) AS u(b, p)"
            " ON c.budget = u.b AND c.period = u.p ORDER BY c.budget, c.period FOR UPDATE OF c",
            columns,
        )
        return {(budget, period): used for budget, period, used in cursor.fetchall()}


def set_counters(used: Mapping[tuple[str, date], int]) -> None:
    """Write what is drawn on counters that the caller holds (`hold_counters`); the uses that say so are written beside."""
    if used:
        columns = zip(*((budget, period, units) for (budget, period), units in used.items()), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE loyalty_counter c SET used = u.used FROM"
                " unnest(%s::text[], %s::date[], %s::bigint[]) AS u(budget, period, used)"
                " WHERE c.budget = u.budget AND c.period = u.period",
                [list(column) for column in columns],
            )


def take_uses(
    programme: Programme,
    member_id: UUID,
    uses: Sequence[Use],
    now: datetime,
    *,
    order_id: UUID | None = None,
    accrual_id: UUID | None = None,
) -> None:
    """Write what an act takes of caps and budgets. Raises OperationalError 40001 when a budget holds less by now."""
    if uses:
        document = _json.encode(uses_document(programme, uses, now)).decode()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT loyalty_take(%s, %s::jsonb, %s, %s, %s)",
                [member_id, document, now, order_id, accrual_id],
            )


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
