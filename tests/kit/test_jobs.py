"""Background jobs on a real queue: part of the transaction, retried, locked, rescued."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from shuke.core.models import AuditEvent
from shuke.core.operations import record_audit
from shuke.core.values import SYSTEM
from shuke.kit import jobs
from shuke.kit.clock import now

PERIODIC = dict(queue.periodic_registry.periodic_tasks)
pytestmark = pytest.mark.django_db(transaction=True)


def act(**data: Any) -> None:
    """What a job leaves behind in these tests."""
    record_audit(actor=SYSTEM, action="test.job_ran.v1", now=now(), data=data)


@jobs.task(name="test.act")
def act_once(number: int) -> None:
    act(number=number)


@jobs.after(event="test.happened.v1")
@jobs.task(name="test.follow")
def act_after() -> None:
    act(number=9)


@jobs.task(name="test.fail", retries=2)
def act_and_fail() -> None:
    act()
    raise RuntimeError("13800138000 is broken")


@jobs.task(name="test.fail_and_follow", lock="test.fail_and_follow", retries=2)
def fail_while_the_next_one_waits() -> None:
    """The first time only."""
    act(number=1 + AuditEvent.objects.count())
    if AuditEvent.objects.count() == 1:
        jobs.defer("test.fail_and_follow", once="the clock")
        raise RuntimeError


@jobs.task(name="test.chain")
def act_and_defer() -> None:
    with transaction.atomic():
        jobs.defer("test.act", number=2)
        act(number=1)


@jobs.task(name="test.chain_failing")
def defer_and_roll_back() -> None:
    with transaction.atomic():
        jobs.defer("test.act", number=2)
        raise RuntimeError


@jobs.task(name="test.kill", lock="test.kill")
def kill_the_worker() -> None:
    """Die like a process that was killed, the first time only."""
    act()
    if AuditEvent.objects.count() == 1:
        os._exit(9)


@jobs.task(name="test.always_kill")
def always_kill_the_worker() -> None:
    os._exit(9)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    strategy = queue.tasks["test.fail"].retry_strategy
    monkeypatch.setattr(strategy, "exponential_wait", 0)  # repeat at once
    monkeypatch.setattr(queue.periodic_registry, "periodic_tasks", {})
    yield
    connection.close()


def work() -> None:
    jobs.run_worker(wait=False, concurrency=1)


def ran() -> list[Any]:
    return [event.data.get("number") for event in AuditEvent.objects.order_by("id")]


def statuses() -> list[tuple[str, str, int]]:
    rows = ProcrastinateJob.objects.exclude(task_name__startswith="kit.").order_by("id")
    return list(rows.values_list("task_name", "status", "attempts"))


def test_a_deferred_job_runs_once() -> None:
    assert jobs.defer("test.act", number=7) is True
    work()
    work()
    assert ran() == [7] and statuses() == [("test.act", "succeeded", 1)]


def test_a_job_belongs_to_the_transaction() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        jobs.defer("test.act", number=1)
        raise RuntimeError
    with transaction.atomic():
        jobs.defer("test.act", number=2)
    work()
    assert ran() == [2]


def test_jobs_deferred_by_jobs_belong_to_their_transaction() -> None:
    jobs.defer("test.chain")
    jobs.defer("test.chain_failing")
    work()
    assert ran() == [1, 2]
    assert ("test.chain_failing", "failed", 1) in statuses()


def test_once_is_refused_quietly_and_leaves_the_transaction_usable() -> None:
    with transaction.atomic():
        assert jobs.defer("test.act", once="act", number=1) is True
        assert jobs.defer("test.act", once="act", number=2) is False
        act(number=0)
    assert ran() == [0]
    work()
    assert ran() == [0, 1]
    assert jobs.defer("test.act", once="act", number=3) is True


def test_whoever_waits_for_what_follows_an_event_may_hurry_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        jobs.hurry(event="test.happened.v1")
        raise RuntimeError
    assert statuses() == []
    with transaction.atomic():
        jobs.hurry(event="test.happened.v1")
        jobs.hurry(event="test.happened.v1")
        jobs.hurry(event="test.unheard_of.v1")
        assert statuses() == [], "nobody waits for a row of the queue while other locks are held"
    assert statuses() == [("test.follow", "todo", 0)]
    work()
    assert ran() == [9]
    with transaction.atomic():
        act(number=1)
        jobs.hurry(event="test.happened.v1")
        monkeypatch.setattr(jobs, "_by_name", {})  # what cannot be queued fails nobody
    assert ran() == [9, 1]


def test_failures_are_repeated_and_then_given_up() -> None:
    jobs.defer("test.fail")
    for _ in range(5):
        work()
    assert ran() == [None] * 3 and statuses() == [("test.fail", "failed", 3)]


def test_run_at_waits() -> None:
    jobs.defer("test.act", run_at=now() + timedelta(hours=1), number=1)
    work()
    assert ran() == [] and statuses() == [("test.act", "todo", 0)]


def test_an_unknown_job_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        jobs.defer("test.no_such_job")


def test_a_task_stays_a_function() -> None:
    act_once(5)
    assert ran() == [5]


def worker_process() -> subprocess.Popen[bytes]:
    """A worker of its own process on this test's database."""
    settings = connection.settings_dict
    user, host = f"{settings['USER']}:{settings['PASSWORD']}", settings["HOST"]
    place = (
        f"@/{settings['NAME']}?host={host}"
        if host.startswith("/")
        else f"@{host}:{settings['PORT']}/{settings['NAME']}"
    )
    code = (
        "import django; django.setup(); import tests.kit.test_jobs; from shuke.kit import jobs; "
        "from procrastinate.contrib.django import app; app.periodic_registry.periodic_tasks.clear(); "
        "jobs.run_worker(wait=False, concurrency=1)"
    )
    environment = {**os.environ, "DATABASE_URL": f"postgres://{user}{place}"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)


