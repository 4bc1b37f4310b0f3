"""Shares on paper: lines of eight bytes, each with a check word, so that a slip of the pen is found in its line.

A check word is 16 bits as five letters, consonant and vowel in turn: it can be read aloud over a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from server.keys.shares import Share, SharesError

LINE_BYTES = 8
HEAD_BYTES = 6
"""Of the paper's bytes: ceremony (4), how many are needed, number of the share."""
MAX_TEXT = 2_000
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def share_text(share: Share, needed: int, ceremony: bytes) -> str:
    """Return the lines to print: a number, four groups of hex digits, a check word."""
    content = ceremony + bytes([needed, share.number]) + share.value
    lines = []
    for number, at in enumerate(range(0, len(content), LINE_BYTES), 1):
        part = content[at : at + LINE_BYTES]
        groups = " ".join(part[start : start + 2].hex() for start in range(0, len(part), 2))
        lines.append(f"{number}  {groups:<19}  {check_word(number, part)}")
    return "\n".join(lines)


def read_share(text: str) -> tuple[Share, int, bytes]:
    """Read a share back: the share, how many are needed, its ceremony. Raises SharesError naming the line."""
    content = b""
    for expected, line in enumerate(filter(None, map(str.strip, text[:MAX_TEXT].splitlines())), 1):
        words = line.lower().split()
        try:
            number, part = int(words[0]), bytes.fromhex("".join(words[1:-1]))
        except (ValueError, IndexError):
            msg = f"line {expected}: write a number, groups of hex digits and the check word"
            raise SharesError(msg) from None
        if number != expected or words[-1] != check_word(number, part):
            msg = f"line {expected}: the check word does not fit, look at this line again"
            raise SharesError(msg)
        content += part
    if len(content) <= HEAD_BYTES:
        msg = "the share is incomplete"
        raise SharesError(msg)
    return Share(content[5], content[HEAD_BYTES:]), content[4], content[:4]


def shares_of(texts: Sequence[str]) -> list[Share]:
    """Read several shares that must be of one ceremony, and enough. Raises SharesError."""
    read = [read_share(text) for text in texts]
    if len({(needed, ceremony) for _, needed, ceremony in read}) > 1:
        msg = "the shares are from different ceremonies"
        raise SharesError(msg)
    if not read or len(read) < read[0][1]:
        msg = f"{read[0][1] if read else 'more'} shares are needed, {len(read)} were given"
        raise SharesError(msg)
    return [share for share, _, _ in read]


def check_word(line: int, part: bytes) -> str:
    """Return the word of one line."""
    value = int.from_bytes(hashlib.sha256(bytes([line]) + part).digest()[:2], "big")
    word = ""
    for letters, shift in ((_CONSONANTS, 12), (_VOWELS, 10), (_CONSONANTS, 6), (_VOWELS, 4), (_CONSONANTS, 0)):
        word += letters[(value >> shift) & (len(letters) - 1)]
    return word
