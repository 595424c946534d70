from __future__ import annotations

import threading
import time

import pytest

from shuke.kit import turns as module
from shuke.kit.turns import Turns


def test_who_came_first_is_served_first_and_other_things_are_free() -> None:
    turns, served = Turns[int, str](), list[int]()

    def want(number: int) -> None:
        with turns.turn("book", number) as turn:
            assert turn.is_contested
            assert not turn.is_done
            served.append(number)

    threads = [threading.Thread(target=want, args=(n,)) for n in range(6)]
    with turns.turn("book", -1) as turn:
        assert not turn.is_contested
        come(turns, threads)
        with turns.turn("another book", 0) as other, turns.turn(None, 0), turns.turn(None, 0) as nobodys:
            assert served == []
            assert not other.behind(9)
            assert not nobodys.behind(9)
    for thread in threads:
        thread.join(20)
    assert served == [*range(6)]
    assert turns._queues == {}


def test_a_fault_passes_the_turn_on() -> None:
    turns = Turns[int, str]()
    with pytest.raises(RuntimeError), turns.turn("book", 0):
        raise RuntimeError("broken")
    with turns.turn("book", 1):
        pass
    assert turns._queues == {}


def test_who_has_the_turn_may_do_the_work_of_those_behind() -> None:
    """Of five who wait two are answered and one learns of a fault; the others have their turns, in their order."""
    turns = Turns[int, str]()
    answers: dict[int, str | BaseException | None] = {}
    own: dict[int, list[int]] = {}

    def want(number: int) -> None:
        with turns.turn("book", number) as turn:
            answers[number] = turn.answer or turn.error
            if not turn.is_done:
                own[number] = [one.question for one in turn.behind(9)]

    threads = [threading.Thread(target=want, args=(n,)) for n in range(5)]
    fault = RuntimeError("broken")
    with turns.turn("book", -1) as turn:
        come(turns, threads)
        behind = turn.behind(9)
        assert [one.question for one in behind] == [0, 1, 2, 3, 4]
        assert turn.behind(4) == behind[:4]
        behind[0].answer, behind[2].error, behind[4].answer = "zero", fault, "four"
        assert answers == {}
    for thread in threads:
        thread.join(20)
    assert answers == {0: "zero", 1: None, 2: fault, 3: None, 4: "four"}
    assert own == {1: [3], 3: []}, "who is done is not done again"
    assert turns._queues == {}


def test_a_thing_counts_as_contested_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    turns = Turns[int, str]()

    def is_contested(thing: str) -> bool:
        with turns.turn(thing, 0) as turn:
            found, turn.is_contested = turn.is_contested, False
            return found

    def contest(*things: str) -> None:
        for thing in things:
            with turns.turn(thing, 0) as turn:
                turn.is_contested = True

    contest("a")
    assert is_contested("a")
    assert not is_contested("a"), "once it was free it is free"
    contest("a")
    clock[0] += module.MOMENT_SECONDS
    assert not is_contested("a")
    contest("a", "b", "c")
    assert [is_contested(thing) for thing in "abc"] == [False, True, True], "memory is bounded"
    assert not turns._contested


def come(turns: Turns[int, str], threads: list[threading.Thread]) -> None:
    """Start the threads one by one, each when the one before waits for the book."""
    for n, thread in enumerate(threads, 1):
        thread.start()
        deadline = time.monotonic() + 20
        while len(turns._queues["book"]) < n:
            assert time.monotonic() < deadline, "nobody comes"
            time.sleep(0.001)
