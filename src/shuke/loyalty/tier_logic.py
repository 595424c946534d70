"""Tiers as pure functions: no ORM, no clock, no I/O. The till, the import, the jobs and the replay all run these.

What a member holds on a track has two parts: what was **earned** (by the track's metric, reviewed when its term ends), and
levels that were **granted** (by hand, bought, or by a plan), each until its own end. The higher of them is the tier held.
Most members hold no grant; then the two are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from shuke.kit.clock import add_months, end_of_day, end_of_month, local_date, start_of_day
from shuke.loyalty.tiers import Level, Tiers


@dataclass(frozen=True, slots=True)
class Grant:
    """A level that was given until an instant (None: until it is ended). `cause`: override, bought or plan."""

    id: UUID
    tier: str
    until: datetime | None
    cause: str


@dataclass(frozen=True, slots=True)
class Held:
    """What stands beneath a granted tier: the earned one, the grants that are alive, and when the tier held ends."""

    tier: str
    since: datetime
    review_at: datetime | None
    grants: tuple[Grant, ...]
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class TierState:
    """The tier a member holds on a track: since when, and when it has to be looked at next (None: never).

    Without grants that is when it lapses unless requalified. `joined` is the member's, where the track counts by it.
    """

    tier: str
    since: datetime
    review_at: datetime | None
    held: Held | None = None
    joined: datetime | None = field(default=None, compare=False)

    @property
    def earned(self) -> TierState:
        """What would be held without the grants."""
        if self.held is None:
            return self
        return TierState(self.held.tier, self.held.since, self.held.review_at, None, self.joined)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The grants that are alive."""
        return self.held.grants if self.held else ()

    @property
    def ends_at(self) -> datetime | None:
        """When the tier held ends, or is reviewed; None: never."""
        return self.held.ends_at if self.held else self.review_at


@dataclass(frozen=True, slots=True)
class TierMove:
    """One change of what a member holds, with the figure that decided. The tier may stay: a renewal, or a move beneath it."""

    at: datetime
    before: str
    after: TierState
    cause: str
    metric: int
    grant_id: UUID | None = None


def window_start(tiers: Tiers, now: datetime, joined: datetime | None = None) -> datetime:
    """The first instant that counts towards the tier at `now`, a local midnight.

    Rolling: `window_months` ago. Calendar year: 1 January. Anniversary: the last return of the day of joining.
    """
    return start_of_day(_first_day(tiers, local_date(now, tiers.zone), joined), tiers.zone)


def review_window_start(tiers: Tiers, at: datetime, joined: datetime | None = None) -> datetime:
    """The same for a review at `at`: in a year of fixed ends, the year that has just ended; grace days count on top."""
    if tiers.window == "rolling":
        return window_start(tiers, at, joined)
    return start_of_day(_first_day(tiers, _last_day(tiers, at), joined), tiers.zone)


def full_window_start(tiers: Tiers, now: datetime) -> datetime:
    """The first instant of a window of full length that ends now: where years have fixed ends, of the twelve months before."""
    months = tiers.window_months if tiers.window == "rolling" else 12
    return start_of_day(add_months(local_date(now, tiers.zone), -months), tiers.zone)


def earliest_start(tiers: Tiers, first: datetime) -> datetime:
    """No window that ends at `first` or later begins before this, whatever day a member joined."""
    if tiers.window == "rolling":
        return window_start(tiers, first)
    return first - timedelta(days=2 * 366 + tiers.grace_days)


def _first_day(tiers: Tiers, day: date, joined: datetime | None) -> date:
    if tiers.window == "rolling":
        return add_months(day, -tiers.window_months)
    if tiers.window == "calendar_year":
        return day.replace(month=1, day=1)
    began = _joined_day(tiers, joined)
    first = add_months(began, 12 * (day.year - began.year))
    return first if first <= day else add_months(began, 12 * (day.year - began.year - 1))


def _joined_day(tiers: Tiers, joined: datetime | None) -> date:
    if joined is None:
        raise ValueError("a track that counts by the day of joining has to be told it")
    return local_date(joined, tiers.zone)


def _last_day(tiers: Tiers, review_at: datetime) -> date:
    """The last day of the term that is reviewed at an instant."""
    return local_date(review_at, tiers.zone) - timedelta(days=1 + tiers.grace_days)


def review_instant(tiers: Tiers, since: datetime, joined: datetime | None = None) -> datetime:
    """When a tier reached at `since` is reviewed: its term, to the end of the month or year that it counts by, plus grace."""
    return _review(tiers, local_date(since, tiers.zone), joined)


