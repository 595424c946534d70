"""Background jobs: the only door to the queue library, so that it could be exchanged.

A room keeps its jobs in `<room>/tasks.py`, which is imported at start::

    @jobs.periodic(cron="*/5 * * * *")
    @jobs.task(name="ledger.expire_lots", lock="ledger.expire_lots", retries=3)
    def expire_lots() -> None: ...

`jobs.defer("ledger.expire_lots")` inside `atomic()` is part of the transaction: the job appears with the
commit or not at all. A job runs at least once: a worker that dies in the middle leaves it to be run again, so
tasks are written to be repeated. Cron times are in UTC.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import procrastinate
from django.db import connections, transaction
from procrastinate import exceptions
from procrastinate.contrib.django import app as _app
from procrastinate.job_context import JobContext
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from procrastinate.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")

MAX_RESCUES = 5
KEEP_SUCCEEDED_HOURS = 72
KEEP_FAILED_HOURS = 30 * 24
_BUILTIN_QUEUE = "builtin"

_log = logging.getLogger("shuke.jobs")
_registered: dict[Callable[..., Any], Task[Any, Any, Any]] = {}
_by_name: dict[str, Task[Any, Any, Any]] = {}
_followers: dict[str, list[str]] = {}


def task(
    *, name: str, queue: str = "default", retries: int = 0, lock: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a function as the job `name` (`room.verb_noun`); it stays an ordinary function.

    `retries` counts the repetitions after a failure, 3, 9, 27, 81… seconds apart. Jobs of one `lock` never
    run at the same time. Arguments must be JSON: ids as text.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: Any, timestamp: int | None = None, **kwargs: Any) -> None:
            # `timestamp` comes with periodic jobs. The result is dropped: it must be JSON and would be
            # logged.
            try:
                function(*args, **kwargs)
            finally:
                # The executor's threads come and go; a connection left in one would stay open beside it.
                connections.close_all()

        retry = procrastinate.RetryStrategy(max_attempts=retries, exponential_wait=3) if retries else False
        registered = _app.task(name=name, queue=queue, retry=retry, lock=lock)(run)
        _registered[function] = registered
        _by_name[name] = registered
        return function

    return register


def periodic(*, cron: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a registered task by the clock (five cron fields, UTC). Missed runs older than ten minutes are
    skipped.

    A run that still waits in the queue is not queued twice.
    """

    def schedule(function: Callable[P, R]) -> Callable[P, R]:
        registered = _registered[function]
        _app.periodic(cron=cron, queueing_lock=f"periodic:{registered.name}")(registered)
        return function

    return schedule


def after(*, event: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Besides its times, run a registered task as soon as `hurry` tells of this event."""

    def follow(function: Callable[P, R]) -> Callable[P, R]:
        _followers.setdefault(event, []).append(_registered[function].name)
        return function

    return follow


def hurry(*, event: str) -> None:
    """Somebody waits for what follows an event: queue its followers now, once this transaction is over.

    A courtesy: should it fail, they run at their times. So nobody waits for a job that another transaction is queueing.
    """

    def queue_followers() -> None:
        for name in _followers[event]:
            defer(name, once=f"after:{name}")

    if event in _followers:
        transaction.on_commit(queue_followers, robust=True)


def defer(
    name: str,
    /,
    *,
    once: str | None = None,
    run_at: datetime | None = None,
    lock: str | None = None,
    **kwargs: Any,
) -> bool:
    """Queue a job, in the current transaction when there is one.

    With `once`, nothing happens when a job with the same word still waits; returns False then. `run_at` is
    the earliest instant. Raises KeyError for an unknown name.
    """
    deferrer = _by_name[name].configure(queueing_lock=once, schedule_at=run_at, lock=lock)
    try:
        # The savepoint keeps the caller's transaction usable when the unique index on `once` refuses.
        with transaction.atomic():
            deferrer.defer(**kwargs)
    except exceptions.AlreadyEnqueued:
        return False
    return True


def task_names() -> list[str]:
    """Every registered job, sorted."""
    return sorted(_by_name)


def run_worker(*, concurrency: int = 2, queues: Iterable[str] | None = None, wait: bool = True) -> None:
    """Work until SIGINT or SIGTERM; with `wait=False`, until the queue is empty.

    The worker has its own connections; a job that defers another still does so on Django's connection, inside
    its own transaction.
    """
    worker = _app.with_connector(_app.connector.get_worker_connector())  # type: ignore[attr-defined]
    worker.job_manager = _Manager(worker.connector)
    worker.run_worker(
        queues=list(queues) if queues is not None else None,
        concurrency=concurrency,
        wait=wait,
        install_signal_handlers=wait,
        listen_notify=wait,
        fetch_job_polling_interval=2.0,
    )


class _Manager(JobManager):
    """A job that cannot go back to the queue, because another under its word waits there, leaves its work to that one.

    Otherwise it would count as running for ever, with its lock, and so would that one never run.
    """

    async def retry_job_by_id_async(self, job_id: int, *args: Any, **kwargs: Any) -> None:
        try:
            await super().retry_job_by_id_async(job_id, *args, **kwargs)
        except exceptions.UniqueViolation:
            _log.warning("job %s is left to the one that waits already", job_id)
            await self.finish_job_by_id_async(job_id, Status.FAILED, delete_job=False)


def on_app_ready(app: procrastinate.App) -> None:
    """Called by the queue library when Django is ready: the jobs that look after the queue itself."""
    app.periodic(cron="* * * * *", queueing_lock="periodic:kit.rescue_stalled_jobs")(
        app.task(name="kit.rescue_stalled_jobs", queue=_BUILTIN_QUEUE, pass_context=True)(rescue_stalled_jobs)
    )
    app.periodic(cron="17 3 * * *", queueing_lock="periodic:kit.remove_old_jobs")(
        app.task(name="kit.remove_old_jobs", queue=_BUILTIN_QUEUE, pass_context=True)(remove_old_jobs)
    )


async def rescue_stalled_jobs(context: JobContext, timestamp: int = 0) -> None:
    """Queue again the jobs whose worker died; its heartbeat is older than 30 s. Frees their locks, too.

    A job that has been started too often (it may be what kills the worker) is marked failed instead.
    """
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        if job.id is None:
            continue
        if job.attempts >= MAX_RESCUES:
            _log.error(
                "job %s %s was left unfinished %d times: given up", job.id, job.task_name, job.attempts
            )
            await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=False)
        else:
            _log.warning("job %s %s was left unfinished by its worker: queued again", job.id, job.task_name)
            await manager.retry_job(job)


async def remove_old_jobs(context: JobContext, timestamp: int = 0) -> None:
    """Forget succeeded jobs after three days and failed ones after thirty."""
    manager = context.app.job_manager
    await manager.delete_old_jobs(nb_hours=KEEP_SUCCEEDED_HOURS)
    await manager.delete_old_jobs(
        nb_hours=KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
