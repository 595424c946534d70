"""Run the lanes of an import as processes, so that one prices while the database takes in what the other has priced."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from shuke.integrations.errors import ImportFailed
from shuke.integrations.values import Counts

MODULE = "shuke.integrations.lane_process"
_TAIL = 2000


def run_lanes(before: list[str], lanes: int, after: list[str]) -> Iterator[Counts]:
    """Start one process per lane and yield the figures of each chunk as it is committed.

    When one lane fails, or when the caller stops early, the others end after the chunk they are at.
    Raises ImportFailed with the end of what the failed process said.
    """
    told: queue.Queue[tuple[int, str | None]] = queue.Queue()
    processes: list[subprocess.Popen[str]] = []
    said: dict[int, str] = {}
    threads: list[threading.Thread] = []
    try:
        for lane in range(lanes):
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", MODULE, *before, str(lane), *after],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **child_environment()},
            )
            processes.append(process)
            assert process.stdout is not None and process.stderr is not None
            threads.append(threading.Thread(target=_listen, args=(lane, process.stdout, told), daemon=True))
            threads.append(
                threading.Thread(target=_keep_tail, args=(lane, process.stderr, said), daemon=True)
            )
        for thread in threads:
            thread.start()
        running = lanes
        while running:
            lane, text = told.get()
            if text is not None:
                yield Counts(**json.loads(text))
                continue
            running -= 1
            if processes[lane].wait():
                threads[2 * lane + 1].join(timeout=10)
                raise ImportFailed(
                    reason=said.get(lane, "").strip()[-_TAIL:] or f"exit code {processes[lane].returncode}."
                )
    finally:
        for process in processes:
            with suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()
        for process in processes:
            process.wait()


def _listen(lane: int, stream: IO[str], told: queue.Queue[tuple[int, str | None]]) -> None:
    for text in stream:
        told.put((lane, text))
    told.put((lane, None))


def _keep_tail(lane: int, stream: IO[str], said: dict[int, str]) -> None:
    for text in stream:
        said[lane] = (said.get(lane, "") + text)[-_TAIL:]


def child_environment() -> dict[str, str]:
    """The same home and the same database as ours, which in a test is not the one that the environment names."""
    parts = urlsplit(settings.ENV.database_url or "")
    name = quote(str(connection.settings_dict["NAME"]))
    return {
        "SHUKE_HOME": str(settings.ENV.home),
        "DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}")),
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "shuke.config.settings"),
    }
