"""How a refusal names an asset: rooms below the programme raise it with the code, people read the programme's own word.

`apps.ready` registers this with `kit.errors`. A refusal is told when it is shown, so the clock is read here.
"""

from __future__ import annotations

from shuke.kit.clock import now
from shuke.loyalty.queries import asset_word_at


def told_asset(asset: str) -> str:
    """The name of an asset within a sentence, under the programme in force, in the active language."""
    return asset_word_at(asset, now())
