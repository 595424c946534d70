"""Let a rival act at an exact point of somebody else's operation, in its own transaction, as if from another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shuke.checkout import operations
from shuke.kit import connection as kit_connection
from shuke.kit.together import Together
from shuke.kit.turns import Turns
from tests.core.races import race


def elsewhere(act: Callable[[], Any]) -> Any:
    """The result of `act`, done and committed by another connection; raises what it raised."""
    result = race([act])[0]
    if isinstance(result, BaseException):
        raise result
    return result


class Rivals:
    """`before(module, name, act)`: the first call of that function finds that the rival has just acted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.acted = 0

    def before(self, place: Any, name: str, *acts: Callable[[], Any]) -> None:
        """One act per call, in this order; later calls go on undisturbed."""
        original, waiting = getattr(place, name), list(acts)

        def call(*args: Any, **kwargs: Any) -> Any:
            if waiting:
                with self._monkeypatch.context() as patch:
                    # Of this process it would wait until the sale that it disturbs is written.
                    patch.setattr(operations, "_together", Together(operations._commit_together, most=1))
                    patch.setattr(operations, "_turns", Turns())
                    patch.setattr(kit_connection, "_common", None)
                    elsewhere(waiting.pop(0))
                    kit_connection.close_common_connection()
                self.acted += 1
            return original(*args, **kwargs)

        self._monkeypatch.setattr(place, name, call)
