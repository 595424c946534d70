"""The outbox: nothing lost, nothing twice, order kept, whatever the writers do."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from shuke.core.models import OutboxCursor, OutboxEvent
from shuke.core.operations import NewEvent, publish_event, publish_events, purge_events
from shuke.core.outbox import Event, advance, consume, read_batch
from shuke.kit.ids import uuid7
from tests.core.races import race, settle
from tests.factories.core import NOW


def publish(number: int, *, member: int = 0) -> None:
    publish_event(
        name="test.happened.v1", member_id=None, occurred_at=NOW, payload={"n": number, "m": member}
    )


def drain(consumer: str, limit: int = 100, *, settled: bool = True) -> list[int]:
    """Everything that is readable now, or with `settled` everything that is committed."""
    if settled:
        settle()
    seen: list[int] = []
    while consume(
        consumer=consumer, limit=limit, now=NOW, handle=lambda events: seen.extend(numbers(events))
    ):
        pass
    return seen


def numbers(events: list[Event]) -> list[int]:
    return [event.payload["n"] for event in events]


@pytest.mark.django_db(transaction=True)
def test_events_come_in_order_once_per_consumer() -> None:
    member = uuid7()
    publish_events(
        [
            NewEvent(name=f"test.{n}.v1", member_id=member, occurred_at=NOW, payload={"n": n, "who": member})
            for n in range(5)
        ]
    )
    publish_events([])
    settle()
    with transaction.atomic():
        [first, *_] = read_batch("webhooks", 1)
    assert (first.name, first.member_id, first.occurred_at) == ("test.0.v1", member, NOW)
    assert first.payload == {"n": 0, "who": str(member)}
    assert drain("webhooks", limit=2) == [0, 1, 2, 3, 4]
    assert drain("webhooks") == []
    assert drain("warehouse") == [0, 1, 2, 3, 4]
    publish(5)
    assert drain("webhooks") == [5]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_rolled_back_transaction_never_appears() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(1)
        raise RuntimeError
    assert drain("c") == []


@pytest.mark.django_db(transaction=True)
def test_a_failing_handler_moves_nothing() -> None:
    publish(1)

    def fail(events: list[Event]) -> None:
        raise RuntimeError

    settle()
    with pytest.raises(RuntimeError):
        consume(consumer="c", limit=10, now=NOW, handle=fail)
    assert drain("c") == [1]


@pytest.mark.django_db(transaction=True)
def test_reading_without_a_transaction_is_refused() -> None:
    with pytest.raises(TransactionManagementError):
        read_batch("c", 10)


@pytest.mark.django_db(transaction=True)
def test_a_long_transaction_delays_later_events_and_loses_none() -> None:
    """The early writer commits last: a reader that went by the number alone would have passed it."""
    early_wrote, commit_early = threading.Event(), threading.Event()

    def early() -> None:
        with transaction.atomic():
            publish(1)
            early_wrote.set()
            assert commit_early.wait(20)

    def later() -> tuple[list[int], list[int]]:
        assert early_wrote.wait(20)
        publish(2)
        before = drain("c", settled=False)
        commit_early.set()
        deadline = time.monotonic() + 20
        after: list[int] = []
        while len(after) < 2 and time.monotonic() < deadline:
            after += drain("c", settled=False)
        return before, after

    _, outcome = race([early, later])
    assert outcome == ([], [1, 2])


@pytest.mark.django_db(transaction=True)
def test_only_one_of_two_workers_gets_the_cursor() -> None:
    publish(1)
    settle()
    consume(consumer="c", limit=0, now=NOW, handle=lambda events: None)
    holding, release = threading.Event(), threading.Event()

    def first() -> list[int]:
        with transaction.atomic():
            events = read_batch("c", 10)
            holding.set()
            assert release.wait(20)
            advance("c", events[-1], now=NOW)
        return numbers(events)

    def second() -> list[int]:
        assert holding.wait(20)
        with transaction.atomic():
            events = read_batch("c", 10)
        release.set()
        return numbers(events)

    assert race([first, second]) == [[1], []]
    assert OutboxCursor.objects.get().updated_at == NOW


@pytest.mark.django_db(transaction=True)
def test_consumers_neither_lose_nor_double_under_concurrent_writers() -> None:
    """Twelve writers with transactions of random length and random rollbacks; three workers for each of two consumers."""
    per_writer, writers = 40, 12
    written: set[int] = set()
    delivered: dict[str, list[Event]] = {"a": [], "b": []}
    lock, done = threading.Lock(), threading.Event()
    left = [writers]

    def write(writer: int) -> None:
        chance = random.Random(writer)
        try:
            for index in range(per_writer):
                number = writer * 1000 + index
                keep = chance.random() > 0.2
                try:
                    with transaction.atomic():
                        publish(number, member=writer)
                        time.sleep(chance.choice([0, 0, 0.001, 0.01, 0.05]))
                        publish(number + 500_000, member=writer)
                        if not keep:
                            raise InterruptedError
                except InterruptedError:
                    continue
                with lock:
                    written.update((number, number + 500_000))
        finally:
            with lock:
                left[0] -= 1
                if not left[0]:
                    done.set()

    def work(consumer: str) -> None:
        quiet = 0
        while quiet < 3:
            if finished := done.is_set():
                settle()
            batch: list[Event] = []
            size = consume(consumer=consumer, limit=7, now=NOW, handle=batch.extend)
            with lock:
                delivered[consumer].extend(batch)
            if not size:
                quiet = quiet + 1 if finished else 0
                time.sleep(0.02)

    outcomes = race(
        [lambda w=writer: write(w) for writer in range(writers)]  # type: ignore[misc]
        + [lambda c=consumer: work(c) for consumer in ("a", "b") for _ in range(3)]  # type: ignore[misc]
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)], outcomes
    for consumer, events in delivered.items():
        got = numbers(events)
        assert len(got) == len(set(got)), f"{consumer} got something twice"
        assert set(got) == written, f"{consumer} lost something"
    assert len(written) > 500


@pytest.mark.django_db(transaction=True)
def test_a_neighbour_database_holds_nobody_back() -> None:
    """A long transaction elsewhere on the server (a dump, a report) must not stop the outbox."""
    here = connection.settings_dict
    place = {"host": here["HOST"], "port": here["PORT"], "user": here["USER"], "password": here["PASSWORD"]}
    with psycopg.connect(
        dbname="postgres", **{key: value for key, value in place.items() if value}
    ) as neighbour:
        neighbour.execute("SELECT pg_current_xact_id()")
        publish(1)
        assert drain("c") == [1]


@pytest.mark.django_db(transaction=True)
def test_order_per_member_is_the_order_of_commits() -> None:
    """Writers of one member wait for each other (as sales do), so the reader sees their events in that order."""
    counter = {"n": 0}

    def write() -> None:
        for _ in range(15):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(42)")
                counter["n"] += 1
                publish(counter["n"])

    race([write] * 6)
    assert drain("c", limit=13) == list(range(1, 91))


@pytest.mark.django_db(transaction=True)
def test_purge_keeps_what_somebody_has_not_read() -> None:
    for number in range(4):
        publish(number)
    later = NOW + timedelta(days=1)
    assert purge_events(older_than=later) == 0, "without a consumer everything is kept"
    assert drain("fast") == [0, 1, 2, 3]
    consume(consumer="slow", limit=3, now=NOW, handle=lambda events: None)
    assert purge_events(older_than=NOW) == 0
    assert purge_events(older_than=later) == 3
    assert drain("slow") == [3]
    assert purge_events(older_than=later) == 1
    assert OutboxEvent.objects.count() == 0


@pytest.mark.django_db
def test_facts_are_never_edited() -> None:
    publish(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        OutboxEvent.objects.update(payload={})
