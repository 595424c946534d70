"""Sealing while everybody writes: every row in exactly one seal, no two sealers at once."""

from __future__ import annotations

import random
import threading
import time

import pytest
from django.db import connection, transaction

from shuke.core.models import AuditEvent, AuditSeal
from shuke.core.operations import record_audit, seal_audit
from shuke.core.queries import verify_audit
from shuke.core.values import SYSTEM
from tests.core.races import race, settle
from tests.factories.core import NOW


@pytest.mark.django_db(transaction=True)
def test_every_row_is_sealed_once_under_concurrent_writers_and_sealers() -> None:
    writers = 10
    left, lock, done = [writers], threading.Lock(), threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(30):
                with transaction.atomic():
                    for _ in range(chance.randint(1, 4)):
                        record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW, data={"seed": seed})
                    time.sleep(chance.choice([0, 0.002, 0.02]))
        finally:
            with lock:
                left[0] -= 1
                if not left[0]:
                    done.set()

    def seal() -> None:
        while not done.is_set():
            seal_audit(now=NOW, limit=25)

    def verify() -> None:
        while not done.is_set():
            result = verify_audit()
            assert result.ok, result.difference
            time.sleep(0.05)

    outcomes = race(
        [lambda s=seed: write(s) for seed in range(writers)] + [seal, seal, verify]  # type: ignore[misc,list-item]
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)], outcomes
    settle()
    while seal_audit(now=NOW):
        pass
    result = verify_audit()
    assert result.ok, result.difference
    assert result.unsealed_rows == 0 and result.sealed_rows == AuditEvent.objects.count() > 300
    assert result.seals == AuditSeal.objects.count() > 3


@pytest.mark.django_db(transaction=True)
def test_a_row_of_an_open_transaction_is_sealed_later_not_missed() -> None:
    wrote, commit = threading.Event(), threading.Event()

    def early() -> None:
        with transaction.atomic():
            record_audit(actor=SYSTEM, action="test.early.v1", now=NOW)
            wrote.set()
            assert commit.wait(20)

    def later() -> object:
        assert wrote.wait(20)
        record_audit(actor=SYSTEM, action="test.late.v1", now=NOW)
        sealed = seal_audit(now=NOW)
        commit.set()
        return sealed

    assert race([early, later])[1] is None
    settle()
    seal = seal_audit(now=NOW)
    assert seal is not None and seal.rows == 2
    assert verify_audit().ok


@pytest.mark.django_db(transaction=True)
def test_a_second_sealer_steps_aside() -> None:
    record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW)
    settle()
    holding, release = threading.Event(), threading.Event()

    def first() -> object:
        with transaction.atomic():
            seal = seal_audit(now=NOW)
            holding.set()
            assert release.wait(20)
        return seal.number if seal else None

    def second() -> object:
        assert holding.wait(20)
        try:
            return seal_audit(now=NOW)
        finally:
            release.set()

    assert race([first, second]) == [1, None]
    assert connection.in_atomic_block is False


@pytest.mark.django_db(transaction=True)
def test_rows_of_the_sealers_own_open_transaction_are_left_for_later() -> None:
    """They may still be joined by others of the same transaction."""
    with transaction.atomic():
        record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW)
        assert seal_audit(now=NOW) is None
        record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW)
    settle()
    seal = seal_audit(now=NOW)
    assert seal is not None and seal.rows == 2 and verify_audit().ok
