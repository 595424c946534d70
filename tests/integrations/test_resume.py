"""An import that is killed goes on exactly where it was, and memory does not grow with the input."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.db.models import Sum

from shuke.checkout.models import Order, OrderLine
from shuke.integrations.lanes import child_environment
from shuke.integrations.models import ImportChunk, ImportRun, RunStatus
from shuke.integrations.workspace import imports_home
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from tests.integrations.conftest import fill_chain
from tests.integrations.test_orders_import import HEADER, MAPPING

pytestmark = pytest.mark.django_db(transaction=True)


def write_orders(path: Path, orders: int, lines: int = 5) -> int:
    """A file of orders whose rows are scattered; returns its sales in minor units."""
    dice = random.Random(7)
    rows, total = [], 0
    for number in range(orders):
        minute = f"2026-{1 + number % 9:02d}-{1 + number % 28:02d} {number % 24:02d}:{number % 60:02d}"
        for _line in range(lines):
            amount = dice.randrange(1, 5000)
            total += amount
            rows.append(
                f"K{number},{minute},S{1 + number % 2},h{number % 10},P{dice.randrange(20)},1,{amount / 100:.2f},\n"
            )
    dice.shuffle(rows)
    path.write_text(HEADER + "".join(rows))
    return total


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    fill_chain()
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(yaml.safe_dump(MAPPING))
    yield tmp_path / "orders.csv", mapping


def start(path: Path, mapping: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "shuke.config.cli",
        "import",
        "orders",
        str(path),
        "--mapping",
        str(mapping),
    ]
    return subprocess.Popen(
        [*command, *options],
        env={**os.environ, **child_environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_chunks(process: subprocess.Popen[str], least: int) -> int:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        count = ImportChunk.objects.count()
        if count >= least or process.poll() is not None:
            return count
        time.sleep(0.02)
    raise AssertionError("no chunk was committed in time")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_import_killed_in_the_middle_goes_on_and_doubles_nothing(files, workers: str) -> None:
    path, mapping = files
    total = write_orders(path, 9_000)
    first = start(path, mapping, "--workers", workers)
    wait_for_chunks(first, 1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    run = ImportRun.objects.get()
    before = ImportChunk.objects.count()
    imported = Order.objects.count()
    assert run.status == RunStatus.RUNNING
    assert 0 < imported < 9_000, "the import ended before it was killed, or had not begun"

    second = start(path, mapping, "--workers", workers)
    said, _ = second.communicate(timeout=240)
    assert second.returncode == 0, said
    assert "9,000 imported" in said
    assert "continued" in said
    run.refresh_from_db()
    assert (run.status, run.counts["imported"], run.counts["lines"]) == (RunStatus.DONE, 9_000, 45_000)
    assert ImportChunk.objects.filter(run=run).count() > before
    assert Order.objects.aggregate(n=Sum("sales_minor"))["n"] == total
    assert (Order.objects.count(), OrderLine.objects.count()) == (9_000, 45_000)
    assert Account.objects.filter(asset="points").count() == 10
    assert reconcile().is_clean
    assert not list(imports_home().glob(f"{run.id}*"))

    third = start(path, mapping)
    said, _ = third.communicate(timeout=120)
    assert "already imported" in said
    assert Order.objects.count() == 9_000


def test_a_lost_plan_is_made_again_and_natural_keys_keep_orders_single(files) -> None:
    path, mapping = files
    total = write_orders(path, 9_000)
    first = start(path, mapping, "--workers", "1")
    wait_for_chunks(first, 1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    for plan in imports_home().glob("*/plan.*"):
        plan.unlink()
    second = start(path, mapping, "--workers", "2")
    said, _ = second.communicate(timeout=240)
    assert Order.objects.count() == 9_000, said
    assert Order.objects.aggregate(n=Sum("sales_minor"))["n"] == total
    assert sorted(ImportRun.objects.values_list("status", flat=True)) == [RunStatus.ABANDONED, RunStatus.DONE]
    assert reconcile().is_clean


MEASURE = """
import json, resource, sys
import django
django.setup()
from pathlib import Path
from shuke.integrations.mapping import load_mapping
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, Options
from shuke.kit.clock import now
path, mapping = Path(sys.argv[1]), load_mapping(Path(sys.argv[2]), Kind.ORDERS)
outcome = run_import(kind=Kind.ORDERS, path=path, mapping=mapping, options=Options(), clock=now, progress=lambda w: None)
print(json.dumps([outcome.counts.imported, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def peak(path: Path, mapping: Path) -> int:
    """Peak memory in kilobytes of importing a file in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), str(mapping)],
        env={**os.environ, **child_environment()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(json.loads(done.stdout)[1])


@pytest.mark.slow
def test_memory_is_flat_when_the_input_doubles(files, tmp_path) -> None:
    _path, mapping = files
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    write_orders(small, 60_000)
    write_orders(large, 120_000)
    large.write_text(large.read_text().replace("\nK", "\nL"))
    one, two = peak(small, mapping), peak(large, mapping)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM checkout_order")
        assert cursor.fetchone()[0] == 180_000
    assert two < one * 1.25
    assert two < 1_000_000
