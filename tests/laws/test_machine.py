"""The state machine: a short fixed run with every test run, and many random ones in `make test-slow`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.laws.machine import Operations

_COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
SHORT = settings(max_examples=6, stateful_step_count=20, derandomize=True, phases=[Phase.generate], **_COMMON)
LONG = settings(max_examples=60, stateful_step_count=60, **_COMMON)


@pytest.mark.django_db
def test_a_fixed_run_of_all_operations_keeps_the_books() -> None:
    run_state_machine_as_test(Operations, settings=SHORT)


@pytest.mark.slow
@pytest.mark.django_db
def test_random_runs_of_all_operations_keep_the_books() -> None:
    run_state_machine_as_test(Operations, settings=LONG)
