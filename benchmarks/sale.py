"""Commit, quote and identify through HTTP, against the SQL floor and an empty request, alternating in one run."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rig import PRODUCTS, Rig, rows, seed, served

HERE = Path(__file__).parent
ROUNDS = 7
"""Many short stretches instead of few long ones: what else runs on the machine comes and goes within seconds."""


@dataclass(frozen=True)
class Sample:
    """One timed stretch: CPU milliseconds per operation (PostgreSQL and the program, not the load), and the rate."""

    cpu_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Result:
    """A line of the table: what, measured, against what, the ratio, and the target it must meet."""

    name: str
    measured: str
    against: str
    ratio: str
    target: str
    met: bool


def load(target: Rig, kind: str, clients: int, seconds: float, **more: Any) -> Sample:
    """Drive the web server with one kind of request. `more` is what the load generator needs for it."""
    plan = {
        "kind": kind,
        "secret": target.secret,
        "members": target.members,
        "products": PRODUCTS,
        **more,
    }
    before = target.cpu()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", str(target.port), str(clients), str(seconds)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        cwd=HERE.parent,
    )
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:] + (target.home / "web.log").read_text(errors="replace")[-2000:])
    used = target.cpu() - before
    out = json.loads(run.stdout)
    if out["ok"] != out["requests"]:
        raise RuntimeError(f"{kind}: {out['requests'] - out['ok']} requests failed: {out['failures']}")
    return Sample(used * 1000 / out["ok"], out["ok"] / out["seconds"], out["p50_ms"], out["p99_ms"])


def floor(target: Rig, clients: int, seconds: float) -> Sample:
    """pgbench on the floor's script: PostgreSQL's CPU and pgbench's own."""
    from shuke.kit.postgres.binaries import installation

    before, own = target.cpu_of(target.server_pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [
            *(str(installation() / "bin" / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "1"),
            *("-T", str(int(seconds)), "-D", f"members={target.members}"),
            *("-f", str(HERE / "floor.sql"), target.dsn),
        ],
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    pgbench = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = target.cpu_of(target.server_pid) - before
    used += pgbench.ru_utime - own.ru_utime + pgbench.ru_stime - own.ru_stime
    done = int(_figure(r"actually processed: (\d+)", run.stdout))
    latency = _figure(r"latency average = ([\d.]+)", run.stdout)
    return Sample(used * 1000 / done, _figure(r"tps = ([\d.]+) \(without", run.stdout), latency, latency)


def _figure(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"pgbench said nothing of {pattern}: {text[-500:]}")
    return float(found[1])


def middle(samples: list[Sample], figure: Callable[[Sample], float]) -> float:
    return median(figure(s) for s in samples)


def measure_sale(target: Rig, *, members: int, seconds: float) -> list[Result]:
    """Commit, identify and quote at `members` members. Floor and ours take turns."""
    seed(target, members)
    for statement in (HERE / "floor_tables.sql").read_text().split(";\n"):
        if statement.strip():
            execute(statement.replace("%(members)s", str(members)))
    with served(target):
        for kind in ("commit", "quote", "identify", "ping"):
            load(target, kind, 8, 2)  # warm: caches, plans, connections
        floor(target, 8, 2)
        execute("ANALYZE")  # as autovacuum does in its first minute: plans made for empty tables go
        taken: dict[str, list[Sample]] = {}
        for _ in range(ROUNDS):
            for clients in (1, 16):
                taken.setdefault(f"floor{clients}", []).append(floor(target, clients, seconds))
                taken.setdefault(f"commit{clients}", []).append(load(target, "commit", clients, seconds))
            for kind in ("ping", "identify", "quote"):
                taken.setdefault(kind, []).append(load(target, kind, 4, seconds))
    assert_sane()
    return _table(taken, members)


def _table(taken: dict[str, list[Sample]], members: int) -> list[Result]:
    def cpu(name: str) -> float:
        return middle(taken[name], lambda s: s.cpu_ms)

    def rate(name: str) -> float:
        return middle(taken[name], lambda s: s.per_second)

    results = []
    for clients in (1, 16):
        ours, base = cpu(f"commit{clients}"), cpu(f"floor{clients}")
        results.append(
            Result(
                f"Commit, 3 lines, {members:,} members, {clients} client{'s' if clients > 1 else ''}: CPU per order",
                f"{ours:.2f} ms",
                f"floor {base:.2f} ms",
                f"{ours / base:.2f}",
                "≤ 3",
                ours <= 3 * base,
            )
        )
    ours, base = rate("commit16"), rate("floor16")
    results.append(
        Result("Commit, 16 clients: orders per second", f"{ours:.0f}", f"floor {base:.0f}", f"{ours / base:.2f}",
               "≥ 0.35", ours >= 0.35 * base)
    )  # fmt: skip
    results.append(
        Result(f"Identify by phone among {members:,}: CPU", f"{cpu('identify'):.2f} ms", "2 ms",
               f"{cpu('identify') / 2:.2f}", "≤ 2 CPU-ms", cpu("identify") <= 2)
    )  # fmt: skip
    extra = cpu("quote") - cpu("ping")
    results.append(
        Result("Quote, 3 lines: CPU above an empty authenticated request", f"{cpu('quote'):.2f} ms",
               f"empty {cpu('ping'):.2f} ms", f"+{extra:.2f} ms", "≤ +2 CPU-ms", extra <= 2)
    )  # fmt: skip
    return results


def measure_growth(target: Rig, *, sizes: tuple[int, ...], seconds: float) -> list[Result]:
    """The same commit with a hundred times the members. Sizes must ascend."""
    costs: dict[int, float] = {}
    for size in sizes:
        seed(target, size)
        with served(target):
            load(target, "commit", 8, 4)
            execute("ANALYZE")
            costs[size] = middle(
                [load(target, "commit", 4, seconds) for _ in range(ROUNDS)], lambda s: s.cpu_ms
            )
    small, large = sizes[0], sizes[-1]
    ratio = costs[large] / costs[small]
    return [
        Result(f"Growth: commit at {large:,} against {small:,} members", f"{costs[large]:.2f} ms",
               f"{costs[small]:.2f} ms", f"{ratio:.2f}", "≤ 1.3", ratio <= 1.3)
    ]  # fmt: skip


def execute(statement: str, params: Any = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def assert_sane() -> None:
    """A benchmark of wrong answers is worth nothing."""
    from shuke.checkout.invariants import verify_orders
    from shuke.ledger.queries import reconcile

    if not reconcile().is_clean or verify_orders()[1]:
        raise RuntimeError("the book does not reconcile after the load")
    if rows("SELECT count(*) FROM checkout_order")[0][0] == 0:
        raise RuntimeError("the load wrote no orders")
