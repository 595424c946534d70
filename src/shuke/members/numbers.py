"""Member numbers: 12 digits, "88", nine random digits and a Luhn check digit (ISO/IEC 7812-1 annex B).

The nine digits are random rather than counted, so that a number neither tells how many members there are nor lets a
neighbour's number be guessed; the check digit finds every single wrong digit and nearly every swap of neighbours.
"""

from __future__ import annotations

import secrets

PREFIX = "88"
LENGTH = 12
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def new_number() -> str:
    """A fresh number. It may be taken: the unique constraint decides, the caller tries again."""
    body = f"{PREFIX}{secrets.randbelow(10**9):09d}"
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """The Luhn digit that completes a string of ASCII digits."""
    total = 0
    for position, digit in enumerate(reversed(body)):
        value = ord(digit) - 48
        total += _DOUBLED[value] if position % 2 == 0 else value
    return str(-total % 10)


def is_valid_number(text: str) -> bool:
    """True for 12 ASCII digits that begin with 88 and end in the right check digit."""
    return (
        len(text) == LENGTH
        and text.isascii()
        and text.isdigit()
        and text.startswith(PREFIX)
        and check_digit(text[:-1]) == text[-1]
    )
