"""Sales of the demo year replayed under two programmes: how many a minute, start and report included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bulk import load_demo
from benchmarks.sale import Result


def measure_simulate(*, orders: int) -> list[Result]:
    """Load so many sales of the demo, then simulate another programme over all of them."""
    with tempfile.TemporaryDirectory(prefix="shuke-bench-") as folder:
        home = Path(folder) / "home"
        load_demo(home, orders=orders)
        draft = home / "draft.yaml"
        programme = Path(__file__).parents[1] / "src/shuke/config/demo/programme.yaml"
        draft.write_text(
            programme.read_text(encoding="utf-8").replace("factor: 2", "factor: 3"), encoding="utf-8"
        )
        seconds, replayed = _simulate(home, draft)
    rate = replayed * 60 / seconds
    return [
        Result("Simulation: real sales replayed under two programmes", f"{rate:,.0f} a minute",
               f"{replayed:,} sales in {seconds:.0f} s", "", "≥ 50,000 a minute", rate >= 50_000),
    ]  # fmt: skip


def _simulate(home: Path, draft: Path) -> tuple[float, int]:
    command = [sys.executable, "-m", "shuke.config.cli", "programme", "simulate", str(draft)]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)  # where the demo ends
    first = yesterday - timedelta(days=400)
    command += ["--from", str(first), "--to", str(yesterday), "--json", "--quiet"]
    environment = {**os.environ, "SHUKE_HOME": str(home)}
    environment.pop("DATABASE_URL", None)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, check=True)
    return time.perf_counter() - started, json.loads(done.stdout)["current"]["orders"]
