"""`python -m benchmarks [SUITE …]`: measure, print the table, write RESULTS.md when all suites ran."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.rig import rig
from benchmarks.sale import Result, measure_growth, measure_sale

SUITES = ("sale", "money", "growth", "import", "expiry", "codes", "coupons", "simulate")


def main() -> None:
    """Run the chosen suites, each in an installation of its own (a process can only serve one)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES, choices=[*SUITES, []])
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument(
        "--large", type=int, default=1_000_000, help="members of the growth suite's large end"
    )
    parser.add_argument("--lots", type=int, default=1_000_000, help="lots of the expiry suite")
    parser.add_argument("--replayed", type=int, default=50_000, help="sales of the simulate suite")
    parser.add_argument("--codes", type=int, default=1_000_000, help="unique codes of the codes suite")
    parser.add_argument("--seconds", type=float, default=8, help="length of one timed stretch")
    options = parser.parse_args()
    results: list[Result] = []
    for suite in options.suites:
        results += _in_child(suite, options)
    print(table(results))
    if set(options.suites) == set(SUITES):
        _write(results, options)
    sys.exit(0 if all(r.met for r in results) else 1)


def _in_child(suite: str, options: argparse.Namespace) -> list[Result]:
    """Run one suite in a forked process and bring its results back through a pipe."""
    import pickle

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(_run(suite, options), pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    if not data:
        sys.exit(f"The suite {suite} failed; see above.")
    return list(pickle.loads(data))


def _run(suite: str, options: argparse.Namespace) -> list[Result]:
    if suite == "import":
        from benchmarks.bulk import measure_import

        return measure_import()
    if suite == "simulate":
        from benchmarks.simulate import measure_simulate

        return measure_simulate(orders=options.replayed)
    with rig() as target:
        if suite == "sale":
            return measure_sale(target, members=options.members, seconds=options.seconds)
        if suite == "money":
            from benchmarks.money import measure_money

            return measure_money(target, seconds=options.seconds)
        if suite == "expiry":
            from benchmarks.expiry import measure_expiry

            return measure_expiry(lots=options.lots)
        if suite == "coupons":
            from benchmarks.coupons import measure_coupons

            return measure_coupons(target, seconds=options.seconds)
        if suite == "codes":
            from benchmarks.codes import measure_codes

            return measure_codes(codes=options.codes)
        return measure_growth(target, sizes=(10_000, options.large), seconds=options.seconds)


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| what | measured | against | ratio | target | met |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.name} | {r.measured} | {r.against} | {r.ratio} | {r.target} | {'yes' if r.met else '**no**'} |"
        for r in results
    ]
    return "\n".join(lines)


def _write(results: list[Result], options: argparse.Namespace) -> None:
    from shuke.kit.postgres.binaries import wheel_version

    described = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in described if "model name" in line), platform.machine())
    version = platform.python_version()
    text = f"""# Results

Measured {datetime.now(UTC):%Y-%m-%d} with `make bench` on {os.cpu_count()} cores ({cpu}), Python {version},
PostgreSQL {wheel_version()} (embedded, fsync and synchronous commit on), {options.members:,} members unless a line says
otherwise.

CPU is what PostgreSQL and the program (Shuke's web server, or pgbench for the floor) used per operation; the load
generator is left out. Each figure is the median of alternating rounds. Machines are shared and noisy: the ratio counts.

{table(results)}
"""
    (Path(__file__).parent / "RESULTS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
