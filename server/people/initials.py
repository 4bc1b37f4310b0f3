"""The first letters of a Chinese name's pinyin, by which people are searched: 王小明 is found as wxm. Pure.

Readings of single characters are those of surnames first; who is read otherwise gets the letters by hand.
"""

from __future__ import annotations

from pypinyin import Style, lazy_pinyin

MAX_INITIALS = 20


def initials_of(name: str) -> str:
    """Return the letters, small, at most `MAX_INITIALS`; Latin words count by their first letter."""
    letters = ""
    for part in lazy_pinyin(name, style=Style.FIRST_LETTER):
        letters += "".join(word[0] for word in part.split() if word[0].isascii() and word[0].isalnum())
    return letters.lower()[:MAX_INITIALS]
