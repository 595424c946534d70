from __future__ import annotations

import threading
import time

import pytest

from shuke.kit.turns import Turns


def test_who_came_first_is_served_first_and_other_things_are_free() -> None:
    turns, served = Turns(), list[int]()

    def want(number: int) -> None:
        with turns.turn("book") as waited:
            assert waited
            served.append(number)

    threads = [threading.Thread(target=want, args=(n,)) for n in range(6)]
    with turns.turn("book") as waited:
        assert not waited
        for n, thread in enumerate(threads, 1):
            thread.start()
            deadline = time.monotonic() + 20
            while len(turns._queues["book"]) < n:
                assert time.monotonic() < deadline, "nobody comes"
                time.sleep(0.001)
        with turns.turn("another book"), turns.turn(None), turns.turn(None):
            assert served == []
    for thread in threads:
        thread.join(20)
    assert served == [*range(6)]
    assert turns._queues == {}


def test_a_fault_passes_the_turn_on() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError), turns.turn("book"):
        raise RuntimeError("broken")
    with turns.turn("book"):
        pass
    assert turns._queues == {}
