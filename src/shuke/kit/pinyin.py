"""Readings of Chinese characters. The dictionary costs a third of a second to load, and most commands never ask."""

from __future__ import annotations


def syllables(han: str) -> list[str]:
    """The usual toneless reading of each character, with v for ü."""
    from pypinyin import lazy_pinyin

    return [str(syllable) for syllable in lazy_pinyin(han)]
