"""What others read of plans: what a member holds and had, and what the plans earn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Q

from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.kit.sql import load
from shuke.loyalty.models import MemberGroup
from shuke.loyalty.plans.levels import levels_of
from shuke.loyalty.plans.models import PlanEvent, PlanHolding, PlanTerm
from shuke.loyalty.plans.rows import is_held
from shuke.loyalty.queries import programme_at, version_by_id

SETTLING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PlanOfMember:
    """A holding with its terms, newest first. `held`: it gives benefits now."""

    holding: PlanHolding
    terms: tuple[PlanTerm, ...]
    held: bool


def plans_of(*, member_id: UUID, now: datetime) -> list[PlanOfMember]:
    """Every plan that the member has or had, held ones first. Two queries."""
    holdings = list(PlanHolding.objects.filter(member_id=member_id).order_by("plan"))
    terms = list(
        PlanTerm.objects.filter(holding__in=holdings).select_related("store").order_by("holding", "-seq")
    )
    found = [
        PlanOfMember(h, tuple(t for t in terms if t.holding_id == h.id), is_held(h, now)) for h in holdings
    ]
    return sorted(found, key=lambda each: not each.held)


def held_plans(*, member_id: UUID, now: datetime) -> list[str]:
    """Codes of the plans that give the member benefits now. One query."""
    rows = MemberGroup.objects.filter(member_id=member_id, kind="plan", since__lte=now, until__gt=now)
    return sorted(rows.values_list("code", flat=True))


def plan_spans(member_ids: Sequence[UUID]) -> list[tuple[UUID, str, datetime, datetime]]:
    """(member, plan, from, until) of every term that these members ever held, its days of grace included. One query.

    For sales of the past: the group of a plan, which the till looks at, only tells of the last run of terms.
    """
    terms = PlanTerm.objects.filter(member_id__in=list(member_ids)).order_by("member_id", "plan", "seq")
    spans = []
    for member_id, plan, begin, end, closed, version_id in terms.values_list(
        "member_id", "plan", "starts_at", "ends_at", "closed_at", "programme_version_id"
    ):
        # Given up, it ended at once, or never began.
        if closed is not None:
            spans.append((member_id, plan, begin, min(end, closed)))
            continue
        sold = version_by_id(version_id).programme.plans.get(plan)
        spans.append((member_id, plan, begin, end + timedelta(days=sold.grace_days if sold else 0)))
    return spans


def held_before(
    member_id: UUID, plan: str, others: Collection[str], begin: datetime
) -> list[tuple[datetime, datetime]]:
    """The times at which one of other plans was held that the member had before the run of a plan that holds `begin`."""
    runs: dict[str, list[tuple[datetime, datetime]]] = {}
    for _member, code, first, last in plan_spans([member_id]):
        before = runs.setdefault(code, [])
        if before and first <= before[-1][1]:
            before[-1] = (before[-1][0], max(before[-1][1], last))
        else:
            before.append((first, last))
    own = max((first for first, _last in runs.get(plan, []) if first <= begin), default=begin)
    return [span for code in sorted(others) for span in runs.get(code, []) if (span[0], code) < (own, plan)]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Newest first; `next_cursor` is None on the last page."""

    events: list[PlanEvent]
    next_cursor: str | None


def plan_history(*, member_id: UUID, limit: int, cursor: str | None = None) -> HistoryPage:
    """What happened to the member's plans. Raises InvalidInput for a damaged cursor."""
    rows = PlanEvent.objects.filter(member_id=member_id).order_by("-occurred_at", "-id")
    if cursor:
        at, event_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, id__lt=event_id))
    found = list(rows[: limit + 1])
    more = len(found) > limit
    last = found[limit - 1] if more else None
    return HistoryPage(found[:limit], encode_cursor([last.occurred_at, last.id]) if last else None)


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """One plan in a span of time. Money in minor units: paid = earned + unearned + refunded over all time."""

    plan: str
    holders: int
    trials: int
    in_grace: int
    renew_themselves: int
    ending: int
    """Held ones whose last term ends within 30 days after the instant."""
    sold: int
    """Paid terms begun by a purchase, gift or upgrade in the span."""
    renewed: int
    ended: int
    """Runs that ended in the span without being renewed."""
    paid_minor: int
    refunded_minor: int
    earned_minor: int
    """Earned in the span: each term by whole local days, the day that runs counts as served."""
    unearned_minor: int
    """At the end of the span."""


def plan_figures(*, begin: datetime, end: datetime, now: datetime, time_zone: str) -> list[PlanFigures]:
    """The figures of every plan that was ever sold, by code. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            load("loyalty", "plan_figures"), {"begin": begin, "end": end, "now": now, "zone": time_zone}
        )
        return [PlanFigures(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """Something that says other than its rows."""

    what: str
    key: str
    said: str
    found: str


def verify_plans(*, now: datetime, most: int = 10) -> list[PlanDifference]:
    """Holdings against terms, groups against holdings, levels in the history of tiers against plans, stock against uses,
    quotas, and money. One snapshot, no locks. What a version brings counts once its first hour is over: a job sees to it."""
    in_force, before = programme_at(now), programme_at(now - SETTLING)
    settled = in_force and before and in_force.version_id == before.version_id
    levels = levels_of(in_force.programme.plans if in_force and settled else {})
    with connection.cursor() as cursor:
        cursor.execute(load("loyalty", "verify_plans"), {"most": most, "now": now, "levels": levels})
        return [PlanDifference(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Plans from the first day on: who holds one now, and what was ever paid = earned + unearned + refunded."""

    holders: int
    trials: int
    ended: int
    paid_minor: int
    earned_minor: int
    unearned_minor: int
    refunded_minor: int


def plan_totals(at: datetime, time_zone: str, plan: str = "") -> PlanTotals:
    """The totals of one plan, or of all, up to an instant. One query."""
    begin = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    figures = plan_figures(begin=begin, end=at, now=at, time_zone=time_zone)
    own = [each for each in figures if not plan or each.plan == plan]
    return PlanTotals(*(sum(getattr(each, name) for each in own) for name in PlanTotals.__slots__))
