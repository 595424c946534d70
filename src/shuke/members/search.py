"""Search terms of a member: what a cashier may type to find a person, and what is indexed for it.

Terms are plain text only in memory; the table keeps their blind indexes (`blind_terms`), so that the database alone
gives no name away. What it does give away is which members share a term (say, a surname), never the term itself.

Each term begins with its class, so that "lin" the syllable and "lin" the card never meet:

    =林若溪    the whole name            l:lin l:linruo l:linruoxi   pinyin up to each syllable
    s:林       the surname               l:ruoxi                     pinyin of the given name
    c:林若     two characters in a row   l:lrx                       initials
    4:6621     last four phone digits    l:jo l:joh l:john           words in letters, from two letters on
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice, product

from shuke.core.text import fold
from shuke.kit.crypto import Keyset
from shuke.kit.pinyin import syllables
from shuke.members.surnames import COMPOUND_SURNAMES, GIVEN_READINGS, SURNAME_READINGS, split_surname

COLUMN = "members.search"
MAX_QUERY_PARTS = 6
_MAX_WORDS = 8
_MAX_PREFIX = 12
_MAX_READINGS = 4
_MAX_HAN = 20

_RUN = re.compile(r"(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af〇]+)|(?P<word>[^\W_]+)")
_UMLAUT_SPELLINGS = (("lü", "lv"), ("nü", "nv"), ("lyu", "lv"), ("nyu", "nv"))


def fold_name(text: str) -> str:
    """Width, case and accents folded; ü kept apart from u as v after l and n, as input methods do."""
    wide = unicodedata.normalize("NFKC", text).casefold()
    for spelling, plain in _UMLAUT_SPELLINGS:
        wide = wide.replace(spelling, plain)
    return fold(wide)


def name_terms(name: str) -> set[str]:
    """Every term under which a name is found. At most a few dozen, however long the name."""
    folded = fold_name(name)
    runs = list(_RUN.finditer(folded))
    han = "".join(run["han"] for run in runs if run["han"])[:_MAX_HAN]
    terms = _han_terms(han) if han else set()
    words = [run["word"] for run in runs if run["word"]][:_MAX_WORDS]
    for word in words:
        terms.update(f"l:{word[:size]}" for size in range(2, min(len(word), _MAX_PREFIX) + 1))
        terms.add(f"l:{word}")
    if len(words) > 1:
        terms.add("l:" + "".join(word[0] for word in words))
    return terms


def phone_terms(phones: Iterable[str]) -> set[str]:
    """The last four digits of each phone."""
    return {f"4:{phone[-4:]}" for phone in phones if len(phone) >= 4}


def query_terms(text: str, *, whole_name: bool = False) -> set[str]:
    """The terms that a member must all have to match a query; empty when nothing in it can be searched for.

    Han characters match anywhere in a name; with `whole_name` they must be all of it.
    """
    terms: set[str] = set()
    for run in islice(_RUN.finditer(fold_name(text)), MAX_QUERY_PARTS):
        word, han = run["word"], (run["han"] or "")[:_MAX_HAN]
        if word:
            is_last_four = len(word) == 4 and word.isascii() and word.isdigit()
            terms.add(f"4:{word}" if is_last_four else f"l:{word}")
        elif whole_name:
            terms.add(f"={han}")
        else:
            terms |= _pairs(han) or {f"s:{han}"}
    return terms


def blind_terms(keyset: Keyset, terms: Iterable[str]) -> set[bytes]:
    """The blind indexes of terms, as `members_searchtoken` keeps them."""
    return {keyset.blind_index(COLUMN, term) for term in terms}


def _han_terms(han: str) -> set[str]:
    surname, given = split_surname(han)
    terms = {f"={han}", f"s:{surname}", *_pairs(han)}
    for reading in islice(product(*_readings(surname, given)), _MAX_READINGS):
        joined = ""
        for syllable in reading:
            joined += syllable
            terms.add(f"l:{joined}")
        if given:
            terms.add("l:" + "".join(reading[len(surname) :]))
            terms.add("l:" + "".join(syllable[0] for syllable in reading))
    return terms


def _pairs(han: str) -> set[str]:
    return {f"c:{han[i : i + 2]}" for i in range(len(han) - 1)}


def _readings(surname: str, given: str) -> list[tuple[str, ...]]:
    """The readings of each character, the usual one first."""
    compound = COMPOUND_SURNAMES.get(surname)
    head = [(syllable,) for syllable in compound] if compound else [_surname_reading(surname)]
    return [*head, *(_given_reading(character) for character in given)]


def _surname_reading(character: str) -> tuple[str, ...]:
    return SURNAME_READINGS.get(character) or (_syllable(character),)


def _given_reading(character: str) -> tuple[str, ...]:
    return GIVEN_READINGS.get(character) or (_syllable(character),)


@lru_cache(maxsize=20_000)
def _syllable(character: str) -> str:
    return syllables(character)[0]
