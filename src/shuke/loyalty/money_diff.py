"""What changes in the sections on money, coupons, rewards, plans and benefits: each place in the words that the editor uses.

Entries of a list are compared by code or id, so that one moved within it is no change, and are called by their names. What only
one side has is told as a whole, on one line: its keys, most of them defaults, would bury what else changes. Of a coupon, reward
or plan that comes or goes the name is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from shuke.loyalty.key_words import choice_word, label_of, place_of
from shuke.loyalty.words import CHOICES, Document, coupon_name, grouped, localized, plan_name, tier_name

SECTIONS: dict[str, str | Promise] = {
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
Whole = tuple[Literal["added", "removed"], str, str, str]

_LANGUAGES = frozenset({"zh-Hans", "zh-Hant", "en"})
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_NONE = "–"
_RAW = frozenset({
    "code", "id", "group", "with", "public_code", "skus", "categories", "brands", "exclude_skus", "exclude_categories",
    "exclude_brands", "stores", "channels", "tenders", "event",
})  # fmt: skip
"""Keys whose values are the shop's own codes, though they may look like a choice."""


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


def whole_sections(old: Document, new: Document) -> Iterator[Whole]:
    """(what became of it, path, section's name, what it says) of each section on money that only one side has."""
    telling = _Telling(old, new)
    for section in SECTIONS:
        before, after = old.get(section), new.get(section)
        if section in OFFERS or (before is None) == (after is None):
            continue
        if before is None:
            yield "added", section, label_of(section), telling.said(after, section, new)
        else:
            yield "removed", section, label_of(section), telling.said(before, section, old)


def changed_places(old: Document, new: Document) -> Iterator[tuple[str, str, str, str, str]]:
    """(path, section's name, place in words, value before, value after) of all that differs; "–" where a side has nothing."""
    telling = _Telling(old, new)
    for section, name in SECTIONS.items():
        before, after = old.get(section), new.get(section)
        if section not in OFFERS and (before is None or after is None):
            continue
        if section in OFFERS:
            earlier, later = _by_code(old, section), _by_code(new, section)
            both = [code for code in later if code in earlier]
            before, after = [earlier[code] for code in both], [later[code] for code in both]
        for path, place, was, is_now in telling.walk(section, (), "", before, after):
            yield path, str(name), place, was, is_now
    levels = {level["code"]: level for level in old["tiers"]["levels"]}
    for level in new["tiers"]["levels"]:
        code = level["code"]
        former = levels.get(code, {}).get("benefits")
        named = (localized(level["name"]),)
        benefits = pgettext("programme", "Benefits of the level:")
        for path, words, was, is_now in telling.walk(
            f"tiers.{code}.benefits", named, "benefits", _given(former), _given(level.get("benefits"))
        ):
            yield path, benefits, words, was, is_now


class _Telling:
    """Walks both documents side by side; codes of tiers, plans and coupons are called by the names that they have there."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new

    def walk(
        self, path: str, place: tuple[str, ...], key: str, before: Any, after: Any
    ) -> Iterator[tuple[str, str, str, str]]:
        """(path, place in words, before, after) of each difference at or below a place."""
        if before == after:
            return
        if _is_table(before) and _is_table(after):
            for each in sorted(before.keys() | after.keys()):
                here = (*place, label_of(each))
                yield from self.walk(f"{path}.{each}", here, each, before.get(each), after.get(each))
        elif _is_list_of_tables(before) and _is_list_of_tables(after):
            earlier, later = _by_key(before), _by_key(after)
            for each in {**earlier, **later}:
                entry = later.get(each) or earlier[each]
                name = self._name(entry, self._new if each in later else self._old)
                # A coupon that comes or goes is named by what became of it.
                here = (
                    (*place, name)
                    if "template" not in entry or each in earlier.keys() & later.keys()
                    else place
                )
                yield from self.walk(f"{path}.{each}", here, "", earlier.get(each), later.get(each))
        else:
            was, is_now = self.said(before, key, self._old), self.said(after, key, self._new)
            if was == is_now and isinstance(before, Mapping) and isinstance(after, Mapping):
                # Only another language's name differs.
                was, is_now = (", ".join(map(str, side.values())) for side in (before, after))
            if was == is_now:
                return  # the same entries in another order
            yield path, pgettext("programme place", " · ").join(place), was, is_now

    def said(self, value: Any, key: str, document: Document) -> str:
        """A value in words, however large."""
        if value is None:
            return _NONE
        if isinstance(value, bool):
            return str(CHOICES[value])
        if isinstance(value, Mapping):
            if value and value.keys() <= _LANGUAGES:
                return localized(value)
            if "template" in value:
                return self._pieces(value, document)
            parts = [
                self._pair(each, value[each], document)
                for each in sorted(value, key=place_of)
                if each not in ("name", "code", "id") and (each, value[each]) != ("days_before", 0)
            ]
            told = pgettext("programme", ", ").join(parts)
            if "name" in value and told:
                name = localized(value["name"])
                return pgettext("programme", "%(name)s (%(text)s)") % {"name": name, "text": told}
            return told or str(CHOICES[True])
        if isinstance(value, Sequence) and not isinstance(value, str):
            items = [self.said(item, key, document) for item in value]
            if _is_list_of_tables(value):
                return pgettext("programme", "; ").join(items) or _NONE
            return pgettext("programme", ", ").join(sorted(items)) or _NONE
        return self._scalar(str(value), key, document)

    @staticmethod
    def _pieces(entry: Mapping[str, Any], document: Document) -> str:
        figures = {"name": coupon_name(document, entry["template"]), "count": grouped(entry.get("count", 1))}
        return pgettext("programme", "%(name)s ×%(count)s") % figures

    def _pair(self, key: str, value: Any, document: Document) -> str:
        if key == "days_before":
            return pgettext("programme", "%(count)s days ahead") % {"count": grouped(value)}
        if value and _is_list_of_tables(value) and all("template" in each for each in value):
            return pgettext("programme", ", ").join(self._pieces(each, document) for each in value)
        return pgettext("programme", "%(head)s: %(name)s") % {
            "head": label_of(key),
            "name": self.said(value, key, document),
        }

    @staticmethod
    def _scalar(value: str, key: str, document: Document) -> str:
        if key in ("tier", "tiers"):
            return tier_name(document, value)
        if key in ("coupon", "template"):
            return coupon_name(document, value)
        if key == "upgrade_to":
            return plan_name(document, value)
        if key in _RAW:
            return value
        return grouped(value) if _NUMBER.fullmatch(value) else choice_word(key, value)

    def _name(self, entry: Mapping[str, Any], document: Document) -> str:
        if "name" in entry:
            return pgettext("programme", "“%s”") % localized(entry["name"])
        for key in ("template", "tier"):
            if key in entry:
                return self._scalar(str(entry[key]), key, document)
        return str(_key_of(entry) or self.said(entry, "", document))


def _given(benefits: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a level brings; a benefit that it does not bring is the same as none."""
    return {key: value for key, value in (benefits or {}).items() if value is not False}


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and not (value and value.keys() <= _LANGUAGES)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _key_of(entry: Mapping[str, Any]) -> str | None:
    return entry.get("code") or entry.get("id") or entry.get("template") or entry.get("tier")


def _by_key(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {_key_of(entry) or str(index): entry for index, entry in enumerate(entries)}