def rescue_now() -> None:
    """Let the dead worker's heartbeat be old, then run the rescuer."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    queue.configure_task("kit.rescue_stalled_jobs").defer(timestamp=int(time.time()))
    work()


def test_a_job_whose_worker_was_killed_is_rescued_with_its_lock() -> None:
    jobs.defer("test.kill")
    assert worker_process().wait(60) == 9
    assert statuses() == [("test.kill", "doing", 0)]
    assert jobs.defer("test.kill")
    work()
    assert ran() == [None], "the dead worker's lock holds its sister back"
    rescue_now()
    work()
    assert [status for name, status, _attempts in statuses() if name == "test.kill"] == [
        "succeeded",
        "succeeded",
    ]
    assert len(ran()) == 3


def test_of_a_word_that_waits_already_the_rescued_job_is_left_to_that_one() -> None:
    """So it is with a job by the clock whose worker was killed: the next one waits behind its lock."""
    jobs.defer("test.kill", once="the clock")
    assert worker_process().wait(60) == 9
    assert jobs.defer("test.kill", once="the clock"), "what runs does not wait"
    rescue_now()
    work()
    assert statuses() == [("test.kill", "failed", 1), ("test.kill", "succeeded", 1)]
    assert ran() == [None, None]


def test_of_a_word_that_waits_already_the_failed_job_is_left_to_that_one() -> None:
    jobs.defer("test.fail_and_follow", once="the clock")
    work()
    assert ran() == [1, 2]
    assert statuses() == [("test.fail_and_follow", "failed", 1), ("test.fail_and_follow", "succeeded", 1)]


def test_a_job_that_kills_every_worker_is_given_up() -> None:
    jobs.defer("test.always_kill")
    ProcrastinateJob.objects.filter(task_name="test.always_kill").first()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [jobs.MAX_RESCUES])
    assert worker_process().wait(60) == 9
    rescue_now()
    assert ("test.always_kill", "failed") in [(name, status) for name, status, _attempts in statuses()]


def test_old_jobs_are_forgotten() -> None:
    jobs.defer("test.act", number=1)
    work()
    jobs.defer("test.act", run_at=now() + timedelta(hours=1), number=2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '4 days'")
    queue.configure_task("kit.remove_old_jobs").defer(timestamp=int(time.time()))
    work()
    assert [status for name, status, _attempts in statuses() if name == "test.act"] == ["todo"]


def test_every_room_registers_its_periodic_jobs() -> None:
    periodic = {task.task.name: task.cron for task in PERIODIC.values()}
    assert periodic["core.seal_audit"] == "*/5 * * * *" and "kit.rescue_stalled_jobs" in periodic
    assert set(periodic) - {"kit.rescue_stalled_jobs", "kit.remove_old_jobs"} <= set(jobs.task_names())


def test_the_cores_own_jobs_run() -> None:
    act(number=1)
    for name in jobs.task_names():
        if name.startswith("core."):
            jobs.defer(name)
    work()
    outcomes = {(name, status) for name, status, _attempts in statuses()}
    assert {status for _name, status in outcomes} == {"succeeded"} and len(outcomes) >= 4