def _review(tiers: Tiers, day: date, joined: datetime | None) -> datetime:
    last = add_months(day, tiers.valid_months)
    if tiers.window == "rolling":
        last = end_of_month(last)
    elif tiers.window == "calendar_year":
        last = last.replace(month=12, day=31)
    else:
        last = add_months(_first_day(tiers, last, joined), 12) - timedelta(days=1)
    return end_of_day(last + timedelta(days=tiers.grace_days), tiers.zone)


def _next_review(tiers: Tiers, at: datetime, joined: datetime | None) -> datetime:
    """The review that follows the one at `at`."""
    if tiers.window == "rolling":
        return review_instant(tiers, at, joined)
    return _review(tiers, _last_day(tiers, at), joined)


def lapse(
    tiers: Tiers, state: TierState, metric: Callable[[datetime], int], now: datetime
) -> tuple[TierState, list[TierMove]]:
    """Apply every end of a grant and every review due by `now`, in the order of time.

    `metric(t)` is the qualifying total in the window that a review at t looks at (`review_window_start`).
    """
    moves = list[TierMove]()
    while state.review_at is not None and state.review_at <= now:
        at = state.review_at
        over = [grant for grant in state.grants if grant.until is not None and grant.until <= at]
        if over:
            kept = tuple(grant for grant in state.grants if grant not in over)
            after = _standing(tiers, state, state.earned, kept, at)
            moves.append(TierMove(at, state.tier, after, "lapsed", 0, over[0].id))
        else:
            base, total = state.earned, metric(at)
            level = tiers.level(base.tier)
            if total >= level.threshold:
                review_at = _next_review(tiers, at, state.joined) if level.rank else None
                renewed, cause = replace(base, review_at=review_at), "renewed"
            else:
                target = _after_lapse(tiers, level, total)
                review_at = _next_review(tiers, at, state.joined) if target.rank else None
                renewed, cause = TierState(target.code, at, review_at, None, state.joined), "lapsed"
            after = _standing(tiers, state, renewed, state.grants, at)
            moves.append(TierMove(at, state.tier, after, cause, total))
        state = after
    return state, moves


def destination(tiers: Tiers, state: TierState, total: int) -> str:
    """The level that is held once a purchase and a review have looked at `total`; what is granted stays above it."""
    reached, code = tiers.reached(total), state.earned.tier
    held = tiers.level(code)
    if code in tiers.by_code and reached.rank < held.rank:
        reached = _after_lapse(tiers, held, total)
    granted = [tiers.level(grant.tier) for grant in state.grants]
    return max([reached, *granted], key=lambda level: level.rank).code


def _after_lapse(tiers: Tiers, held: Level, total: int) -> Level:
    if tiers.downgrade == "never":
        return held
    reached = tiers.reached(total)
    if tiers.downgrade == "one_level":
        return tiers.levels[max(held.rank - 1, reached.rank)]
    return reached


def _entered(tiers: Tiers, level: Level, at: datetime, joined: datetime | None) -> TierState:
    review = review_instant(tiers, at, joined) if level.rank > 0 else None
    return TierState(level.code, at, review, None, joined)


def _standing(
    tiers: Tiers, before: TierState, earned: TierState, grants: tuple[Grant, ...], at: datetime
) -> TierState:
    """What is held when `earned` stands beneath `grants`."""
    if not grants:
        return replace(earned, held=None, joined=before.joined)
    best = max(grants, key=lambda grant: tiers.level(grant.tier).rank)
    ends_at = earned.review_at
    tier, rank = earned.tier, tiers.level(best.tier).rank
    if rank > tiers.level(earned.tier).rank:
        tier = best.tier
        ends = [grant.until for grant in grants if tiers.level(grant.tier).rank == rank]
        ends_at = None if None in ends else max(end for end in ends if end)
    due = [end for end in (earned.review_at, *(grant.until for grant in grants)) if end]
    return TierState(
        tier,
        before.since if tier == before.tier else at,
        min(due, default=None),
        Held(earned.tier, earned.since, earned.review_at, grants, ends_at),
        before.joined,
    )


def beside_plans(tiers: Tiers, state: TierState) -> TierState:
    """What is held without what plans bring: who holds a plan is served as its level by the plan itself, to the instant."""
    kept = tuple(each for each in state.grants if each.cause != "plan")
    if len(kept) == len(state.grants):
        return state
    return _standing(tiers, state, state.earned, kept, state.earned.since)


