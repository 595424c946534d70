"""`python -m benchmarks [SUITE …]`: measure, print the table, write each suite's part of RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.rig import rig
from benchmarks.sale import Result, measure_growth, measure_sale

SUITES = ("sale", "money", "growth", "import", "expiry", "codes", "coupons", "simulate", "tiers")
SIZES = {
    "members": (100_000, "members of the suites at the till"),
    "large": (1_000_000, "members of the growth suite's large end"),
    "lots": (1_000_000, "lots of the expiry suite"),
    "replayed": (50_000, "sales of the simulate suite"),
    "reviewed": (1_000_000, "members of the tiers suite"),
    "codes": (1_000_000, "unique codes of the codes suite"),
    "seconds": (4.0, "length of one timed stretch"),
}
RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """# Results

PostgreSQL is the embedded one with fsync and synchronous commit on. CPU is what PostgreSQL and the program (Shuke's web
server, or pgbench for the floor) used per operation; the load generator is left out. Each figure is the median of
alternating rounds. Machines are shared and noisy: the ratio counts. `make bench` measures all of it and writes this page anew.
"""


def main() -> None:
    """Run the chosen suites, each in an installation of its own (a process can only serve one)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES, choices=[*SUITES, []])
    for name, (default, described) in SIZES.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=described)
    options = parser.parse_args()
    results: list[Result] = []
    for suite in options.suites:
        found = _in_child(suite, options)
        _write(suite, found, options)  # at once: what comes later may take an hour, or fail
        results += found
    print(table(results))
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
        if suite == "tiers":
            from benchmarks.tiers import measure_tiers

            return measure_tiers(target, members=options.reviewed)
        return measure_growth(target, sizes=(10_000, options.large), seconds=options.seconds)


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| what | measured | against | ratio | target | met |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.name} | {r.measured} | {r.against} | {r.ratio} | {r.target} | {'yes' if r.met else '**no**'} |"
        for r in results
    ]
    return "\n".join(lines)


def _write(suite: str, results: list[Result], options: argparse.Namespace) -> None:
    """Replace the suite's part of RESULTS.md; the parts of other suites keep their figures and dates."""
    from shuke.kit.postgres.binaries import wheel_version

    described = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in described if "model name" in line), platform.machine())
    parts = _parts(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    parts[suite] = (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {os.cpu_count()} cores ({cpu}), Python "
        f"{platform.python_version()}, PostgreSQL {wheel_version()}: `python -m benchmarks {suite}{_sizes(options)}`\n\n"
        f"{table(results)}\n"
    )
    ordered = [f"## {name}\n\n{parts[name]}" for name in SUITES if name in parts]
    RESULTS.write_text("\n".join([HEAD, *ordered]), encoding="utf-8")


def _parts(text: str) -> dict[str, str]:
    """The text under each suite's heading."""
    return {
        heading: body.strip() + "\n"
        for heading, _, body in (part.partition("\n") for part in text.split("\n## ")[1:])
        if heading in SUITES
    }


def _sizes(options: argparse.Namespace) -> str:
    """The options that differ from the defaults, as typed."""
    return "".join(
        f" --{name} {value:g}" if isinstance(value, float) else f" --{name} {value}"
        for name, value in vars(options).items()
        if name in SIZES and value != SIZES[name][0]
    )


if __name__ == "__main__":
    main()
