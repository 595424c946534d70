"""Members as the preview wants them: a batch at a time, everything about a batch in a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from shuke.checkout.impact.logic import Bought, Figures, Track
from shuke.checkout.track_facts import totals, totals_in
from shuke.kit.sql import load
from shuke.loyalty.queries import list_versions, version_by_id
from shuke.loyalty.tier_logic import TierState, full_window_start, window_start
from shuke.loyalty.tier_rows import lowest, states_of
from shuke.loyalty.tiers import Metric, Tiers
from shuke.members.models import Member, MemberStatus

_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One member: the standing and the figures on each track in the order asked, and the plans held."""

    id: UUID
    states: tuple[TierState, ...]
    figures: tuple[Figures, ...]
    plans: tuple[str, ...]


class Reader:
    """Reads members in the order of their ids."""

    def __init__(self, tracks: Sequence[Track], now: datetime) -> None:
        self._tracks = tracks
        self._now = now
        self._ruled: list[list[object]] | None = None

    def count(self) -> int:
        """How many members there are to look at."""
        return Member.objects.exclude(status=MemberStatus.CLOSED).count()

    def after(self, last: UUID | None, most: int) -> list[Seen]:
        """The next members after one; none when all were seen."""
        with connection.cursor() as cursor:
            cursor.execute(
                load("checkout", "impact_members"),
                {"after": last or _BEFORE_ALL, "most": most, "now": self._now},
            )
            rows: list[tuple[UUID, datetime, list[str] | None]] = cursor.fetchall()
        members = [row[0] for row in rows]
        joined = {row[0]: row[1] for row in rows}
        windows = _Windows(members, self._now)
        states: list[dict[UUID, TierState]] = []
        figures: list[dict[UUID, Figures]] = []
        for track in self._tracks:
            ladder = track.draft or track.current
            assert ladder is not None
            stored = states_of(members, track.code, joined)
            states.append({m: stored.get(m) or lowest(ladder, joined[m]) for m in members})
            figures.append(self._figures(track, states[-1], windows))
        return [
            Seen(m, tuple(own[m] for own in states), tuple(own[m] for own in figures), tuple(plans or ()))
            for m, _joined, plans in rows
        ]

    def _figures(self, track: Track, states: dict[UUID, TierState], windows: _Windows) -> dict[UUID, Figures]:
        current, draft = track.current, track.draft
        otherwise, in_time = windows.full(current), windows.full(draft)
        at_once: dict[UUID, int] | None = None
        if draft is not None and (
            draft.on_change != "keep" or any(s.earned.tier not in draft.by_code for s in states.values())
        ):
            at_once = windows.exact(draft, states)
        return {
            m: Figures(at_once[m] if at_once is not None else None, otherwise[m], in_time[m]) for m in states
        }

    def bought(self, members: Sequence[UUID], since: datetime) -> dict[UUID, Bought]:
        """What the members bought since then; those who bought nothing are left out."""
        if self._ruled is None:
            self._ruled = _ruled(self._now)
        versions, tiers, discounts, factors = self._ruled
        with connection.cursor() as cursor:
            cursor.execute(
                load("checkout", "impact_bought"),
                {
                    "members": list(members),
                    "since": since,
                    "now": self._now,
                    "versions": versions,
                    "tiers": tiers,
                    "discounts": discounts,
                    "factors": factors,
                },
            )
            return {member_id: Bought(*figures) for member_id, *figures in cursor}


class _Windows:
    """Totals of one batch of members; a window that both programmes look at is read once."""

    def __init__(self, members: list[UUID], now: datetime) -> None:
        self._members = members
        self._now = now
        self._read: dict[tuple[Metric, datetime], dict[UUID, int]] = {}

    def full(self, tiers: Tiers | None) -> dict[UUID, int]:
        """Each member's metric in a window of full length."""
        if tiers is None or tiers.by_hand:
            return dict.fromkeys(self._members, 0)
        return self._same(tiers.metric, full_window_start(tiers, self._now))

    def exact(self, tiers: Tiers, states: dict[UUID, TierState]) -> dict[UUID, int]:
        """Each member's metric in the track's own window."""
        if tiers.by_hand:
            return dict.fromkeys(self._members, 0)
        if tiers.window != "anniversary":
            return self._same(tiers.metric, window_start(tiers, self._now))
        own = [
            (m, tiers.metric, window_start(tiers, self._now, states[m].joined), self._now)
            for m in self._members
        ]
        return dict(zip(self._members, totals(own), strict=True))

    def _same(self, metric: Metric, start: datetime) -> dict[UUID, int]:
        if (metric, start) not in self._read:
            found = totals_in(self._members, metric, start, self._now)
            self._read[metric, start] = {m: found.get(m, 0) for m in self._members}
        return self._read[metric, start]


def _ruled(now: datetime) -> list[list[object]]:
    """What each level of each version gave: (versions, levels, had a discount, multiplier), column by column."""
    columns: list[list[object]] = [[], [], [], []]
    for row in list_versions(now):
        for level in version_by_id(row.id).programme.tiers.levels:
            values = (row.id, level.code, level.discount > 0, max(level.multiplier, 1))
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    return columns
