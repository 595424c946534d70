"""What happens within the killed house, run as a process of its own: `python -m tests.concurrency.inside seed|ripen|prove`.

The test process has its Django at another database, so it cannot call the rooms of this one itself.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

from shuke.config.runtime import django_ready

MEMBERS = 40
SPENDERS = 8
RIPENING_SECONDS = 20
"""Over how long the lots of one round lapse and become usable."""
LOTS_A_SECOND = 3
JOBS = ("ledger.expire_lots", "ledger.announce_active")
BUDGET = 9_000
PROGRAMME: dict[str, Any] = {
    "stored_value": {},
    "card_limits": {"registered_most": "none"},
    "assets": {"stamps": {"name": {"zh-Hans": "印花"}, "expiry": {"model": "never"}}},
    "budgets": [{"id": "launch", "name": {"zh-Hans": "开业"}, "asset": "points", "limit": BUDGET}],
    "earning": [
        {"id": "base", "asset": "points", "give": 1, "per": "1.00"},
        {"id": "growth", "asset": "growth", "give": 1, "per": "1.00"},
        {"id": "opening", "asset": "points", "fixed": 3, "budget": "launch"},
    ],
}


def seed() -> dict[str, Any]:
    """A shop with a key and members; the first `SPENDERS` of them have more points than a run can spend."""
    from shuke.core.values import SYSTEM, Scope
    from shuke.kit.clock import now
    from tests.factories.checkout import make_shop, sell
    from tests.factories.core import make_key
    from tests.factories.members import make_member

    make_shop(**PROGRAMME)
    members = [make_member(f"会员{n}", now=now(), actor=SYSTEM) for n in range(MEMBERS)]
    for member in members[:SPENDERS]:
        sell(("A", 50_000), member=member, now=now())
    return {"secret": make_key(*Scope)[1], "members": [str(member.id) for member in members]}


def ripen() -> dict[str, Any]:
    """Points that lapse and stamps that become usable from now on, a few a second for every member, and the jobs for both.

    The members' points are what the tills spend meanwhile; nobody spends stamps, so that what was announced of them can be
    counted.
    """
    from shuke.kit.clock import now
    from shuke.kit.ids import uuid7
    from shuke.kit.jobs import defer
    from shuke.members.models import Member
    from tests.factories.ledger import post

    begin = now()
    moments = [
        begin + timedelta(seconds=n / LOTS_A_SECOND) for n in range(1, RIPENING_SECONDS * LOTS_A_SECOND)
    ]
    for member_id in Member.objects.values_list("id", flat=True):
        lots: list[dict[str, Any]] = []
        for at in moments:
            stamp, point = {"asset": "stamps", "active_at": at, "expires_at": None}, {"asset": "points"}
            point |= {"active_at": begin, "expires_at": at}
            lots += [{"id": str(uuid7()), "amount": 2, **lot} for lot in (stamp, point)]
        for lot in lots:
            lot |= {name: lot[name] and lot[name].isoformat() for name in ("active_at", "expires_at")}
        entries: list[dict[str, Any]] = [
            {"account": "member", "asset": lot["asset"], "amount": 2, "lot_id": lot["id"]} for lot in lots
        ]
        for asset in ("stamps", "points"):
            entries.append({"account": "issued", "asset": asset, "amount": -2 * len(moments)})
        post(member_id, "earn", entries, lots, begin)
    for name in JOBS:
        for second in range(RIPENING_SECONDS):
            defer(name, run_at=begin + timedelta(seconds=second))
    return {}


def prove() -> dict[str, Any]:
    """Every invariant that the house knows of, as found; `overdue` is how many lots the jobs have still to see to."""
    from shuke.checkout.invariants import verify_orders
    from shuke.checkout.tiers import replay_tiers
    from shuke.core.queries import verify_audit
    from shuke.ledger.queries import reconcile
    from shuke.loyalty.counters import verify_counters
    from shuke.loyalty.models import Counter

    book, (orders, differences), audit = reconcile(), verify_orders(), verify_audit()
    given = sum(Counter.objects.values_list("used", flat=True))
    return {
        "orders": orders,
        "differences": [
            *map(str, book.differences),
            *map(str, differences),
            *filter(None, [str(audit.difference or "")]),
            *map(str, verify_counters()),
            *map(str, replay_tiers().differences),
            *([f"the budget gave {given}"] if not 0 <= given <= BUDGET else []),
            *_jobs_differ(),
        ],
        "overdue": _row(_OVERDUE)[0],
    }


_OVERDUE = """
SELECT count(*) FROM ledger_lot
WHERE (remaining > held AND expires_at <= now()) OR (pending AND active_at <= now())
"""
_BY_THE_JOB = (
    "FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id"
    # What a refund gives back into a lot that has lapsed lapses at once, and the refund tells of it.
    " WHERE t.kind = 'expire' AND t.refund_id IS NULL AND e.account = 'member'"
)
_ONCE = {
    "lots that lapsed, by entry and by event": (
        f"SELECT count(*) {_BY_THE_JOB}",
        "SELECT coalesce(sum((payload->>'lots')::int), 0) FROM core_outboxevent WHERE name = 'ledger.points_expired.v1'",
    ),
    "lots that lapsed, once each": (
        f"SELECT count(*) {_BY_THE_JOB}",
        f"SELECT count(DISTINCT e.lot_id) {_BY_THE_JOB}",
    ),
    "stamps that became usable, by lot and by event": (
        "SELECT count(*) FROM ledger_lot WHERE asset = 'stamps' AND NOT pending",
        "SELECT coalesce(sum((payload->>'lots')::int), 0) FROM core_outboxevent"
        " WHERE name = 'ledger.points_activated.v1' AND payload->>'asset' = 'stamps'",
    ),
}


def _jobs_differ() -> list[str]:
    """Where the jobs have done something twice, or told it otherwise than they did it."""
    found = []
    for what, pair in _ONCE.items():
        # One statement, so one look: the jobs may be at work.
        done, said = _row("SELECT ({}), ({})".format(*pair))
        if done != said:
            found.append(f"{what}: {done}, {said}")
    return found


def _row(statement: str) -> tuple[int, ...]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(map(int, cursor.fetchone()))


if __name__ == "__main__":
    django_ready(say=lambda text: None)
    print(json.dumps({"seed": seed, "ripen": ripen, "prove": prove}[sys.argv[1]]()))
