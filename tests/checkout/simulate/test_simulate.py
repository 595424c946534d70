"""The simulator: what stands, simulated, equals what was booked; and a draft's figures by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from multiprocessing import active_children
from typing import Any

import pytest

from shuke.checkout.simulate import operations
from shuke.checkout.simulate.operations import Progress, ask, simulate
from shuke.kit import crew
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


@pytest.mark.django_db(transaction=True)
def test_one_process_and_two_give_the_same_report_and_the_same_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live(members=4, days=150)
    monkeypatch.setattr(operations, "SALES_PER_BATCH", 1)
    monkeypatch.setattr(operations, "SALES_PER_PROCESS", 10)
    monkeypatch.setattr(crew, "_way", lambda: "fork")
    tiers = deepcopy(RULES["tiers"])
    tiers["levels"][1]["discount_percent"] = "10"
    asked = question(tiers=tiers)
    alone: list[Progress] = []
    together: list[Progress] = []
    whole = json.dumps(simulate(asked, watch=alone.append))
    assert json.dumps(simulate(asked, watch=together.append, processes=2)) == whole
    assert json.loads(whole)["draft"]["orders"] > 20 and json.loads(whole)["difference"]["discount_minor"] > 0
    assert [(p.done, p.total) for p in together] == [(n, 4) for n in (1, 2, 3, 4)]
    assert [p.kept for p in together] == [p.kept for p in alone]
    # A crew goes on where one process was interrupted, and the other way round.
    assert json.dumps(simulate(asked, kept=alone[1].kept, processes=2)) == whole
    assert json.dumps(simulate(asked, kept=together[2].kept)) == whole


@pytest.mark.django_db(transaction=True)
def test_who_stops_a_crew_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    live(members=3, days=130)
    monkeypatch.setattr(operations, "SALES_PER_BATCH", 1)
    monkeypatch.setattr(operations, "SALES_PER_PROCESS", 5)
    monkeypatch.setattr(crew, "_way", lambda: "fork")

    def stop(_progress: Progress) -> None:
        assert len(active_children()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(question(), watch=stop, processes=2)
    assert active_children() == []
