"""What a draft makes of members, counted and put into figures. Pure: no ORM, no clock, no I/O; whole numbers only.

Two views are told. **At once** is what the version does as it begins, by the `on_change` of each track. **In time** is where
members come to stand by their next purchase and their next review, if they go on buying as in the full window that ends now:
under the programme that is in force, and under the draft. What is held against what it would have come to anyway, so that who
is on the way down already is not laid at the draft's door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shuke.kit.money import divide
from shuke.loyalty.benefits import WHOLE_PERCENT, discounts_of, factor_of
from shuke.loyalty.programme import Programme
from shuke.loyalty.tier_logic import TierState, destination, reassess
from shuke.loyalty.tiers import MAIN, Tiers

Direction = Literal["up", "down", "unchanged"]
View = Literal["at_once", "in_time"]

VIEWS: tuple[View, ...] = ("at_once", "in_time")
DIRECTIONS: tuple[Direction, ...] = ("up", "down", "unchanged")
MONTH = 30
"""Days of the month that costs are told for."""
SCHEMA = 1
NOWHERE = ""
"""The level of a member on a track that a programme does not have."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a member's sales count for on a track: the metric now under the draft (None: not looked at), and the metric of a
    full window that ends now under either."""

    total: int | None
    current: int
    draft: int


@dataclass(frozen=True, slots=True)
class Steps:
    """The level before and after on a track, in both views."""

    held: str
    begun: str
    otherwise: str
    in_time: str

    def before(self, view: View) -> str:
        return self.held if view == "at_once" else self.otherwise

    def after(self, view: View) -> str:
        return self.begun if view == "at_once" else self.in_time


@dataclass(frozen=True, slots=True)
class Track:
    """One track in both programmes; None where one of them does not have it."""

    code: str
    current: Tiers | None
    draft: Tiers | None

    def steps(self, state: TierState, figures: Figures, now: datetime) -> Steps:
        """What becomes of a member. `state` is what is held on it now."""
        held = otherwise = NOWHERE
        if self.current is not None:
            held = self.current.level(state.tier).code
            otherwise = destination(self.current, state, figures.current)
        if self.draft is None:
            return Steps(held, NOWHERE, otherwise, NOWHERE)
        begun = self.draft.level(state.tier).code
        due = state.review_at is not None and state.review_at <= now
        if figures.total is not None and not due:
            move = reassess(self.draft, state, figures.total, now)
            begun = move.after.tier if move else begun
        return Steps(held, begun, otherwise, destination(self.draft, state, figures.draft))

    def direction(self, before: str, after: str) -> Direction:
        """Is `after` (a level of the draft) above `before` (one of the current programme)?

        By the draft's own order where it knows both, so that a level put in between moves nobody; else by the current
        programme's; else by how many levels there are beneath each.
        """
        was, becomes = _rank(self.current, before), _rank(self.draft, after)
        if self.draft is not None and before in self.draft.by_code:
            was = _rank(self.draft, before)
        elif self.current is not None and after in self.current.by_code:
            becomes = _rank(self.current, after)
        return "up" if becomes > was else "down" if becomes < was else "unchanged"


def _rank(tiers: Tiers | None, code: str) -> int:
    return tiers.level(code).rank if tiers is not None and code else 0


def tracks_of(current: Programme, draft: Programme) -> tuple[Track, ...]:
    """The tracks of either programme, the main one first."""
    codes = [MAIN, *dict.fromkeys((*current.tracks, *draft.tracks))]
    return tuple(Track(code, current.track(code), draft.track(code)) for code in codes)


def climbs_alike(track: Track) -> bool:
    """True when both programmes take members to the same levels: whatever differs, it is not who stands where."""
    return (
        track.current is not None and track.draft is not None and _climb(track.current) == _climb(track.draft)
    )


def _climb(tiers: Tiers) -> tuple[Any, ...]:
    return (
        tiers.metric,
        tiers.window,
        tiers.window_months,
        tiers.downgrade,
        [(level.code, level.threshold) for level in tiers.levels],
    )


@dataclass(frozen=True, slots=True)
class Bought:
    """What a member bought in the days that are looked at.

    `open_minor`: before what tiers and plans took off, where a discount could be had. `points`: before multipliers.
    `final_sales`: of the `sales`, those with final prices, of which no discount can be had.
    """

    sales_minor: int
    open_minor: int
    points: int
    sales: int
    final_sales: int


@dataclass(slots=True)
class Group:
    """Members whose levels and plans are the same: how many, and what they bought, as `Bought`."""

    members: int = 0
    buyers: int = 0
    sales_minor: int = 0
    open_minor: int = 0
    points: int = 0
    sales: int = 0
    final_sales: int = 0


Key = tuple[tuple[Steps, ...], tuple[str, ...]]


@dataclass(slots=True)
class Tally:
    """All that was counted: (steps by track, plans held) → group. Few keys, however many members."""

    tracks: tuple[Track, ...]
    groups: dict[Key, Group] = field(default_factory=dict)

    def count(self, steps: tuple[Steps, ...], plans: tuple[str, ...], bought: Bought | None) -> None:
        """One member; `bought` None: nothing."""
        group = self.groups.setdefault((steps, plans), Group())
        group.members += 1
        if bought is not None:
            group.buyers += 1
            group.sales_minor += bought.sales_minor
            group.open_minor += bought.open_minor
            group.points += bought.points
            group.sales += bought.sales
            group.final_sales += bought.final_sales

    def moved(self, view: View, place: int) -> dict[tuple[str, str], int]:
        """Members by (level before, level after) on the track at a place."""
        found: dict[tuple[str, str], int] = {}
        for (steps, _plans), group in self.groups.items():
            pair = (steps[place].before(view), steps[place].after(view))
            found[pair] = found.get(pair, 0) + group.members
        return found

    def directions(self, view: View, place: int) -> dict[str, int]:
        """Members by direction on the track at a place."""
        track = self.tracks[place]
        found: dict[str, int] = dict.fromkeys(DIRECTIONS, 0)
        for pair, members in self.moved(view, place).items():
            found[track.direction(*pair)] += members
        return found


def told_tracks(tally: Tally) -> list[dict[str, Any]]:
    """Each track: members up, down and unchanged, the moves, and how many stand on each level before and after."""
    return [
        {"track": track.code, **{view: _told_view(tally, view, place) for view in VIEWS}}
        for place, track in enumerate(tally.tracks)
    ]


def _told_view(tally: Tally, view: View, place: int) -> dict[str, Any]:
    track, pairs = tally.tracks[place], tally.moved(view, place)
    order = _order(track)
    return {
        **tally.directions(view, place),
        "moves": [
            {"from": before, "to": after, "members": members, "direction": track.direction(before, after)}
            for (before, after), members in sorted(
                pairs.items(), key=lambda each: (order[each[0][0]], order[each[0][1]])
            )
            if before != after
        ],
        "levels": [
            {
                "code": code,
                "before": sum(n for (before, _after), n in pairs.items() if before == code),
                "after": sum(n for (_before, after), n in pairs.items() if after == code),
            }
            for code in order
            if code or any(code in pair for pair in pairs)
        ],
    }


def _order(track: Track) -> dict[str, int]:
    """The levels of both programmes from the lowest on; a level of both stands where the draft has it."""
    known = {level.code: (level.rank, 0) for level in (track.current.levels if track.current else ())}
    known |= {level.code: (level.rank, 1) for level in (track.draft.levels if track.draft else ())}
    return {code: place for place, code in enumerate([NOWHERE, *sorted(known, key=lambda code: known[code])])}


def told_cost(tally: Tally, current: Programme, draft: Programme, view: View, days: int) -> dict[str, Any]:
    """What the draft's discounts and multipliers cost more (+) or less (−) in a month than those of the current programme.

    Both are applied to what the members bought in the last `days`, brought to `MONTH` days; points at what they are worth at
    the till under either programme. Each part is rounded by itself, so that the parts add up.
    """
    sides = {id(programme): _Side(programme, tally.tracks) for programme in (current, draft)}
    parts = {which: {"discount_minor": 0, "points": 0, "points_minor": 0} for which in DIRECTIONS}
    for which in DIRECTIONS:
        sums = {id(current): [0, 0], id(draft): [0, 0]}
        for (steps, plans), group in tally.groups.items():
            if tally.tracks[0].direction(steps[0].before(view), steps[0].after(view)) != which:
                continue
            for programme, levels in (
                (current, [each.before(view) for each in steps]),
                (draft, [each.after(view) for each in steps]),
            ):
                percent, extra = sides[id(programme)].brings(levels, plans)
                sums[id(programme)][0] += group.open_minor * percent
                sums[id(programme)][1] += group.points * extra
        for programme, sign in ((draft, 1), (current, -1)):
            off, extra = sums[id(programme)]
            units = _monthly(extra, days * 1000)
            parts[which]["discount_minor"] += sign * _monthly(off, days * WHOLE_PERCENT)
            parts[which]["points"] += sign * units
            parts[which]["points_minor"] += sign * _worth(programme, units)
    return {
        **{name: sum(part[name] for part in parts.values()) for name in parts["up"]},
        "total_minor": sum(part["discount_minor"] + part["points_minor"] for part in parts.values()),
        "by": {which: part["discount_minor"] + part["points_minor"] for which, part in parts.items()},
    }


def _monthly(amount: int, by: int) -> int:
    """Rounded half up by its size, whatever its sign: a multiplier below one takes points."""
    units = divide(abs(amount) * MONTH, by, "half_up")
    return units if amount >= 0 else -units


def _worth(programme: Programme, points: int) -> int:
    rule = programme.redemption
    if rule is None:
        return 0
    worth = abs(points) * rule.worth // rule.points
    return worth if points >= 0 else -worth


class _Side:
    """What levels and plans bring under one programme, found once for each combination."""

    def __init__(self, programme: Programme, tracks: Iterable[Track]) -> None:
        self._programme = programme
        self._codes = [track.code for track in tracks]
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[int, int]] = {}

    def brings(self, levels: list[str], plans: tuple[str, ...]) -> tuple[int, int]:
        """(discount in thousandths of a percent, points on top in thousandths)."""
        key = (tuple(levels), plans)
        if key not in self._known:
            further = {code: level for code, level in zip(self._codes, levels, strict=True) if code and level}
            programme = self._programme
            held, stack = programme.held(levels[0], plans, further), programme.policies.benefit_stacking
            percent = min(sum(each.percent for each in discounts_of(held, stack)), WHOLE_PERCENT)
            self._known[key] = (percent, factor_of(held, stack).factor - 1000)
        return self._known[key]


def told_notes(current: Programme, draft: Programme, *, has_final: bool) -> list[str]:
    """What the reader of the cost has to know: `final_prices`, `points_without_worth`, `other_benefits`."""
    notes = ["final_prices"] if has_final else []
    if any(_multiplies(each) and each.redemption is None for each in (current, draft)):
        notes.append("points_without_worth")
    if any(_brings_more(each) for each in (current, draft)):
        notes.append("other_benefits")
    return notes


def _multiplies(programme: Programme) -> bool:
    return any(level.multiplier != 1000 for track in _all(programme) for level in track.levels)


def _brings_more(programme: Programme) -> bool:
    benefits = [level.benefit for track in _all(programme) for level in track.levels]
    return any(
        each.free_shipping_from is not None or each.birthday or each.packs or each.entitlements
        for each in benefits
    )


def _all(programme: Programme) -> Iterable[Tiers]:
    return (programme.tiers, *programme.tracks.values())


def headline(report: Mapping[str, Any]) -> tuple[int, int, int]:
    """(members up, members down, minor units a month) of a report: the main track, in time."""
    main = report["tracks"][0]["in_time"]
    return main["up"], main["down"], report["cost"]["in_time"]["total_minor"]
