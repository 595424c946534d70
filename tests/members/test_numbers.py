"""Member numbers: their shape, and what the check digit catches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shuke.members.numbers import check_digit, is_valid_number, new_number

numbers = st.integers(0, 10**9 - 1).map(lambda n: f"88{n:09d}").map(lambda body: body + check_digit(body))


def test_luhn_of_the_standard_s_example() -> None:
    assert check_digit("7992739871") == "3"


def test_new_numbers_are_valid_and_differ() -> None:
    made = {new_number() for _ in range(500)}
    assert len(made) > 495
    assert all(is_valid_number(number) for number in made)


@given(numbers, st.integers(0, 11), st.integers(1, 9))
def test_every_single_wrong_digit_is_caught(number: str, place: int, shift: int) -> None:
    wrong = str((int(number[place]) + shift) % 10)
    assert not is_valid_number(number[:place] + wrong + number[place + 1 :])


@given(numbers, st.integers(2, 10))
def test_swapped_neighbours_are_caught_but_for_09(number: str, place: int) -> None:
    first, second = number[place], number[place + 1]
    swapped = number[:place] + second + first + number[place + 2 :]
    assert is_valid_number(swapped) == (first == second or {first, second} == {"0", "9"})


@given(st.text(max_size=20))
def test_anything_else_is_no_number(text: str) -> None:
    assert not is_valid_number(text) or (len(text) == 12 and text.startswith("88"))


def test_full_width_digits_are_no_number() -> None:
    number = new_number()
    assert not is_valid_number(number.translate({48 + n: 0xFF10 + n for n in range(10)}))
