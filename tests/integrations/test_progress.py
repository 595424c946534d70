"""Progress of a long import where nobody watches: now and then a whole line, never a carriage return."""

from __future__ import annotations

import pytest

from shuke.integrations.commands import HELD, lines_of_progress
from shuke.integrations.values import Work


def test_a_line_a_minute_goes_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    show = lines_of_progress("orders", lambda: clock[0])
    for at, done in ((0, 0), (20, 1_000), (61, 3_000), (90, 4_000), (130, 6_000)):
        clock[0] = float(at)
        show(Work("rows", done, 9_000))
    assert capsys.readouterr().err == "orders: 3,000 of 9,000 rows\norders: 6,000 of 9,000 rows\n"


def test_that_a_run_keeps_tills_waiting_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    show = lines_of_progress("orders", lambda: 0.0)
    for work in (Work("plan", 0, 0), Work("hold", 0, 0), Work("orders", 0, 5)):
        show(work)
    assert capsys.readouterr().err == f"{HELD}\n"