def qualify(tiers: Tiers, state: TierState, total: int, now: datetime) -> TierMove | None:
    """The upgrade that a qualifying total brings at once, or None. With downgrade at_once, the drop as well."""
    base = state.earned
    held, reached = tiers.level(base.tier), tiers.reached(total)
    if reached.rank > held.rank:
        cause = "qualified"
    # A sale that arrives late cannot take away a tier that was reached after it.
    elif reached.rank < held.rank and tiers.downgrade == "at_once" and base.since <= now:
        cause = "lapsed"
    else:
        return None
    return _to(tiers, state, reached, cause, total, now)


def after_refund(
    tiers: Tiers, state: TierState, *, total: int, total_then: int, now: datetime
) -> TierMove | None:
    """The lower tier that a refund leaves, or None.

    `total` is what qualifies now and `total_then` what qualified when the tier was reached (`state.earned.since`), both
    without the refunded order. The tier stays when either still carries it: a refund takes back what its own order brought,
    not more.
    """
    kept = max(tiers.reached(total), tiers.reached(total_then), key=lambda level: level.rank)
    if kept.rank >= tiers.level(state.earned.tier).rank:
        return None
    return _to(tiers, state, kept, "refund", total, now)


def reassess(tiers: Tiers, state: TierState, total: int, now: datetime) -> TierMove | None:
    """What a new version of the programme makes of a member as it begins: by its `on_change`, and a level that is gone."""
    base = state.earned
    held, reached = tiers.level(base.tier), tiers.reached(total)
    gone = base.tier not in tiers.by_code
    up = reached.rank > held.rank and tiers.on_change != "keep"
    down = reached.rank < held.rank and tiers.on_change == "reassess"
    if not (gone or up or down):
        return None
    return _to(tiers, state, reached, "programme", total, now)


def _to(tiers: Tiers, state: TierState, level: Level, cause: str, total: int, now: datetime) -> TierMove:
    entered = _entered(tiers, level, now, state.joined)
    return TierMove(now, state.tier, _standing(tiers, state, entered, state.grants, now), cause, total)


def grant(tiers: Tiers, state: TierState, given: Grant, now: datetime) -> TierMove:
    """A level is granted. One that is not above what is held stays beneath it."""
    after = _standing(tiers, state, state.earned, (*state.grants, given), now)
    return TierMove(now, state.tier, after, given.cause, 0, given.id)


def end_grants(tiers: Tiers, state: TierState, ended: Iterable[UUID], now: datetime) -> TierMove | None:
    """Grants end before their time; None when none of them is alive."""
    gone = [each for each in state.grants if each.id in set(ended)]
    if not gone:
        return None
    kept = tuple(each for each in state.grants if each not in gone)
    return TierMove(now, state.tier, _standing(tiers, state, state.earned, kept, now), "ended", 0, gone[0].id)


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A tier that ends at `review_at` unless `missing` more comes in by then; without it `target` is left."""

    tier: str
    target: str
    review_at: datetime
    missing: int


def at_risk(tiers: Tiers, state: TierState, total: int) -> AtRisk | None:
    """What a member must still bring to keep the tier, when `total` is what the coming review would count of it so far.

    None when it is kept anyway: enough has come in, nothing can be lost, or a grant carries the tier beyond its review.
    """
    base = state.earned
    if base.review_at is None or state.tier != base.tier or tiers.by_hand:
        return None
    level = tiers.level(base.tier)
    target = _after_lapse(tiers, level, total)
    if total >= level.threshold or target.rank >= level.rank:
        return None
    return AtRisk(level.code, target.code, base.review_at, level.threshold - total)


def held_document(state: TierState) -> dict[str, Any] | None:
    """`held` as it is stored; None without grants."""
    held = state.held
    if held is None:
        return None
    return {
        "base": [held.tier, held.since.isoformat(), _text(held.review_at)],
        "grants": [[str(g.id), g.tier, _text(g.until), g.cause] for g in held.grants],
        "ends_at": _text(held.ends_at),
    }


def read_held(raw: dict[str, Any] | None) -> Held | None:
    """What `held_document` wrote."""
    if not raw:
        return None
    tier, since, review_at = raw["base"]
    return Held(
        tier,
        datetime.fromisoformat(since),
        _instant(review_at),
        tuple(Grant(UUID(g), level, _instant(until), cause) for g, level, until, cause in raw["grants"]),
        _instant(raw["ends_at"]),
    )


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
