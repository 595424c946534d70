"""A job for codes that is killed with SIGKILL, at whatever point, goes on after its last batch: no code twice, none missing."""

from __future__ import annotations

import os
import signal
import time

import pytest
from django.db import connection

from shuke.core.keyset import keyset
from shuke.core.models import OutboxEvent
from shuke.rewards.codes import blind_codes, codes_of_job
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Code, CodeJob
from shuke.rewards.operations import generate_codes, order_codes
from tests.factories.checkout import TILL
from tests.factories.core import NOW
from tests.factories.rewards import VERSION, ZONE, template

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 40_000
BATCH = 500
KILLS = 2


def begin(job: CodeJob) -> int:
    """A process of its own that makes the codes; its id. It shares no connection with this one."""
    connection.close()
    child = os.fork()
    if child:
        return child
    try:
        while generate_codes(job_id=job.id, now=NOW, limit=BATCH):
            pass
    finally:
        os._exit(0)


def made(job: CodeJob) -> int:
    job.refresh_from_db()
    return job.made


def test_killed_twice_and_whole_in_the_end() -> None:
    job = order_codes(
        actor=TILL, template=template(), version_id=VERSION, zone=ZONE, count=COUNT, note="", now=NOW
    )
    for kill in range(KILLS):
        before = made(job)
        child = begin(job)
        try:
            deadline = time.monotonic() + 60
            while made(job) < before + (2 + kill) * BATCH:
                assert time.monotonic() < deadline
                time.sleep(0.002)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        _wait_until_the_server_noticed()
        assert made(job) == Code.objects.count() < COUNT
        assert made(job) % BATCH == 0
    while generate_codes(job_id=job.id, now=NOW):
        pass
    assert made(job) == Code.objects.count() == COUNT
    assert job.status == "done"
    blinds = blind_codes(keyset(), codes_of_job(keyset(), job.id, 0, COUNT))
    stored = Code.objects.order_by("place").values_list("blind", flat=True)
    assert [bytes(blind) for blind in stored] == list(blinds)
    assert OutboxEvent.objects.filter(name="rewards.codes_made.v1").count() == 1
    assert verify_coupons()[1] == []


def _wait_until_the_server_noticed() -> None:
    """The server may still be ending the transaction of who was killed; then the job's row is locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM rewards_codejob FOR UPDATE")
