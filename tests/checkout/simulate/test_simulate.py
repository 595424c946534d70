"""The simulator: what stands, simulated, equals what was booked; and a draft's figures by hand."""

from __future__ import annotations

from typing import Any

import pytest

from shuke.checkout.simulate.operations import ask, simulate
from shuke.ledger.queries import reconcile
from tests.checkout.simulate.lives import BEGIN, BUDGET, END, RULES, booked, live, simulated
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db


def question(**changes: Any):
    return ask(document=document(**{**RULES, **changes}), since=BEGIN, until=END, now=END)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"budgets": BUDGET, "policies": {"spend_own_points": True}}, marks=pytest.mark.slow),
        pytest.param(
            {"policies": {"points_paid_earn": True, "refund_shortfall": "cash_value", "spend_own_points": True}},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"policies": {"tier_on_refund": "period_end", "refund_spent_points": "keep", "refund_earned_points": "keep"}},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["plain", "budget", "own points", "kept points"],
)  # fmt: skip
def test_the_programme_in_force_simulated_is_what_was_booked(changes: dict[str, Any]) -> None:
    live(**changes)
    assert reconcile().is_clean
    found = simulate(question(**changes))
    real = booked()
    assert real["orders"] > 60
    assert real["refunded_sales_minor"] > 0 and real["points_used"] > 0 and real["points_accrued"] > 0
    assert real["points_expired"] > 0 and len(real["tier_moves"]) > 5
    real.pop("tiers")
    for side in ("current", "draft"):
        assert found[side]["unplayed"] == {}
        assert simulated(found[side], found["tiers"], side) == real
    assert found["members"]["same"] == found["members"]["counted"] == 5
    assert found["difference"]["cost"] == {"points_issued_minor": 0, "discount_minor": 0, "total_minor": 0}
