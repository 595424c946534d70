"""How often one API key may call, and how often it may guess a code: a token bucket per key, in the memory of one web process.

The limit is per web process: with N processes a key may reach N times the configured rate. It keeps a runaway
client from starving the others; it is not a quota to bill by. No database and no shared store is asked, so
that it costs two microseconds and cannot fail.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from uuid import UUID

from django.conf import settings

from shuke.core.errors import RateLimited, TooManyWrongCodes
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError

MAX_BUCKETS = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the headers tell: RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset (seconds until full
    again).
    """

    limit: int
    remaining: int
    reset: int
    retry_after: int
    """0 when the call is allowed, else the seconds after which one call will be."""

    @property
    def allowed(self) -> bool:
        return self.retry_after == 0

    def headers(self) -> dict[str, str]:
        """The three response headers, and Retry-After on a refusal."""
        lines = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return lines if self.allowed else {**lines, "Retry-After": str(self.retry_after)}


class RateLimiter:
    """`per_minute` calls a minute, refilled evenly, all of them at once if need be. Thread-safe."""

    def __init__(self, per_minute: int) -> None:
        if per_minute < 1:
            raise ValueError("a limiter needs a positive rate")
        self._capacity = per_minute
        self._per_second = per_minute / 60
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, *, at: float | None = None) -> Allowance:
        """Use one call of `key`. `at` is a monotonic instant in seconds."""
        moment = monotonic() if at is None else at
        with self._lock:
            level, since = self._buckets.get(key, (float(self._capacity), moment))
            level = min(self._capacity, level + max(0.0, moment - since) * self._per_second)
            allowed = level >= 1
            if allowed:
                level -= 1
            if key not in self._buckets and len(self._buckets) >= MAX_BUCKETS:
                self._forget_full(moment)
            self._buckets[key] = (level, max(moment, since))
        return Allowance(
            limit=self._capacity,
            remaining=int(level),
            reset=math.ceil((self._capacity - level) / self._per_second),
            retry_after=0 if allowed else max(1, math.ceil((1 - level) / self._per_second)),
        )

    def look(self, key: Hashable, *, at: float | None = None) -> int:
        """Seconds until a call of `key` is allowed; 0: now. Uses none."""
        moment = monotonic() if at is None else at
        with self._lock:
            level, since = self._buckets.get(key, (float(self._capacity), moment))
            level += max(0.0, moment - since) * self._per_second
        return 0 if level >= 1 else max(1, math.ceil((1 - level) / self._per_second))

    def _forget_full(self, moment: float) -> None:
        """Drop the keys whose bucket is full again (they lose nothing), or else the oldest half."""
        full = [
            key
            for key, (level, since) in self._buckets.items()
            if level + (moment - since) * self._per_second >= self._capacity
        ]
        for key in full or sorted(self._buckets, key=lambda key: self._buckets[key][1])[: MAX_BUCKETS // 2]:
            del self._buckets[key]


WRONG_CODES_PER_MINUTE = 10
"""Of one guesser: far more than typing errors make, which the last character of a code finds before anybody looks it up."""
WRONG_CODES_PER_KEY = 100
"""Of one key, whoever comes through it: a guesser who takes turns with many members gets no further than this."""
_wrong_codes = RateLimiter(WRONG_CODES_PER_MINUTE)
_wrong_codes_of_key = RateLimiter(WRONG_CODES_PER_KEY)


@contextmanager
def limits_guessing(actor: Actor, *wrong: type[ShukeError], member_id: UUID | None = None) -> Iterator[None]:
    """Around the look-up of a secret code by an API key or a person: who has met `wrong` too often has to wait.

    `member_id`: for whom the key asks, if it says so. All members may come through one key, as with a mini-programme, so
    that each is counted alone; a person at the console is one guesser, whoever stands before them. Codes that exist cost
    nothing, so that a busy counter is never stopped. Raises TooManyWrongCodes before looking.
    """
    if actor.kind == "system":
        yield
        return
    guesser = (actor.reference, member_id if actor.kind == "key" else None)
    wait = max(_wrong_codes.look(guesser), _wrong_codes_of_key.look(actor.reference))
    if wait:
        raise TooManyWrongCodes(retry_after=wait)
    try:
        yield
    except wrong:
        _wrong_codes.take(guesser)
        _wrong_codes_of_key.take(actor.reference)
        raise


@lru_cache(maxsize=1)
def _configured() -> RateLimiter | None:
    per_minute = settings.ENV.api_rate_per_minute
    return RateLimiter(per_minute) if per_minute else None


def take_call(key: Hashable) -> Allowance | None:
    """Use one call of an API key under the configured limit; None when the limit is switched off.

    Raises RateLimited, whose `headers` belong on the answer.
    """
    limiter = _configured()
    if limiter is None:
        return None
    allowance = limiter.take(key)
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.retry_after, headers=allowance.headers())
    return allowance
