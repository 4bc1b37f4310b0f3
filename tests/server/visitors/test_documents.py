"""Document numbers: which are taken, and what is kept of them."""

from __future__ import annotations

from uuid import UUID

import pytest

from cardcore.ids import SiteId
from server.visitors.documents import DocumentKind, cleaned_number, masked_number, number_hash

_K = DocumentKind
HERE, THERE = SiteId(UUID(int=1)), SiteId(UUID(int=2))


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        (_K.ID_CARD, "110105 19491231 002x", "11010519491231002X"),
        (_K.ID_CARD, "110105194912310021", None),  # the check character is X
        (_K.ID_CARD, "E12345678", None),
        (_K.PASSPORT, "e-1234 5678", "E12345678"),
        (_K.PASSPORT, "E123", None),
        (_K.OTHER, "护照12345", None),
        (_K.OTHER, "1" * 25, None),
    ],
)
def test_a_number_is_cleaned_or_refused(kind: DocumentKind, typed: str, kept: str | None) -> None:
    assert cleaned_number(kind, typed) == kept


def test_only_the_last_characters_are_shown() -> None:
    assert masked_number("11010519491231002X") == "**************002X"
    assert masked_number("A1234") == "***34"


def test_the_hash_finds_a_number_again_only_here_and_with_the_key() -> None:
    one = number_hash(b"k", HERE, _K.PASSPORT, "E12345678")
    assert len(one) == 32
    assert one == number_hash(b"k", HERE, _K.PASSPORT, "E12345678")
    others = {
        number_hash(b"k", THERE, _K.PASSPORT, "E12345678"),
        number_hash(b"l", HERE, _K.PASSPORT, "E12345678"),
        number_hash(b"k", HERE, _K.OTHER, "E12345678"),
        number_hash(b"k", HERE, _K.PASSPORT, "E12345679"),
    }
    assert len(others - {one}) == 4
