"""Cursors keep values and types, and refuse what is not theirs."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.kit.ids import uuid7


def test_round_trip_keeps_types() -> None:
    values = (
        uuid7(),
        datetime(2026, 2, 28, 1, 2, 3, 4, tzinfo=UTC),
        date(2026, 1, 1),
        "张三",
        7,
        10**15,
        True,
        None,
    )
    decoded = decode_cursor(encode_cursor(values))
    assert decoded == values and [type(value) for value in decoded] == [type(value) for value in values]


def test_cursor_survives_a_url() -> None:
    assert set(encode_cursor([uuid7(), "é"])) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:."
    )


def test_altered_cursors_are_refused() -> None:
    good = encode_cursor([7])
    bad = [good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1 :] for i in range(len(good))]
    for text in [*bad, "", "x", good + "x", good[:-1], "a" * 100_000, "é:é", "\x00"]:
        with pytest.raises(InvalidInput) as refusal:
            decode_cursor(text)
        assert refusal.value.field == "cursor"


def test_unknown_types_are_a_programming_error() -> None:
    with pytest.raises(TypeError):
        encode_cursor([1.5])
