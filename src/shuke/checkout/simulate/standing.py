"""What one member holds on one track, through the period: moved by the very functions that move live tiers. No database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from shuke.checkout.logic import TrackFacts
from shuke.checkout.simulate.tally import Side
from shuke.checkout.simulate.values import Changed, Start
from shuke.checkout.simulate.window import Windows
from shuke.loyalty.tier_logic import (
    Grant,
    TierMove,
    TierState,
    after_refund,
    end_grants,
    grant,
    lapse,
    qualify,
    reassess,
    review_window_start,
)
from shuke.loyalty.tier_rows import lowest
from shuke.loyalty.tiers import Tiers

_BY_GIVING = {"override", "bought", "plan"}


class Standing:
    """A member on a track of one side. `state` is what is held.

    Levels that were given stay given under any programme: they come and end when they did.
    """

    __slots__ = ("_given", "_joined", "_side", "_windows", "state", "tiers")

    def __init__(self, side: Side, tiers: Tiers, start: Start, windows: Windows) -> None:
        self.tiers = tiers
        self.state = start.standings.get(tiers.code) or lowest(tiers, start.joined_at)
        self._joined = start.joined_at
        self._given = list(start.to_come.get(tiers.code, ()))
        self._side = side
        self._windows = windows

    @property
    def level(self) -> str:
        """The code of the level held; one that the programme does not have counts as its lowest."""
        return self.tiers.level(self.state.tier).code

    def turn_to(self, at: datetime) -> None:
        """Levels given and ended by `at`, and the reviews that are due."""
        while self._given and self._given[-1][0] <= at:
            when, act = self._given.pop()
            self._lapse(when)
            if isinstance(act, Grant):
                self.move(grant(self.tiers, self.state, act, when))
            else:
                self.move(end_grants(self.tiers, self.state, [act], when))
        if self.state.review_at is not None and self.state.review_at <= at:
            self._lapse(at)

    def move(self, move: TierMove | None) -> None:
        """Carry out a change, if there is one."""
        if move is not None:
            self.state = move.after
            self._side.count_move(self.tiers.code, move)

    def total(self, at: datetime) -> int:
        """The track's metric in the window that ends at `at`."""
        start = self._side.window_start(self.tiers, at, self._joined)
        return self._windows.total(self.tiers.metric, start, at)

    def after_refund(self, at: datetime) -> None:
        """Look again at what is left after goods came back."""
        if not self.tiers.by_hand:
            total, then = self.total(at), self.total(self.state.earned.since)
            self.move(after_refund(self.tiers, self.state, total=total, total_then=then, now=at))

    def facts(self, at: datetime) -> TrackFacts:
        """The standing as a price looks at it."""
        return TrackFacts(self.tiers.code, self.state, self.total(at))

    def _lapse(self, at: datetime) -> None:
        _after, moves = lapse(self.tiers, self.state, self._at_review, at)
        for move in moves:
            self.move(move)

    def _at_review(self, at: datetime) -> int:
        start = review_window_start(self.tiers, at, self._joined)
        return self._windows.total(self.tiers.metric, start, at)


def standing_of(
    changes: Sequence[Changed], grants: Mapping[UUID, Grant], joined: datetime
) -> TierState | None:
    """What recorded changes of a member's level on a track led to, in their order; None when there are none.

    A change says which level was held after it. What had been earned beneath a level that was given is on record only as the
    figure of each decision: it is decided again, by the tiers of its day. So is what tells of a level that was given at some
    time: a sale that arrived late was recorded beneath a level that was given after it.
    """
    state: TierState | None = None
    levels = {each.tier for each in grants.values()}
    for change in changes:
        beneath = (state and state.held) or change.cause in _BY_GIVING or change.after in levels
        if change.tiers is not None and beneath:
            move = _again(change.tiers, state or lowest(change.tiers, joined), change, grants)
            if move is not None:
                state = move.after
                continue
        held = state.since if state and change.before == change.after else change.at
        state = TierState(change.after, held, change.review_at, None, joined)
    return state


def _again(tiers: Tiers, state: TierState, change: Changed, grants: Mapping[UUID, Grant]) -> TierMove | None:
    """The change made once more, from its recorded figure."""
    at, total = change.at, change.metric
    given = grants.get(change.grant_id) if change.grant_id else None
    if given is not None and change.cause in _BY_GIVING:
        return grant(tiers, state, given, at)
    match change.cause:
        case "ended":
            return end_grants(tiers, state, [change.grant_id], at) if change.grant_id else None
        case "renewed" | "lapsed":
            moves = lapse(tiers, state, lambda _at: total, at)[1]
            return moves[-1] if moves else qualify(tiers, state, total, at)
        case "qualified":
            return qualify(tiers, state, total, at)
        case "programme":
            return reassess(tiers, state, total, at)
        case "refund":
            # What counted when the level was reached is not on record; where it shows, it is the level that was kept.
            covered = change.after in {each.tier for each in state.grants}
            kept = 0 if covered else tiers.level(change.after).threshold
            return after_refund(tiers, state, total=total, total_then=kept, now=at)
        case _:
            return None
