"""What a simulation says in the end: one JSON document of whole numbers, in a fixed order, without the time it was made.

Amounts are minor units of the programme's currency, points units. `cost` of a side is what it gives members: discounts,
and the points it issues (less those taken back) at what they are worth at the till.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shuke.checkout.simulate.tally import PLACE_FIGURES, Between, Side
from shuke.loyalty.tiers import Tiers

SCHEMA = 1


def report(
    since: datetime,
    until: datetime,
    programmes: Mapping[str, Any],
    current: Side,
    draft: Side,
    between: Between,
) -> dict[str, Any]:
    """The report of a run; `json.dumps` of it is the same whenever the same is asked of the same books."""
    sides = {"current": _side(current), "draft": _side(draft)}
    return {
        "schema": SCHEMA,
        "from": since.isoformat(),
        "to": until.isoformat(),
        "currency": draft.programme.currency,
        "programmes": dict(programmes),
        **sides,
        "difference": _minus(sides["draft"], sides["current"]),
        "members": _members(current, draft, between),
        "tiers": _tiers(current, draft, between),
        "tracks": _tracks(current, draft, between),
        "months": _months(current, draft),
        "stores": _stores(current, draft),
        "notes": _notes(sides, between),
    }


def _notes(sides: Mapping[str, Mapping[str, Any]], between: Between) -> list[dict[str, Any]]:
    """What the reader of the figures has to know: what was held fixed under both programmes, and what is not known.

    `code` says which, and the rest how much of it there was.
    """
    notes: list[dict[str, Any]] = []
    current = sides["current"]
    if current["coupon_orders"]:
        notes.append(
            {"code": "coupons_kept", "orders": current["coupon_orders"], "minor": current["coupons_minor"]}
        )
    if between.plan_holders:
        notes.append({"code": "plans_kept", "members": between.plan_holders})
    if between.grant_holders:
        notes.append({"code": "grants_kept", "members": between.grant_holders})
    if current["points_moved"]:
        notes.append({"code": "moves_kept", "points": current["points_moved"]})
    notes += [
        {"code": "unplayed", "side": side, "what": what, "times": times}
        for side in ("current", "draft")
        for what, times in sides[side]["unplayed"].items()
    ]
    if not current["orders"]:
        notes.append({"code": "no_sales"})
    elif not current["costed_minor"]:
        notes.append({"code": "no_cost_prices"})
    elif current["costed_minor"] < current["payable_minor"]:
        notes.append(
            {
                "code": "some_cost_prices",
                "minor": current["costed_minor"],
                "of_minor": current["payable_minor"],
            }
        )
    return notes


def _side(side: Side) -> dict[str, Any]:
    kept = side.dump()
    figures: dict[str, int] = kept["figures"]
    issued = figures["points_earned"] + figures["points_accrued"] - figures["points_taken_back"]
    cost = {
        "points_issued_minor": side.cash(issued),
        "discount_minor": figures["discount_minor"],
        "total_minor": side.cash(issued) + figures["discount_minor"],
    }
    return {
        **figures,
        "points_issued": issued,
        "cost": cost,
        "liability": {"points": figures["points_open"], "minor": side.cash(figures["points_open"])},
        "by_rule": {
            asset: [
                {
                    "id": rule,
                    "units": units,
                    **({"minor": side.cash(units)} if asset == "points" else {}),
                }
                for rule, units in sorted(rules.items())
            ]
            for asset, rules in sorted(kept["by_rule"].items())
        },
        "discounts": [
            {"kind": code.partition(":")[0], "code": code.partition(":")[2], "minor": minor}
            for code, minor in sorted(kept["discounts"].items())
        ],
        "unplayed": dict(sorted(kept["unplayed"].items())),
    }


def _minus(draft: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Draft less current, figure by figure."""
    return {
        name: _minus(value, current[name]) if isinstance(value, dict) else value - current[name]
        for name, value in draft.items()
        if isinstance(value, int) or name in ("cost", "liability")
    }


def _members(current: Side, draft: Side, between: Between) -> dict[str, Any]:
    return {
        "counted": between.members,
        "better": between.better,
        "worse": between.worse,
        "same": between.members - between.better - between.worse,
        "gained_minor": between.gained_minor,
        "lost_minor": between.lost_minor,
        "classes": [
            {"from_minor": int(step), "members": members}
            for step, members in sorted(between.classes.items(), key=lambda each: int(each[0]))
        ],
        "winners": [_listed(each, 1) for each in between.winners],
        "losers": [_listed(each, -1) for each in between.losers],
    }


