"""Run functions at the same moment, each in its own thread with its own connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def race(functions: Sequence[Callable[[], T]], *, timeout: float = 120) -> list[T | BaseException]:
    """Results (or exceptions) in the order of the functions; fails when one hangs."""
    results: list[T | BaseException | None] = [None] * len(functions)
    gate = threading.Barrier(len(functions))

    def run(index: int) -> None:
        try:
            gate.wait()
            results[index] = functions[index]()
        except BaseException as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results  # type: ignore[return-value]


def settle() -> None:
    """Wait until every row written so far is readable. On a shared server a neighbour's transaction that ends at
    the wrong moment may hold a reader back for one read; that is right, and no business of these tests."""
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT core_txid_horizon() > GREATEST((SELECT max(txid) FROM core_auditevent), "
                "(SELECT max(txid) FROM core_outboxevent), 0)"
            )
            if cursor.fetchone() == (True,):
                return
            time.sleep(0.01)
    raise AssertionError("something holds the horizon back")
