"""Law 5 through the database: any sequence of partial refunds leaves what one full refund leaves, to the point and cent."""

from __future__ import annotations

from random import Random, SystemRandom

import pytest

from shuke.checkout.invariants import verify_orders
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import verify_counters
from tests.checkout.refunds.twins import play
from tests.factories.checkout import make_shop

FEW, MANY = 45, 2_000


def check(seed: int, purchases: int) -> dict[str, int]:
    make_shop()
    seen = play(Random(seed), purchases)
    print(f"seed {seed}: {seen}")
    assert seen["orders"] > purchases * 0.7
    assert seen["steps"] > 2 * seen["orders"]
    assert reconcile().differences == ()
    assert verify_orders()[1] == []
    assert verify_counters() == []
    return seen


@pytest.mark.django_db
def test_twins_who_return_the_same_in_parts_and_at_once_hold_the_same() -> None:
    seen = check(20_261_122, FEW)
    assert seen["debt"] and seen["stored_value"] and seen["gift_card"] and seen["tax"], seen


@pytest.mark.slow
@pytest.mark.django_db
def test_thousands_of_twins_hold_the_same() -> None:
    """A failure prints its seed."""
    seen = check(SystemRandom().randrange(10**9), MANY)
    assert all(seen.values()), seen
