"""The preview from end to end: every member looked at once, in batches; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.checkout.impact.logic import (
    SCHEMA,
    VIEWS,
    Bought,
    Steps,
    Tally,
    Track,
    told_cost,
    told_notes,
    told_tracks,
    tracks_of,
)
from shuke.checkout.impact.reading import Reader, Seen
from shuke.checkout.simulate.operations import Against, Progress, Watch, held_against
from shuke.core.errors import InvalidInput
from shuke.loyalty.document import digest_of
from shuke.loyalty.programme import Programme, compile_programme

MEMBERS_PER_BATCH = 5000
DAYS = 90
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class ImpactQuestion:
    """A checked draft against a published version, for the members as they stand `now`; `days` of sales tell the cost."""

    document: Mapping[str, Any]
    against: Against
    now: datetime
    days: int


def ask_impact(
    *, document: Mapping[str, Any], now: datetime, days: int = DAYS, against: int | None = None
) -> ImpactQuestion:
    """A question that can be answered. `against`: a version's number; None: what is in force now.

    Raises InvalidInput for `days` out of range or another currency, NoProgramme, UnknownVersion.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(field="days", reason=_("Between 1 and 366 days."))
    return ImpactQuestion(document, held_against(document, now=now, against=against), now, days)


def assess_impact(question: ImpactQuestion, *, watch: Watch = lambda _p: None) -> dict[str, Any]:
    """Look at every member and report. Same question and same books: the same report, byte for byte.

    `watch` hears of every batch. Writes nothing.
    """
    current, draft = compile_programme(question.against.document), compile_programme(question.document)
    tally = count_members(
        current, draft, question.now, watch=watch, since=question.now - timedelta(days=question.days)
    )
    groups = tally.groups.values()
    return {
        "schema": SCHEMA,
        "at": question.now.isoformat(),
        "days": question.days,
        "currency": draft.currency,
        "programmes": {
            "current": {"version": question.against.number, "digest": digest_of(question.against.document)},
            "draft": {"digest": digest_of(question.document)},
        },
        "members": sum(each.members for each in groups),
        "buyers": sum(each.buyers for each in groups),
        "sales_minor": sum(each.sales_minor for each in groups),
        "sales": sum(each.sales for each in groups),
        "final_sales": sum(each.final_sales for each in groups),
        "tracks": told_tracks(tally),
        "cost": {view: told_cost(tally, current, draft, view, question.days) for view in VIEWS},
        "notes": told_notes(current, draft, has_final=any(each.final_sales for each in groups)),
    }


def count_members(
    current: Programme,
    draft: Programme,
    now: datetime,
    *,
    watch: Watch = lambda _p: None,
    since: datetime | None = None,
) -> Tally:
    """Count every member; with `since`, also what was bought from then on."""
    tracks = tracks_of(current, draft)
    tally, reader = Tally(tracks), Reader(tracks, now)
    stepper = _Stepper(tracks, now)
    total, done, last = reader.count(), 0, None
    while seen := reader.after(last, MEMBERS_PER_BATCH):
        bought: dict[UUID, Bought] = reader.bought([each.id for each in seen], since) if since else {}
        for each in seen:
            tally.count(stepper.steps(each), each.plans, bought.get(each.id))
        last, done = seen[-1].id, done + len(seen)
        watch(Progress(done, max(total, done)))
    return tally


class _Stepper:
    """What becomes of members, decided once for all who are alike: most hold no grant and stand on one of few levels."""

    def __init__(self, tracks: tuple[Track, ...], now: datetime) -> None:
        self._tracks = tracks
        self._now = now
        self._known: dict[tuple[Any, ...], Steps] = {}

    def steps(self, seen: Seen) -> tuple[Steps, ...]:
        found = []
        for place, track in enumerate(self._tracks):
            state, figures = seen.states[place], seen.figures[place]
            if state.held is not None:
                found.append(track.steps(state, figures, self._now))
                continue
            due = state.review_at is not None and state.review_at <= self._now
            key = (
                place,
                state.tier,
                due,
                None
                if figures.total is None or track.draft is None
                else track.draft.reached(figures.total).rank,
                track.current.reached(figures.current).rank if track.current else 0,
                track.draft.reached(figures.draft).rank if track.draft else 0,
            )
            if key not in self._known:
                self._known[key] = track.steps(state, figures, self._now)
            found.append(self._known[key])
        return tuple(found)
