"""The accountant's arithmetic: parts are the whole, expectations are bounded by experience, nets cancel out."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shuke.analytics.finance import (
    AGES,
    Claim,
    Ended,
    LotGroup,
    age_span,
    cash_rate,
    expected_rates,
    positions,
    price_groups,
    value_of,
)
from shuke.loyalty.programme import unit_currency
from tests.factories.programmes import programme

ages = st.integers(0, len(AGES))


def test_ages_follow_on_each_other() -> None:
    spans = [age_span(age) for age in range(len(AGES) + 1)]
    assert spans[0] == (0, 30)
    assert spans[-1] == (731, None)
    assert all(after[0] == (before[1] or 0) + 1 for before, after in pairwise(spans))


def test_points_are_worth_what_redemption_says_and_money_is_money() -> None:
    club = programme()
    assert cash_rate(club, "points") == 1
    assert cash_rate(club, "stored_value") == 1
    assert cash_rate(club, "growth") is None
    assert cash_rate(
        programme(redemption={"points": 1000, "worth": "1.00", "step": 1000}), "points"
    ) == Fraction(1, 10)
    assert cash_rate(None, "points") is None


def test_without_history_everything_is_expected_and_with_it_the_older_the_less() -> None:
    assert expected_rates({}) == [Fraction(1)] * (len(AGES) + 1)
    rates = expected_rates({0: Ended(80, 0), 3: Ended(10, 10)})
    assert rates[0] == Fraction(90, 100)
    assert rates[1] == rates[3] == Fraction(1, 2)
    assert rates[4] == 1
    # More came back than was used: nothing is expected to be used, and nothing less than that.
    assert expected_rates({0: Ended(-5, 10)})[0] == 0


@given(
    st.lists(
        st.tuples(ages, st.sampled_from(["usable", "pending", "lapsed"]), st.integers(0, 10**9)), max_size=9
    ),
    st.dictionaries(ages, st.builds(Ended, st.integers(-5, 10**6), st.integers(0, 10**6))),
    st.one_of(st.none(), st.fractions(min_value=0, max_value=5, max_denominator=1000)),
)
def test_the_parts_of_a_report_are_its_total(
    found: list[tuple[int, str, int]], history: dict[int, Ended], rate: Fraction | None
) -> None:
    rows = price_groups([LotGroup(age, state, 1, units) for age, state, units in found], history, rate)
    assert sum(row.units for row in rows) == sum(units for *_rest, units in found)
    for row in rows:
        assert 0 <= row.expected <= row.units
        assert row.expected == 0 or row.state != "lapsed"
        if rate is None:
            assert (row.value_minor, row.breakage_minor) == (None, None)
        else:
            assert row.value_minor is not None
            assert row.deferred_minor is not None
            assert 0 <= row.deferred_minor <= row.value_minor
    if rate is not None:
        assert sum(row.value_minor or 0 for row in rows) == value_of(sum(row.units for row in rows), rate)


stores = st.one_of(st.none(), st.sampled_from("ABC"))


@given(st.lists(st.builds(Claim, stores, stores, st.integers(-(10**6), 10**6))))
def test_what_stores_owe_each_other_cancels_out(claims: list[Claim]) -> None:
    found = positions(claims)
    assert sum(position.net for position in found) == 0
    assert sum(p.receivable + p.own for p in found) == sum(claim.value_minor for claim in claims)
    assert {p.store for p in found} == {c.issuer for c in claims} | {c.user for c in claims}


def test_money_counts_minor_units_of_the_currency_and_points_count_themselves() -> None:
    club = programme()
    assert unit_currency(club, "stored_value") == unit_currency(club, "gift_card") == "CNY"
    assert unit_currency(club, "points") == unit_currency(club, "stamps") == ""
