"""Money is exact or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.kit.money import MAX_MINOR, BadAmount, Money, allocate, divide, exponent, to_minor, to_text

AMOUNTS = st.integers(-MAX_MINOR, MAX_MINOR)
CURRENCIES = st.sampled_from(["CNY", "USD", "JPY", "KWD"])


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.30", "CNY", 1230),
        ("12.3", "CNY", 1230),
        ("0.01", "CNY", 1),
        ("-0.01", "CNY", -1),
        (" 7 ", "CNY", 700),
        ("+7", "CNY", 700),
        (".5", "CNY", 50),
        ("5.", "CNY", 500),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("12.300", "CNY", 1230),
        (Decimal("9.99"), "CNY", 999),
        (3, "CNY", 300),
        ("10000000000000", "CNY", MAX_MINOR),
        ("-0", "CNY", 0),
    ],
)
def test_to_minor(text: str | Decimal | int, currency: str, minor: int) -> None:
    assert to_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("12.345", "CNY"), ("0.5", "JPY"), ("1.2345", "KWD"), ("10000000000000.01", "CNY"), ("", "CNY"), (".", "CNY"),
        ("-", "CNY"), ("1e3", "CNY"), ("NaN", "CNY"), ("Infinity", "CNY"), ("1,000", "CNY"), ("１２", "CNY"),
        ("12.3.4", "CNY"), ("¥12", "CNY"), ("--1", "CNY"), ("9" * 40, "CNY"), (Decimal("NaN"), "CNY"),
        (Decimal("Infinity"), "CNY"), (Decimal("1E+30"), "CNY"), ("1", "cny"), ("1", "CNYX"), ("1", "人民币"),
    ],
)  # fmt: skip
def test_unusable_amounts_are_refused(text: str | Decimal, currency: str) -> None:
    with pytest.raises(BadAmount):
        to_minor(text, currency)


def test_exponents() -> None:
    assert [exponent(code) for code in ("CNY", "TWD", "JPY", "KWD", "XYZ")] == [2, 2, 0, 3, 2]


@given(AMOUNTS, CURRENCIES)
def test_text_round_trip(minor: int, currency: str) -> None:
    assert to_minor(to_text(minor, currency), currency) == minor


def test_to_text() -> None:
    assert [to_text(value) for value in (0, 5, -5, 1230, -123456)] == [
        "0.00",
        "0.05",
        "-0.05",
        "12.30",
        "-1234.56",
    ]
    assert to_text(7, "JPY") == "7" and to_text(-7, "KWD") == "-0.007"
    assert str(Money(1230)) == "12.30 CNY"


@given(st.integers(0, 10**18), st.integers(1, 10**9))
def test_divide_brackets_the_quotient(numerator: int, denominator: int) -> None:
    low, half, high = (divide(numerator, denominator, how) for how in ("floor", "half_up", "ceil"))  # type: ignore[arg-type]
    assert low * denominator <= numerator <= high * denominator
    assert high - low == (numerator % denominator != 0)
    assert half == (high if 2 * (numerator % denominator) >= denominator and numerator % denominator else low)


def test_divide_by_example() -> None:
    assert [divide(57, 2, how) for how in ("floor", "half_up", "ceil")] == [28, 29, 29]  # type: ignore[arg-type]
    assert [divide(4, 2, how) for how in ("floor", "half_up", "ceil")] == [2, 2, 2]  # type: ignore[arg-type]


@given(AMOUNTS, st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_allocation_sums_up_and_stays_within_one_unit_of_fair(total: int, weights: list[int]) -> None:
    parts = allocate(total, weights)
    assert sum(parts) == total and len(parts) == len(weights)
    assert all(part * total >= 0 for part in parts), "no part has the other sign"
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part * whole - total * weight) < whole
            assert weight or not part, "what weighs nothing gets nothing"


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_negative_mirrors_positive(total: int, weights: list[int]) -> None:
    assert allocate(-total, weights) == [-part for part in allocate(total, weights)]


def test_allocation_by_example() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(10, [3, 1, 1]) == [6, 2, 2]
    assert allocate(5, [0, 0, 0]) == [2, 2, 1]
    assert allocate(1, [1, 3, 3]) == [0, 1, 0]
    assert allocate(0, []) == []
    with pytest.raises(ValueError, match="nothing to allocate"):
        allocate(1, [])
