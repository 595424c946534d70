"""A million unique codes made by the job's own operation, against a bare COPY of the same codes.

The bare COPY is what storing codes costs at the least: the codes as text, one a row, under a unique index. The job also
makes them, keeps only their keyed indexes, commits every 50,000 with its progress, and can tell all of them again.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo

from benchmarks.sale import Result

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ROUNDS = 3


def measure_codes(*, codes: int) -> list[Result]:
    """Alternate the job and the bare COPY of what it made; then download all of them once."""
    from django.db import connection

    from shuke.core.values import SYSTEM
    from shuke.rewards.invariants import verify_coupons
    from shuke.rewards.operations import download_codes, generate_codes, order_codes
    from shuke.rewards.values import CouponTemplate

    kind = CouponTemplate(code="bench", name={"en": "Bench"}, type="amount_off", amount=100)
    made, copied, told = list[float](), list[float](), list[float]()
    whole = True
    for _round in range(ROUNDS):
        _fresh()
        job = order_codes(
            actor=SYSTEM,
            template=kind,
            version_id=UUID(int=1),
            zone=ZoneInfo("Asia/Shanghai"),
            count=codes,
            note="",
            now=NOW,
        )
        started = time.perf_counter()
        while generate_codes(job_id=job.id, now=NOW):
            pass
        made.append(time.perf_counter() - started)

        started = time.perf_counter()
        lines = list(download_codes(actor=SYSTEM, job_id=job.id, now=NOW, reason="bench"))
        told.append(time.perf_counter() - started)
        whole = whole and len(set(lines)) == codes and verify_coupons()[1] == []

        text = "\n".join(line.replace("-", "") for line in lines).encode() + b"\n"
        with connection.cursor() as cursor:
            started = time.perf_counter()
            with cursor.copy("COPY bench_code FROM STDIN") as into:
                for start in range(0, len(text), 1 << 20):
                    into.write(text[start : start + (1 << 20)])
            copied.append(time.perf_counter() - started)
    seconds, bare, telling = median(made), median(copied), median(told)
    return [
        Result(f"{codes:,} unique codes in one job", f"{seconds:.1f} s", f"bare COPY {bare:.1f} s",
               f"{seconds / bare:.2f}", "≤ 4", seconds <= 4 * bare and whole),
        Result(f"Download of {codes:,} codes, made again", f"{telling:.1f} s", f"bare COPY {bare:.1f} s",
               f"{telling / bare:.2f}", "–", True),
    ]  # fmt: skip


def _fresh() -> None:
    """Every round begins with empty tables."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE rewards_code, rewards_codejob, rewards_counter")
        cursor.execute("DROP TABLE IF EXISTS bench_code")
        cursor.execute("CREATE TABLE bench_code (code text PRIMARY KEY)")