def _listed(entry: list[Any], sign: int) -> dict[str, Any]:
    difference, sales_minor, orders, tier, draft_tier = entry
    return {
        "difference_minor": sign * difference,
        "orders": orders,
        "sales_minor": sales_minor,
        "tier": tier,
        "draft_tier": draft_tier,
    }


def _tiers(current: Side, draft: Side, between: Between) -> dict[str, Any]:
    """Where members end up under the one and under the other, and how often tiers changed on the way."""
    kept = [side.dump() for side in (current, draft)]
    ladders = (current.programme.tiers, draft.programme.tiers)
    return _told_track(
        ladders, between.tiers, [each["tiers"] for each in kept], [each["moves"] for each in kept]
    )


def _tracks(current: Side, draft: Side, between: Between) -> list[dict[str, Any]]:
    """The same for each track beside the main one. A level "" is that of a programme without the track: up and down count
    where both have it."""
    sides = (current, draft)
    kept = [side.dump()["tracks"] for side in sides]
    empty: dict[str, dict[str, int]] = {"tiers": {}, "moves": {}}
    return [
        {
            "track": code,
            **_told_track(
                [side.programme.tracks.get(code) for side in sides],
                between.tracks.get(code, {}),
                [each.get(code, empty)["tiers"] for each in kept],
                [each.get(code, empty)["moves"] for each in kept],
            ),
        }
        for code in dict.fromkeys((*current.programme.tracks, *draft.programme.tracks))
    ]


def _told_track(
    ladders: Sequence[Tiers | None],
    pairs: Mapping[str, int],
    counted: Sequence[Mapping[str, int]],
    moves: Sequence[Mapping[str, int]],
) -> dict[str, Any]:
    matrix: list[dict[str, Any]] = [
        {"current": key.partition(">")[0], "draft": key.partition(">")[2], "members": members}
        for key, members in sorted(pairs.items())
    ]
    both = all(ladders)
    rank, draft_rank = (_ranks(tiers) for tiers in ladders)
    up = sum(e["members"] for e in matrix if both and draft_rank[e["draft"]] > rank[e["current"]])
    down = sum(e["members"] for e in matrix if both and draft_rank[e["draft"]] < rank[e["current"]])
    sides = [_by_level(tiers, own) for tiers, own in zip(ladders, counted, strict=True)]
    moved = [_moves(own) for own in moves]
    return {
        "current": sides[0],
        "draft": sides[1],
        "matrix": matrix,
        "up": up,
        "down": down,
        "moves": {"current": moved[0], "draft": moved[1]},
    }


def _ranks(tiers: Tiers | None) -> dict[str, int]:
    return {level.code: level.rank for level in tiers.levels} if tiers else {}


def _by_level(tiers: Tiers | None, counted: Mapping[str, int]) -> list[dict[str, Any]]:
    levels = tiers.levels if tiers else ()
    return [{"code": level.code, "members": counted.get(level.code, 0)} for level in levels]


def _moves(counted: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"from": key.partition(">")[0], "to": key.partition(">")[2], "times": times}
        for key, times in sorted(counted.items())
    ]


def _months(current: Side, draft: Side) -> list[dict[str, Any]]:
    return _places(current, draft, "month", 0)


def _stores(current: Side, draft: Side) -> list[dict[str, Any]]:
    return _places(current, draft, "store", 2)


def _places(current: Side, draft: Side, name: str, part: int) -> list[dict[str, Any]]:
    """The figures of stores and months, added up by one of the two parts of their key."""
    sums: dict[str, dict[str, dict[str, int]]] = {}
    for which, side in (("current", current), ("draft", draft)):
        for key, figures in side.dump()["places"].items():
            own = sums.setdefault(key.partition("|")[part], {})
            into = own.setdefault(which, dict.fromkeys(PLACE_FIGURES, 0))
            for figure, value in figures.items():
                into[figure] += value
    return [
        {name: key, **{which: _with_cost(side, own.get(which)) for which, side in _both(current, draft)}}
        for key, own in sorted(sums.items())
    ]


def _both(current: Side, draft: Side) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("current", current), ("draft", draft)


def _with_cost(side: Side, figures: Mapping[str, int] | None) -> dict[str, int]:
    found = dict(figures or dict.fromkeys(PLACE_FIGURES, 0))
    return {**found, "cost_minor": found["discount_minor"] + side.cash(found["points_earned"])}
