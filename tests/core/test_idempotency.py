"""The same key: one effect, one answer, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from shuke.core.errors import IdempotencyConflict, IdempotencyKeyMissing, InvalidInput, NotFound
from shuke.core.idempotency import StoredAnswer, checked_key, find_answer, input_hash, purge_answers, run_once
from shuke.core.models import AuditEvent, IdempotentCall
from shuke.core.operations import record_audit
from shuke.core.values import SYSTEM
from shuke.kit.ids import uuid7
from tests.core.races import race
from tests.factories.core import NOW

CALLER = uuid7()
INPUT = input_hash("post", "/api/v1/orders", b'{"a":1}')


def effect(status: int = 201, body: bytes = b'{"id":7}') -> tuple[int, bytes]:
    """Work that leaves one row behind."""
    record_audit(actor=SYSTEM, action="test.worked.v1", now=NOW)
    return status, body


def once(key: str = "k", **kwargs: object) -> StoredAnswer:
    values = {"caller_id": CALLER, "key": key, "input_hash": INPUT, "now": NOW, "work": effect, **kwargs}
    return run_once(**values)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_second_call_gets_the_first_answer() -> None:
    first, second = once(), once()
    assert (first.status, first.body, first.replayed) == (201, b'{"id":7}', False)
    assert (second.status, second.body, second.replayed) == (201, b'{"id":7}', True)
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_other_input_with_the_same_key_is_a_conflict() -> None:
    once()
    with pytest.raises(IdempotencyConflict):
        once(input_hash=input_hash("POST", "/api/v1/orders", b'{"a":2}'))
    with pytest.raises(IdempotencyConflict):
        find_answer(CALLER, "k", b"other")
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_callers_and_keys_are_separate() -> None:
    once()
    assert not once(key="k2").replayed
    assert not once(caller_id=uuid7()).replayed
    assert AuditEvent.objects.count() == 3


@pytest.mark.django_db
def test_find_answer_is_one_query(django_assert_num_queries: Callable[..., object]) -> None:
    with django_assert_num_queries(1):
        assert find_answer(CALLER, "k") is None
    once(work=lambda: (200, bytes(range(256))))
    with django_assert_num_queries(1):
        answer = find_answer(CALLER, "k", INPUT)
    assert answer is not None
    assert (answer.status, answer.body, answer.replayed) == (200, bytes(range(256)), True)


@pytest.mark.django_db(transaction=True)
def test_refused_work_leaves_nothing_and_may_be_tried_again() -> None:
    def refuse() -> tuple[int, bytes]:
        effect()
        raise NotFound

    with pytest.raises(NotFound):
        once(work=refuse)
    assert AuditEvent.objects.count() == IdempotentCall.objects.count() == 0
    assert not once().replayed


@pytest.mark.django_db(transaction=True)
def test_sixty_four_twins_one_works_and_all_get_its_answer() -> None:
    answers = race([once] * 64)
    assert all(isinstance(answer, StoredAnswer) for answer in answers), answers
    assert {(answer.status, answer.body) for answer in answers} == {(201, b'{"id":7}')}  # type: ignore[union-attr]
    assert sum(not answer.replayed for answer in answers) == 1  # type: ignore[union-attr]
    assert AuditEvent.objects.count() == IdempotentCall.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_twin_works_when_the_one_before_it_failed() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def fail_late() -> tuple[int, bytes]:
        inside.set()
        assert go_on.wait(20)
        effect()
        raise NotFound

    def second() -> StoredAnswer:
        assert inside.wait(20)
        threading.Timer(0.3, go_on.set).start()
        return once()

    failed, answer = race([lambda: once(work=fail_late), second])
    assert isinstance(failed, NotFound)
    assert isinstance(answer, StoredAnswer) and not answer.replayed
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_twin_with_other_input_conflicts_after_waiting() -> None:
    inside = threading.Event()

    def slow() -> tuple[int, bytes]:
        inside.set()
        threading.Event().wait(0.3)
        return effect()

    def other() -> StoredAnswer:
        assert inside.wait(20)
        return once(input_hash=b"x" * 32)

    answer, refused = race([lambda: once(work=slow), other])
    assert isinstance(answer, StoredAnswer) and isinstance(refused, IdempotencyConflict)


@pytest.mark.django_db(transaction=True)
def test_a_dead_worker_leaves_the_key_free() -> None:
    """The connection breaks in the middle: neither the effect nor the answer exists, and the key is not locked."""

    def die() -> None:
        with transaction.atomic():
            once(work=lambda: (effect(), connection.connection.close())[0])

    [outcome] = race([die])
    assert isinstance(outcome, Exception)
    assert not once().replayed
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_purge_forgets_old_answers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shuke.core.idempotency._PURGE_BATCH", 3)
    for number in range(8):
        once(key=f"old{number}", now=NOW - timedelta(days=8))
    once(key="new")
    assert purge_answers(NOW - timedelta(days=7)) == 8
    assert [call.key for call in IdempotentCall.objects.all()] == ["new"]
    assert purge_answers(NOW - timedelta(days=7)) == 0


def test_input_hash_tells_method_path_and_body_apart() -> None:
    hashes = {
        input_hash("POST", "/a", b"x"), input_hash("PUT", "/a", b"x"), input_hash("POST", "/b", b"x"),
        input_hash("POST", "/a", b"y"), input_hash("POST", "/a", b""), input_hash("POST", "/a\nx", b""),
    }  # fmt: skip
    assert len(hashes) >= 5
    assert input_hash("post", "/a", b"x") == input_hash("POST", "/a", b"x")


@pytest.mark.parametrize("key", ["x" * 121, "a\nb", "schlüssel", "键"])
def test_unusable_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        checked_key(key)


def test_missing_key_is_its_own_error() -> None:
    for missing in (None, ""):
        with pytest.raises(IdempotencyKeyMissing):
            checked_key(missing)
    assert checked_key("a b-1~") == "a b-1~"
