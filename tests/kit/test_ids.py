"""UUIDv7: in order, unique, standard."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from shuke.kit.ids import uuid7


def milliseconds(value: UUID) -> int:
    return value.int >> 80


def test_version_variant_and_time() -> None:
    before = time.time_ns() // 1_000_000
    value = uuid7()
    assert (value.version, value.variant) == (7, RFC_4122)
    assert before <= milliseconds(value) <= time.time_ns() // 1_000_000 + 1


def test_ids_of_one_process_are_in_order_even_faster_than_the_counter() -> None:
    values = [uuid7() for _ in range(50_000)]
    assert values == sorted(values) and len(set(values)) == len(values)


def test_threads_never_share_an_id() -> None:
    made: list[list[UUID]] = []
    threads = [
        threading.Thread(target=lambda: made.append([uuid7() for _ in range(5_000)])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({value for batch in made for value in batch}) == 40_000
    assert all(batch == sorted(batch) for batch in made)


def test_ids_of_the_past_sort_among_their_contemporaries() -> None:
    old, older = datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    assert uuid7(older) < uuid7(old) < uuid7()
    assert milliseconds(uuid7(old)) == int(old.timestamp() * 1000)
    many = [uuid7(old) for _ in range(10_000)]
    assert len(set(many)) == 10_000 and {value.version for value in many} == {7}


def test_a_forked_process_does_not_repeat_its_parents_bits() -> None:
    uuid7()  # so that something is left that a child could draw, too
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"".join(uuid7().bytes[8:] for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 800)
    os.close(read), os.close(write)
    ours = {uuid7().bytes[8:] for _ in range(1000)}
    assert not ours & {theirs[place : place + 8] for place in range(0, 800, 8)}
