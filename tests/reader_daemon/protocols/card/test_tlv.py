"""BER-TLV: one encoding a value, everything else refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import CardFailure
from reader_daemon.protocols.card.tlv import ENTRIES, encode_tlv, parse_tlv

short_tags = st.integers(1, 0xFE).filter(lambda tag: tag & 0x1F != 0x1F)
long_tags = st.tuples(st.sampled_from([0x1F, 0x5F, 0x7F, 0x9F]), st.integers(0x1F, 0x7F)).map(
    lambda pair: pair[0] << 8 | pair[1]
)


def test_one_level_is_read_and_constructed_values_stay_bytes() -> None:
    assert parse_tlv(bytes.fromhex("5C020100 7F2103 5A01AA")) == {0x5C: b"\x01\x00", 0x7F21: b"\x5a\x01\xaa"}
    assert parse_tlv(b"") == {}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("5C", "length is missing"),
        ("5C0201", "2 bytes announced, 1 left"),
        ("5F", "tag is cut"),
        ("5F1E00", "shortest form"),
        ("5F818100", "more than two bytes"),
        ("5C8101AA", "shortest form"),
        ("5C820001AA", "shortest form"),
        ("5C81", "length is cut"),
        ("5C8201", "length is cut"),
        ("5C80", "length form 80"),
        ("5C8300000100", "length form 83"),
        ("00", "filler byte 00"),
        ("5C0000", "filler byte 00"),
        ("FF00", "filler byte FF"),
        ("5C005C00", "comes twice"),
    ],
)
def test_other_encodings_are_refused(raw: str, why: str) -> None:
    failure = parse_tlv(bytes.fromhex(raw))
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_UNREADABLE
    assert why in failure.detail


def test_entries_are_limited() -> None:
    tags = [tag for tag in range(1, 0xFF) if tag & 0x1F != 0x1F]
    full = b"".join(encode_tlv(tag, b"") for tag in tags[:ENTRIES])
    assert not isinstance(parse_tlv(full), CardFailure)
    assert isinstance(parse_tlv(full + encode_tlv(tags[ENTRIES], b"")), CardFailure)


@given(st.dictionaries(short_tags | long_tags, st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read(fields: dict[int, bytes]) -> None:
    raw = b"".join(encode_tlv(tag, value) for tag, value in fields.items())
    assert parse_tlv(raw) == fields


@given(st.binary(max_size=80))
def test_what_is_read_has_no_other_encoding(raw: bytes) -> None:
    fields = parse_tlv(raw)
    if not isinstance(fields, CardFailure):
        assert b"".join(encode_tlv(tag, value) for tag, value in fields.items()) == raw
