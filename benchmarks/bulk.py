"""The import of the whole demo year against a bare COPY of the same order and line rows; and the importer's memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.rig import tree
from benchmarks.sale import Result

COPY_ROUNDS = 2
ALL_ORDERS = 155_848


def measure_import() -> list[Result]:
    """Load the demo in a fresh home, once in full and once by half, then COPY its rows into equal tables."""
    with tempfile.TemporaryDirectory(prefix="shuke-bench-") as folder:
        whole = load_demo(Path(folder) / "whole", orders=0)
        seconds, copy_seconds = _import_seconds(Path(folder) / "whole"), _copy_seconds(Path(folder) / "whole")
        half = load_demo(Path(folder) / "half", orders=ALL_ORDERS // 2)
    ratio, growth = seconds / copy_seconds, whole / half
    return [
        Result("Import of the demo year (orders, lines, entries, lots, tiers)", f"{seconds:.0f} s",
               f"bare COPY {copy_seconds:.0f} s", f"{ratio:.2f}", "≤ 5", ratio <= 5),
        Result("Peak memory of the importer, all its processes", f"{whole / 2**20:.0f} MB", "1 GB",
               f"{whole / 2**30:.2f}", "≤ 1 GB", whole <= 2**30),
        Result("Peak memory when the input doubles", f"{whole / 2**20:.0f} MB", f"half {half / 2**20:.0f} MB",
               f"{growth:.2f}", "flat (≤ 1.15)", growth <= 1.15),
    ]  # fmt: skip


def load_demo(home: Path, *, orders: int) -> int:
    """Load the demo into a home; returns the peak memory in bytes, summed over the importer's processes."""
    home.mkdir(mode=0o711, parents=True)
    home.parent.chmod(0o711)
    command = [sys.executable, "-m", "shuke.config.cli", "demo", "--load-only"]
    command += ["--orders", str(orders)] if orders else []
    environment = {**os.environ, "SHUKE_HOME": str(home)}
    environment.pop("DATABASE_URL", None)
    with (home / "load.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
        peak = _Peak(process.pid)
        code = process.wait()
        peak.stop()
    if code:
        raise RuntimeError((home / "load.log").read_text(errors="replace")[-3000:])
    return peak.bytes


class _Peak:
    """Samples the proportional memory of a process and its children, the database left out."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            self.bytes = max(self.bytes, sum(_memory(pid) for pid in tree(self._pid)))


def _memory(pid: int) -> int:
    """Proportional set size: shared pages count once over all processes. Nothing for PostgreSQL."""
    try:
        if "postgres" in Path(f"/proc/{pid}/comm").read_text():
            return 0
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _connect(home: Path):
    import psycopg

    from shuke.kit import postgres

    return psycopg.connect(postgres.ensure_running(home, say=lambda text: None).dsn, autocommit=True)


def _import_seconds(home: Path) -> float:
    """From the first byte of the orders file to the last committed row, as the journal says."""
    with _connect(home) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM integrations_importrun"
            " WHERE kind = 'orders' AND status = 'done'"
        ).fetchone()
    return row[0]


def _copy_seconds(home: Path) -> float:
    """Bare COPY of the same rows, from files, into tables with the same columns, indexes and keys, one transaction."""
    tables = ("checkout_order", "checkout_orderline")
    with _connect(home) as connection:
        for table in tables:
            with (
                (home / f"{table}.copy").open("wb") as file,
                connection.cursor().copy(f"COPY {table} TO STDOUT") as out,
            ):
                for block in out:
                    file.write(block)
        taken = []
        for _ in range(COPY_ROUNDS):
            for table in tables:
                connection.execute(f"DROP TABLE IF EXISTS bench_{table} CASCADE")
                connection.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
                for name, definition in _foreign_keys(connection, table):
                    definition = definition.replace("checkout_order(", "bench_checkout_order(")
                    connection.execute(f"ALTER TABLE bench_{table} ADD CONSTRAINT {name} {definition}")
            started = time.perf_counter()
            with connection.transaction():
                for table in tables:
                    with (
                        (home / f"{table}.copy").open("rb") as file,
                        connection.cursor().copy(f"COPY bench_{table} FROM STDIN") as into,
                    ):
                        while block := file.read(1 << 20):
                            into.write(block)
            taken.append(time.perf_counter() - started)
    return median(taken)


def _foreign_keys(connection, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        [table],
    ).fetchall()
