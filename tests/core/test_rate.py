"""The rate limit of one process."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from shuke.core import rate
from shuke.core.errors import NotFound, RateLimited, TooManyWrongCodes
from shuke.core.rate import RateLimiter, take_call
from shuke.core.values import SYSTEM, Actor


def test_a_full_bucket_then_an_even_refill() -> None:
    limiter = RateLimiter(60)
    allowances = [limiter.take("key", at=100.0) for _ in range(60)]
    assert all(allowance.allowed for allowance in allowances)
    assert [allowance.remaining for allowance in allowances] == list(range(59, -1, -1))
    assert allowances[-1].reset == 60 and allowances[0].reset == 1
    refused = limiter.take("key", at=100.0)
    assert not refused.allowed and refused.retry_after == 1
    assert refused.headers() == {
        "RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": "60", "Retry-After": "1"
    }  # fmt: skip
    assert limiter.take("key", at=101.0).allowed
    assert not limiter.take("key", at=101.5).allowed
    assert [limiter.take("key", at=500.0).remaining for _ in range(2)] == [59, 58]


def test_retry_after_is_long_enough() -> None:
    limiter = RateLimiter(1)
    assert limiter.take("key", at=0.0).allowed
    refused = limiter.take("key", at=10.0)
    assert refused.retry_after == 50
    assert limiter.take("key", at=10.0 + refused.retry_after).allowed


def test_keys_do_not_share() -> None:
    limiter = RateLimiter(1)
    assert limiter.take("a", at=0.0).allowed and limiter.take("b", at=0.0).allowed
    assert not limiter.take("a", at=0.0).allowed


def test_a_clock_that_steps_back_gives_nothing() -> None:
    limiter = RateLimiter(60)
    for _ in range(60):
        limiter.take("key", at=100.0)
    assert not limiter.take("key", at=50.0).allowed
    assert not limiter.take("key", at=100.5).allowed


def test_threads_get_exactly_the_limit() -> None:
    limiter, got = RateLimiter(500), []

    def call() -> None:
        got.append(sum(limiter.take("key", at=1.0).allowed for _ in range(200)))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 500


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MAX_BUCKETS", 100)
    limiter = RateLimiter(60)
    for _ in range(60):
        limiter.take("busy", at=1000.0)
    for number in range(5_000):
        limiter.take(number, at=1000.0 + number / 100_000)
        assert len(limiter._buckets) <= 100
    # Later the buckets are full again, and those go first.
    assert limiter.take("newcomer", at=2000.0).allowed
    assert len(limiter._buckets) <= 100


def test_take_call_raises_with_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(1)
    monkeypatch.setattr(rate, "_configured", lambda: limiter)
    allowance = take_call("key")
    assert allowance is not None and allowance.remaining == 0
    with pytest.raises(RateLimited) as refusal:
        take_call("key")
    assert refusal.value.headers["RateLimit-Limit"] == "1"
    assert refusal.value.headers["Retry-After"] == str(refusal.value.params["retry_after"])


def test_who_guesses_codes_waits_and_codes_that_exist_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_wrong_codes", RateLimiter(2))
    guesser, other = (Actor("key", uuid4(), name) for name in ("a", "b"))

    def look_up(asker: Actor, exists: bool) -> None:
        with rate.limits_guessing(asker, NotFound):
            if not exists:
                raise NotFound

    for _ in range(9):
        look_up(guesser, True)
    for _ in range(2):
        with pytest.raises(NotFound):
            look_up(guesser, False)
    with pytest.raises(TooManyWrongCodes) as refused:
        look_up(guesser, True)
    assert 0 < int(refused.value.headers["Retry-After"]) <= 30
    look_up(other, True)
    for _ in range(9):
        with pytest.raises(NotFound):
            look_up(SYSTEM, False)


def test_members_who_come_through_one_key_are_counted_alone_and_the_key_has_a_ceiling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate, "_wrong_codes", RateLimiter(2))
    monkeypatch.setattr(rate, "_wrong_codes_of_key", RateLimiter(5))
    key, guesser = Actor("key", uuid4(), "app"), uuid4()

    def look_up(asker: Actor, member_id: UUID | None, exists: bool) -> None:
        with rate.limits_guessing(asker, NotFound, member_id=member_id):
            if not exists:
                raise NotFound

    for member_id in (guesser, guesser, None, None):
        with pytest.raises(NotFound):
            look_up(key, member_id, False)
    for member_id in (guesser, None):
        with pytest.raises(TooManyWrongCodes):
            look_up(key, member_id, True)
    look_up(key, uuid4(), True)
    with pytest.raises(NotFound):
        look_up(key, uuid4(), False)
    with pytest.raises(TooManyWrongCodes):
        look_up(key, uuid4(), True)

    cashier = Actor("staff", uuid4(), "cashier")
    for _ in range(2):
        with pytest.raises(NotFound):
            look_up(cashier, uuid4(), False)
    with pytest.raises(TooManyWrongCodes):
        look_up(cashier, uuid4(), True)


def test_limit_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_configured", lambda: None)
    assert take_call("key") is None
