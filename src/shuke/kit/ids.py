"""UUIDv7 (RFC 9562): ordered by time, so that new rows land at the right edge of every index."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_POOL = 4096  # bytes asked of the system at once: a call for each id would cost more than the rest of it

_lock = threading.Lock()
_last_ms = 0
_last_seq = 0
_pool = b""
_drawn = 0


def uuid7(at: datetime | None = None) -> UUID:
    """A new UUIDv7. Ids made in one process in one millisecond keep their order (12-bit counter).

    `at` sets the time part, for rows of the past that should sort among their contemporaries.
    """
    global _last_ms, _last_seq
    if at is not None:
        with _lock:
            tail = _random()
        ms = int(at.timestamp() * 1000)
        seq = (tail >> 52) & 0xFFF
    else:
        with _lock:
            tail = _random()
            ms = time.time_ns() // 1_000_000
            if ms <= _last_ms:
                ms = _last_ms
                _last_seq += 1
                if _last_seq > 0xFFF:
                    ms, _last_seq = ms + 1, 0
            else:
                _last_seq = (tail >> 52) & 0x3FF
            _last_ms = ms
            seq = _last_seq
    value = (ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | seq << 64 | 0b10 << 62 | (tail & 0x3FFFFFFFFFFFFFFF)
    return UUID(int=value)


def _random() -> int:
    """64 random bits; the caller holds the lock."""
    global _pool, _drawn
    if _drawn + 8 > len(_pool):
        _pool, _drawn = os.urandom(_POOL), 0
    _drawn += 8
    return int.from_bytes(_pool[_drawn - 8 : _drawn], "big")


def _after_fork() -> None:
    """A child must not draw what its parent draws, nor wait for a lock that no thread of its own holds."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), b""


os.register_at_fork(after_in_child=_after_fork)
