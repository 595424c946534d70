"""What rules look at besides the sale itself, between the database and the pure functions.

A sale reads it in its own statement (`checkout_earning_facts`), an accrual with `loyalty_rule_facts`; both speak the
arguments and the columns that are named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from shuke.kit.clock import local_date
from shuke.loyalty.conditions import MemberTraits
from shuke.loyalty.earning import EPOCH, Room, Use, Used
from shuke.loyalty.programme import Needs, Programme


def arguments(programme: Programme, needs: Needs, at: datetime) -> list[Any]:
    """Instant, day, month, counted rules, since when they count, budgets and their periods."""
    day = local_date(at, programme.zone)
    month = day.replace(day=1)
    return [
        *(at, day, month, list(needs.counted), EPOCH if needs.ever else month),
        *([b.id for b in needs.budgets], [b.period_of(day) for b in needs.budgets]),
    ]


def traits_of(
    programme: Programme, joined_at: datetime, tags: Iterable[str], groups: Any, *, is_first: bool
) -> MemberTraits:
    """The member's traits from the columns joined_at, tags and groups."""
    codes: dict[str, set[str]] = {"plan": set(), "segment": set()}
    for kind, code in decoded(groups) or ():
        codes[kind].add(code)
    return MemberTraits(
        joined=local_date(joined_at, programme.zone),
        tags=frozenset(tags),
        segments=frozenset(codes["segment"]),
        plans=frozenset(codes["plan"]),
        is_first_purchase=is_first,
    )


def room_of(needs: Needs, used: Any, drawn: Any) -> Room:
    """What caps and budgets leave, from the columns used and drawn."""
    before: Mapping[str, list[int]] = decoded(used) or {}
    given: Mapping[str, int] = decoded(drawn) or {}
    return Room(
        used={rule: Used(*map(int, figures)) for rule, figures in before.items()},
        left={b.id: b.limit - int(given.get(b.id, 0)) for b in needs.budgets},
    )


def uses_document(programme: Programme, uses: Iterable[Use], at: datetime) -> list[dict[str, Any]]:
    """Uses as `loyalty_take` takes them, counted on the local day of `at`."""
    day = local_date(at, programme.zone)
    return [
        {
            "r": use.rule,
            "s": use.asset,
            "d": day,
            "a": use.amount,
            **(
                {"b": use.budget.id, "p": use.budget.period_of(day), "l": use.budget.limit}
                if use.budget
                else {}
            ),
        }
        for use in uses
    ]


def decoded(value: Any) -> Any:
    """A jsonb column, whether the driver hands it over as text or decoded."""
    return json.loads(value) if isinstance(value, str) else value
