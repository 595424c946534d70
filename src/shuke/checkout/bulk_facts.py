"""What the rules of some programmes look at beyond the plain facts, for a batch of historic sales.

Read once for all members of the batch and moved along with each sale, so that an import gives what the till would have
given. Budgets are shared by all members: their counters are held while the batch is written, and drawn on sale by sale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from msgspec import structs

from shuke.checkout.earning_facts import NO_EARNING_FACTS, EarningFacts
from shuke.checkout.logic import CartLine
from shuke.kit.clock import local_date
from shuke.loyalty.conditions import MemberTraits
from shuke.loyalty.counters import hold_counters, set_counters
from shuke.loyalty.earning import Room, Use, Used
from shuke.loyalty.plans.queries import plan_spans
from shuke.loyalty.programme import Programme


@dataclass(slots=True)
class _State:
    """One member's: plans and segments with their times, the first order, and units by rule and local day."""

    joined_at: datetime
    tags: frozenset[str]
    groups: list[tuple[str, str, datetime, datetime | None]] = field(default_factory=list)
    first_at: datetime | None = None
    given: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))


@dataclass(slots=True)
class BatchFacts:
    """The facts of a batch; empty when no programme of the batch asks for any."""

    states: dict[UUID, _State] = field(default_factory=dict)
    brands: Mapping[str, str] = field(default_factory=dict)
    drawn: dict[tuple[str, date], int] = field(default_factory=dict)
    """What all members have drawn by (budget, period)."""
    _moved: set[tuple[str, date]] = field(default_factory=set)

    def of(self, programme: Programme, member_id: UUID, at: datetime) -> EarningFacts:
        """What the rules see of a member who buys at `at`."""
        if programme.needs.nothing:
            return NO_EARNING_FACTS
        state, day = self.states[member_id], local_date(at, programme.zone)
        codes: dict[str, set[str]] = {"plan": set(), "segment": set()}
        for kind, code, since, until in state.groups:
            if since <= at and (until is None or until > at):
                codes[kind].add(code)
        traits = MemberTraits(
            joined=local_date(state.joined_at, programme.zone),
            tags=state.tags,
            segments=frozenset(codes["segment"]),
            plans=frozenset(codes["plan"]),
            is_first_purchase=state.first_at is None or state.first_at > at,
        )
        used = {rule: _used(state.given[rule], day) for rule in programme.needs.counted}
        left = {b.id: b.limit - self.drawn[b.id, b.period_of(day)] for b in programme.needs.budgets}
        return EarningFacts(traits, Room(used, left))

    def with_brands(self, lines: Sequence[CartLine]) -> Sequence[CartLine]:
        """The lines with their products' brands, where a rule looks at brands."""
        if not self.brands:
            return lines
        return [structs.replace(line, brand=self.brands.get(line.sku, "")) for line in lines]

    def sold(self, member_id: UUID, at: datetime, day: date, uses: Iterable[Use]) -> None:
        """Count a sale, for those that follow."""
        state = self.states.get(member_id)
        if state is None:
            return
        if state.first_at is None or at < state.first_at:
            state.first_at = at
        for use in uses:
            if use.budget is None:
                given = state.given[use.rule]
                given[day] = given.get(day, 0) + use.amount
            else:
                counter = (use.budget.id, use.budget.period_of(day))
                self.drawn[counter] += use.amount
                self._moved.add(counter)

    def write_counters(self) -> None:
        """Set the counters to what the sales of the batch have left them at."""
        set_counters({counter: self.drawn[counter] for counter in self._moved})


def _used(given: Mapping[date, int], day: date) -> Used:
    month = sum(n for each, n in given.items() if (each.year, each.month) == (day.year, day.month))
    return Used(given.get(day, 0), month, sum(given.values()))


def read_batch_facts(
    programmes: Mapping[datetime, Programme], member_ids: list[UUID], skus: Collection[str]
) -> BatchFacts:
    """The facts of these members, read under their books. `programmes`: that of each instant at which one of them buys."""
    needs = list({id(each): each.needs for each in programmes.values() if not each.needs.nothing}.values())
    if not needs:
        return BatchFacts()
    facts = BatchFacts()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, joined_at, tags FROM members_member WHERE id = ANY(%s)", [member_ids])
        for member_id, joined_at, tags in cursor.fetchall():
            facts.states[member_id] = _State(joined_at, frozenset(tags))
        if any(need.traits for need in needs):
            cursor.execute(
                "SELECT member_id, kind, code, since, until FROM loyalty_membergroup"
                " WHERE member_id = ANY(%s) AND kind = 'segment'",
                [member_ids],
            )
            for member_id, *group in cursor.fetchall():
                facts.states[member_id].groups.append(tuple(group))
            for member_id, plan, begin, end in plan_spans(member_ids):
                facts.states[member_id].groups.append(("plan", plan, begin, end))
        if any(need.first_purchase for need in needs):
            cursor.execute(
                "SELECT member_id, min(occurred_at) FROM checkout_order WHERE member_id = ANY(%s) GROUP BY member_id",
                [member_ids],
            )
            for member_id, first_at in cursor.fetchall():
                facts.states[member_id].first_at = first_at
        counted = {rule for need in needs for rule in need.counted}
        if counted:
            cursor.execute(
                "SELECT member_id, rule, day, sum(amount)::bigint FROM loyalty_use"
                " WHERE member_id = ANY(%s) AND rule = ANY(%s) AND budget IS NULL GROUP BY member_id, rule, day",
                [member_ids, list(counted)],
            )
            for member_id, rule, day, amount in cursor.fetchall():
                facts.states[member_id].given[rule][day] = amount
        if any(need.brands for need in needs):
            cursor.execute("SELECT sku, brand FROM catalog_product WHERE sku = ANY(%s)", [list(skus)])
            facts.brands = dict(cursor.fetchall())
    facts.drawn = hold_counters(
        (budget.id, budget.period_of(local_date(at, programme.zone)))
        for at, programme in programmes.items()
        for budget in programme.needs.budgets
    )
    return facts
