"""What happens within the killed house, run as a process of its own: `python -m tests.concurrency.inside seed|prove`.

The test process has its Django at another database, so it cannot call the rooms of this one itself.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from shuke.config.runtime import django_ready

MEMBERS = 40
SPENDERS = 8


def seed() -> dict[str, Any]:
    """A shop with a key and members; the first `SPENDERS` of them have more points than a run can spend."""
    from shuke.core.values import SYSTEM, Scope
    from shuke.kit.clock import now
    from tests.factories.checkout import make_shop, sell
    from tests.factories.core import make_key
    from tests.factories.members import make_member

    make_shop(stored_value={}, card_limits={"registered_most": "none"})
    members = [make_member(f"会员{n}", now=now(), actor=SYSTEM) for n in range(MEMBERS)]
    for member in members[:SPENDERS]:
        sell(("A", 50_000), member=member, now=now())
    return {"secret": make_key(*Scope)[1], "members": [str(member.id) for member in members]}


def prove() -> dict[str, Any]:
    """Every invariant that the house knows of, as found."""
    from shuke.checkout.invariants import verify_orders
    from shuke.core.queries import verify_audit
    from shuke.ledger.queries import reconcile

    book, (orders, differences), audit = reconcile(), verify_orders(), verify_audit()
    return {
        "orders": orders,
        "differences": [
            *map(str, book.differences),
            *map(str, differences),
            *filter(None, [str(audit.difference or "")]),
        ],
    }


if __name__ == "__main__":
    django_ready(say=lambda text: None)
    print(json.dumps({"seed": seed, "prove": prove}[sys.argv[1]]()))
