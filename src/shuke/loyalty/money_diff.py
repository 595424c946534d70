"""What changes in the sections on money, coupons and rewards, key by key.

Values are shown as they stand in the document: they are figures and plain words already. A list of rates or bonus rules
is compared by code or id, so that an entry moved within it is no change. A coupon, reward or plan that only one side has
is told as a whole: its keys, most of them defaults, would bury what else changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from django.utils.translation import pgettext, pgettext_lazy

SECTIONS = {
    "taxes": pgettext_lazy("programme", "Taxes:"),
    "stored_value": pgettext_lazy("programme", "Stored value:"),
    "gift_cards": pgettext_lazy("programme", "Gift cards:"),
    "card_limits": pgettext_lazy("programme", "Legal card limits:"),
    "offline": pgettext_lazy("programme", "Sales made offline:"),
    "coupons": pgettext_lazy("programme", "Coupons:"),
    "rewards": pgettext_lazy("programme", "Rewards:"),
    "plans": pgettext_lazy("programme", "Plans:"),
}


OFFERS = ("coupons", "rewards", "plans")


def whole_offers(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[Literal["added", "removed"], str, str, Mapping[str, str]]]:
    """(what became of it, path, section's name, the offer's own name) of each offer that only one side has."""
    for section in OFFERS:
        before, after = _by_code(old, section), _by_code(new, section)
        for code, entry in after.items():
            if code not in before:
                yield "added", f"{section}.{code}", str(SECTIONS[section]), entry["name"]
        for code, entry in before.items():
            if code not in after:
                yield "removed", f"{section}.{code}", str(SECTIONS[section]), entry["name"]


def _by_code(document: Mapping[str, Any], section: str) -> dict[str, Mapping[str, Any]]:
    return {entry["code"]: entry for entry in document.get(section) or ()}


def changed_leaves(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(path, section's name, value before, value after) of each key that differs; "–" where a side lacks it."""
    for section, name in SECTIONS.items():
        before, after = (dict(_leaves(section, side.get(section))) for side in (old, new))
        if section in OFFERS:
            both = _by_code(old, section).keys() & _by_code(new, section).keys()
            before, after = (
                {path: value for path, value in side.items() if path.split(".")[1] in both}
                for side in (before, after)
            )
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                yield path, str(name), before.get(path, "–"), after.get(path, "–")
    before, after = dict(_level_benefits(old)), dict(_level_benefits(new))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield (
                path,
                pgettext("programme", "Benefits of the level:"),
                before.get(path, "–"),
                after.get(path, "–"),
            )


def _level_benefits(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for level in document["tiers"]["levels"]:
        yield from _leaves(f"tiers.{level['code']}.benefits", level.get("benefits"))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}", item)
        if not value:
            yield path, pgettext("programme", "yes")
    elif isinstance(value, list):
        if all(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                key = item.get("code") or item.get("id") or item.get("template") or index
                yield from _leaves(f"{path}.{key}", item)
        else:
            yield path, ", ".join(str(item) for item in sorted(value))
    elif isinstance(value, bool):
        yield path, pgettext("programme", "yes") if value else pgettext("programme", "no")
    elif value is not None:
        yield path, str(value)
