"""Identity documents: what is kept of a number (its last characters and a keyed hash), never the number. Pure.

The hash finds a returning visitor and one who gives another name; the key is the installation's, so that a copy of the
database alone cannot be searched for numbers (security sheet, section 10).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum

from cardcore.ids import SiteId

SHOWN_CHARACTERS = 4
SHORTEST = 5
"""A shorter number would stand in the open."""
LONGEST = 24
_NUMBER = re.compile(r"[0-9A-Z]+")
_ID_CARD = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
"""Of a citizen's number: ISO 7064 MOD 11-2, as GB 11643 has it."""


class DocumentKind(StrEnum):
    """What a visitor shows at the desk."""

    ID_CARD = "id_card"
    PASSPORT = "passport"
    RESIDENCE = "residence"
    DRIVING = "driving"
    OTHER = "other"


def cleaned_number(kind: DocumentKind, typed: str) -> str | None:
    """Return a document's number without blanks and hyphens, or None when no document of that kind has it."""
    number = re.sub(r"[\s\-]", "", typed).upper()
    if not SHORTEST <= len(number) <= LONGEST or not _NUMBER.fullmatch(number):
        return None
    if kind is DocumentKind.ID_CARD and not _is_id_card(number):
        return None
    return number


def masked_number(number: str) -> str:
    """Return the form that is kept and shown: asterisks and the last characters."""
    shown = min(SHOWN_CHARACTERS, len(number) // 2)
    return "*" * (len(number) - shown) + number[-shown:]


def number_hash(key: bytes, site_id: SiteId, kind: DocumentKind, number: str) -> bytes:
    """Return 32 bytes under which a cleaned number is found again at this site, and at no other."""
    return hmac.digest(key, b"\0".join((site_id.bytes, kind.encode(), number.encode())), hashlib.sha256)


def _is_id_card(number: str) -> bool:
    if not _ID_CARD.fullmatch(number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return _CHECK_CHARACTERS[total % 11] == number[-1]
