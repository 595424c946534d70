"""YAML that would hurt is refused before anything is built from it."""

from __future__ import annotations

import time

import pytest

from shuke.loyalty.errors import InvalidProgramme
from shuke.loyalty.source import MAX_BYTES, Mapping, Scalar, Sequence, child, read


def problem_of(text: str | bytes) -> tuple[str, str, int]:
    with pytest.raises(InvalidProgramme) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert str(problem)
    return problem.code, problem.path, problem.line


def test_scalars_stay_text_with_their_lines() -> None:
    root = read("a: 1.10\nb:\n  - 'yes'\n  - 010\n")
    assert isinstance(root, Mapping)
    assert root.items["a"] == Scalar(1, "1.10", quoted=False)
    assert root.items["b"] == Sequence(3, [Scalar(3, "yes", quoted=True), Scalar(4, "010", quoted=False)])
    assert root.key_lines == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("empty", "", 1)),
        ("# only a comment\n", ("empty", "", 1)),
        ("a: 1\nb: {c: [}\n", ("yaml_syntax", "", 2)),
        ("a: \x00", ("yaml_syntax", "", 1)),
        (b"\xb2\xe2\xca\xd4", ("not_utf8", "", 1)),
        ("\ud800", ("not_utf8", "", 1)),
        ("x" * (MAX_BYTES + 1), ("too_large", "", 1)),
        ("- 1\n" * 70_000, ("too_large", "", 60_000)),
        ("a: 1\n---\nb: 2\n", ("yaml_feature", "", 2)),
        ("a: &x [1]\nb: *x\n", ("yaml_feature", "b", 2)),
        ("a: [1, &x 2, *x]\n", ("yaml_feature", "a[2]", 1)),
        ("a: !!python/object:os.system {}\n", ("yaml_feature", "a", 1)),
        ("a: !!float 1\n", ("yaml_feature", "a", 1)),
        ("? [a]\n: 1\n", ("yaml_feature", "", 1)),
        ("a:\n  b: 1\n  b: 2\n", ("duplicate_key", "a.b", 3)),
        ("a: " + "[" * 20 + "]" * 20, ("too_deep", "a" + "[0]" * 11, 1)),
    ],
)
def test_what_is_refused_and_where(text: str | bytes, expected: tuple[str, str, int]) -> None:
    assert problem_of(text) == expected


def test_a_byte_order_mark_is_no_problem() -> None:
    root = read("﻿a: 1".encode())
    assert isinstance(root, Mapping)
    assert list(root.items) == ["a"]


@pytest.mark.parametrize(
    "text", ["[" * 900_000, "{" * 900_000, "- " * 450_000, "[\n" * 400_000, "? " * 400_000, "a: " * 300_000]
)
def test_hostile_nesting_costs_nothing(text: str) -> None:
    started = time.process_time()
    problem_of(text)
    assert time.process_time() - started < 2


def test_billion_laughs_is_refused_at_its_first_alias() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 30)]
    assert problem_of("\n".join(lines)) == ("yaml_feature", "a1[0]", 2)


def test_odd_keys_are_quoted_and_shortened_in_paths() -> None:
    assert child("", "tiers") == "tiers"
    assert child("name", "zh-Hans") == "name.zh-Hans"
    assert child("name", "a b") == "name.'a b'"
    assert len(child("", "x" * 1000)) < 70
