"""Search terms of a product, and the query that finds them.

A product is found by the beginning of any word of its name, brand, category or SKU, by any characters in a row of a
Chinese name, and by pinyin or initials from any character on. All of that is one prefix query over one GIN index, so
it needs no extension and no text search configuration of the server.
"""

from __future__ import annotations

import re
from itertools import islice

from shuke.core.text import fold
from shuke.kit.pinyin import syllables

MAX_QUERY_WORDS = 8
_MAX_TERMS = 200
_MAX_HAN = 60
_PINYIN_SPAN = 4
_INITIALS_SPAN = 8

_RUN = re.compile(r"(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af〇]+)|(?P<word>[^\W_]+)")


def search_text(name: str, *, sku: str = "", brand: str = "", category: str = "") -> str:
    """The terms under which a product is found, separated by spaces, as `catalog_product.search_text` keeps them."""
    terms: dict[str, None] = {}
    for part in (name, brand, category, sku):
        for run in _RUN.finditer(fold(part)):
            if run["word"]:
                terms[run["word"]] = None
            else:
                terms.update(dict.fromkeys(_han_terms(run["han"][:_MAX_HAN])))
    return " ".join(islice(terms, _MAX_TERMS))


def query_of(text: str) -> str:
    """What a person typed, as a tsquery: each word is the beginning of a term, all of them must be found.

    Empty when nothing in the text can be searched for.
    """
    prefixes: dict[str, None] = {}
    for run in islice(_RUN.finditer(fold(text)), MAX_QUERY_WORDS):
        if run["word"]:
            prefixes[run["word"]] = None
        else:
            prefixes.update(dict.fromkeys(_pairs(run["han"][:_MAX_HAN])[:-1] or [run["han"]]))
    return " & ".join(f"'{prefix}':*" for prefix in prefixes)


def _han_terms(han: str) -> list[str]:
    readings = syllables(han)
    initials = "".join(reading[0] for reading in readings)
    terms = _pairs(han)
    for start in range(len(han)):
        terms.append("".join(readings[start : start + _PINYIN_SPAN]))
        terms.append(initials[start : start + _INITIALS_SPAN])
    return terms


def _pairs(han: str) -> list[str]:
    """Every two characters in a row, and the last one alone, so that a prefix finds any one or two of them."""
    return [han[start : start + 2] for start in range(len(han))]
