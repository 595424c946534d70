"""Which version counts when, and how cheaply that is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from shuke.kit.ids import uuid7
from shuke.loyalty import queries
from shuke.loyalty.errors import UnknownVersion
from shuke.loyalty.queries import (
    diff_versions,
    forget_versions,
    list_versions,
    programme_at,
    version_by_id,
    version_by_number,
)
from tests.factories.core import NOW, make_staff
from tests.factories.loyalty import SOURCE, changed, publish

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SECOND = changed("threshold: 5000", "threshold: 6000")
THIRD = changed("threshold: 5000", "threshold: 7000")


def number_at(instant: Any) -> int | None:
    found = programme_at(instant)
    return found.number if found else None


def test_a_version_counts_from_its_instant_on_to_the_microsecond() -> None:
    assert programme_at(NOW) is None
    publish()
    publish(SECOND, effective_at=NOW + DAY)
    assert number_at(NOW - TICK) is None
    assert number_at(NOW) == 1
    assert number_at(NOW + DAY - TICK) == 1
    assert number_at(NOW + DAY) == 2
    found = programme_at(NOW + DAY)
    assert found is not None
    assert found.programme.tiers.levels[2].threshold == 600_000


def test_a_version_before_a_scheduled_one_gives_way_to_it() -> None:
    publish()
    publish(SECOND, effective_at=NOW + 9 * DAY)
    publish(THIRD, effective_at=NOW + 3 * DAY)
    assert [number_at(NOW + days * DAY) for days in (1, 3, 8, 9, 99)] == [1, 3, 3, 2, 2]


def test_of_two_that_begin_together_the_later_published_counts() -> None:
    publish()
    publish(SECOND, effective_at=NOW + DAY)
    publish(THIRD, effective_at=NOW + DAY)
    assert number_at(NOW + DAY) == 3


def test_a_busy_process_asks_the_database_once_a_second(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    programme_at(NOW)
    with django_assert_num_queries(0):
        for _ in range(100):
            programme_at(NOW)
    later = queries.time.monotonic() + queries.LIST_SECONDS + 0.1
    monkeypatch.setattr(queries.time, "monotonic", lambda: later)
    with django_assert_num_queries(1):
        programme_at(NOW)
        programme_at(NOW)


def test_a_version_of_another_process_is_seen_after_a_second_and_scheduled_ones_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish()
    publish(SECOND, effective_at=NOW + DAY)
    programme_at(NOW)
    before = queries._line
    publish(THIRD, effective_at=NOW + 2 * DAY)
    queries._line = before  # as in a process that has not heard of it
    assert [number_at(NOW + days * DAY) for days in (0, 1, 2)] == [1, 2, 2]
    later = queries.time.monotonic() + queries.LIST_SECONDS + 0.1
    monkeypatch.setattr(queries.time, "monotonic", lambda: later)
    assert number_at(NOW + 2 * DAY) == 3


def test_a_compiled_version_is_kept(django_assert_num_queries: Any) -> None:
    version = publish()
    first = version_by_id(version.id)
    with django_assert_num_queries(0):
        assert version_by_id(version.id) is first
    assert (first.number, first.document["code"]) == (1, "test")


def test_what_is_stored_compiles_to_what_was_published() -> None:
    version = publish()
    read = version_by_id(version.id)
    assert read.document == version.document
    assert list(read.programme.expiry) in (["points", "growth"], ["growth", "points"])


def test_unknown_versions_are_refused() -> None:
    with pytest.raises(UnknownVersion):
        version_by_id(uuid7())
    with pytest.raises(UnknownVersion):
        version_by_number(7)


def test_the_list_tells_when_each_version_counts(django_assert_num_queries: Any) -> None:
    staff = make_staff()
    publish(actor=staff.as_actor(), effective_at=NOW - 9 * DAY)
    publish(SECOND, now=NOW - 2 * DAY)
    publish(THIRD, effective_at=NOW + DAY)
    publish(SOURCE, effective_at=NOW + DAY)
    with django_assert_num_queries(1):
        rows = list_versions(NOW)
    assert [(row.number, row.status) for row in rows] == [
        (4, "scheduled"), (3, "never"), (2, "in_force"), (1, "superseded"),
    ]  # fmt: skip
    assert rows[3].published_by == staff.display_name
    assert rows[2].until == NOW + DAY


def test_before_the_first_version_the_list_is_empty() -> None:
    assert list_versions(NOW) == []


def test_versions_are_compared_by_number() -> None:
    publish()
    publish(SECOND)
    assert [change.text for change in diff_versions(1, 2)] == ["Gold threshold 5,000.00 → 6,000.00"]
    assert [change.text for change in diff_versions(2, 1)] == ["Gold threshold 6,000.00 → 5,000.00"]


def test_forgetting_reads_the_list_again() -> None:
    publish()
    assert number_at(NOW) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE loyalty_programmeversion DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM loyalty_programmeversion")
    assert number_at(NOW) == 1
    forget_versions()
    assert number_at(NOW) is None
