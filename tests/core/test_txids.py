"""A dump restored into a younger server: numbers keep growing, nothing is passed over."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from shuke.core.models import OutboxCursor, OutboxEvent, TxidBase
from shuke.core.operations import align_txids, publish_event, record_audit, seal_audit
from shuke.core.outbox import consume
from shuke.core.queries import verify_audit
from shuke.core.values import SYSTEM
from tests.core.races import settle
from tests.factories.core import NOW


def restore_into_a_younger_server(by: int) -> None:
    """As if this server's transactions were `by` older in the dump: stored numbers are far ahead of ours."""
    TxidBase.objects.update_or_create(id=1, defaults={"base": by})


def act(number: int) -> None:
    record_audit(actor=SYSTEM, action="test.acted.v1", now=NOW)
    publish_event(name="test.happened.v1", member_id=None, occurred_at=NOW, payload={"n": number})


def readable() -> list[int]:
    settle()
    seen: list[int] = []
    consume(
        consumer="c",
        limit=10,
        now=NOW,
        handle=lambda events: seen.extend(event.payload["n"] for event in events),
    )
    return seen


@pytest.mark.django_db(transaction=True)
def test_nothing_to_align_on_the_same_server() -> None:
    assert align_txids() == 0
    act(1)
    readable()
    settle()
    seal_audit(now=NOW)
    assert align_txids() == 0
    assert not TxidBase.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_events_and_seals_go_on_after_a_restore() -> None:
    restore_into_a_younger_server(by=1_000_000)
    act(1)
    assert readable() == [1] and seal_audit(now=NOW)
    act(2)  # still unread at the time of the dump
    TxidBase.objects.all().delete()  # the younger server counts from the beginning
    act(3)
    assert consume(consumer="c", limit=10, now=NOW, handle=print) == 0, (
        "this is the trouble: the reader stands far ahead"
    )
    OutboxEvent.objects.filter(payload__n=3).delete()
    assert 999_000 < align_txids() < 1_001_000
    act(4)
    assert readable() == [2, 4]
    assert align_txids() == 0
    assert OutboxCursor.objects.get().txid > 1_000_000


@pytest.mark.django_db(transaction=True)
def test_migrate_aligns_by_itself() -> None:
    restore_into_a_younger_server(by=1_000_000)
    act(1)
    settle()
    seal_audit(now=NOW)
    TxidBase.objects.all().delete()
    call_command("migrate", verbosity=0, interactive=False)
    assert TxidBase.objects.get().base >= 999_000
    act(2)
    settle()
    seal = seal_audit(now=NOW)
    assert seal is not None and seal.rows == 1
    assert verify_audit().ok
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_txid_horizon() > max(txid) FROM core_auditevent")
        assert cursor.fetchone() == (True,)
