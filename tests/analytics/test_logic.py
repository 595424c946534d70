"""Periods, classes and shares."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.analytics.logic import (
    FREQUENCY_STARTS,
    RECENCY_LIMITS,
    Metric,
    Period,
    frequency_class,
    frequency_orders,
    frequency_starts,
    recency_class,
    recency_days,
)

TODAY = date(2026, 11, 21)


def test_a_period_counts_both_ends_and_knows_the_one_before() -> None:
    period = Period.last_days(30, TODAY)
    assert period == Period(date(2026, 10, 23), TODAY)
    assert period.days == 30
    assert period.previous == Period(date(2026, 9, 23), date(2026, 10, 22))


def test_a_period_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError):
        Period(TODAY, TODAY - timedelta(days=1))


@given(st.integers(1, 1500))
def test_steps_cover_the_period_once(days: int) -> None:
    period = Period.last_days(days, TODAY)
    steps = period.steps
    assert [step.first for step in steps[1:]] == [step.last + timedelta(days=1) for step in steps[:-1]]
    assert (steps[0].first, steps[-1].last) == (period.first, period.last)
    if days <= 92:
        assert {step.days for step in steps} == {1}
    else:
        assert {step.days for step in steps[1:]} == {7}
        assert 4 <= steps[0].days <= 10


def test_a_change_needs_something_to_compare_with() -> None:
    assert Metric(124, 100, ()).change == Decimal("0.24")
    assert Metric(50, 100, ()).change == Decimal("-0.5")
    assert Metric(5, 0, ()).change is None


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, 0), (0, 0), (7, 0), (8, 1), (30, 1), (31, 2), (91, 4), (364, 4), (365, None)]
)
def test_recency_class(days: int, expected: int | None) -> None:
    assert recency_class(days) == expected


@pytest.mark.parametrize("days", range(365))
def test_the_days_of_a_class_are_those_that_fall_into_it(days: int) -> None:
    bought = TODAY - timedelta(days=days)
    inside = [
        r
        for r in range(len(RECENCY_LIMITS))
        if recency_days(r, TODAY)[0] <= bought <= recency_days(r, TODAY)[1]
    ]
    assert inside == [recency_class(days)]


@given(st.integers(1, 500))
def test_the_orders_of_a_class_are_those_that_fall_into_it(orders: int) -> None:
    starts = (1, 8, 25, 50, 100)
    inside = [
        f for f in range(5) if frequency_orders(f, starts)[0] <= orders <= frequency_orders(f, starts)[1]
    ]
    assert inside == [frequency_class(orders, starts)]


def test_without_orders_there_is_no_frequency_class() -> None:
    assert frequency_class(0, FREQUENCY_STARTS) is None


def test_frequency_classes_are_fifths_with_round_limits() -> None:
    assert frequency_starts(dict.fromkeys(range(1, 101), 1)) == (1, 20, 40, 60, 80)


@pytest.mark.parametrize("counted", [{}, {0: 9}, {1: 50, 2: 30, 3: 20}, {60: 100}])
def test_too_little_variety_gets_the_fixed_classes(counted: dict[int, int]) -> None:
    assert frequency_starts(counted) == FREQUENCY_STARTS
