"""Terms of prepaid money that are allowed, but cost the house: to be confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from shuke.loyalty.cautions import Caution, Draft


def kept_bonus(draft: Draft) -> Iterable[Caution]:
    """Bonus money that is spent before the card is returned is kept: whoever does it again and again buys for nothing."""
    if not _keeps(draft.document) or (draft.before is not None and _keeps(draft.before)):
        return ()
    return [
        Caution(
            "bonus_kept_on_return",
            "stored_value.spent_bonus_on_return",
            _("a member can top up, spend the bonus, take the money back, and begin again"),
        )
    ]


def _keeps(document: Mapping[str, Any]) -> bool:
    terms = document.get("stored_value") or {}
    return bool(
        terms.get("bonuses")
        and terms.get("returnable", True)
        and terms.get("spent_bonus_on_return") == "keep"
    )
