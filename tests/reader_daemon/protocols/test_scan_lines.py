"""Lines out of noise: every terminator, every fault by name, nothing kept beyond its limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_daemon.protocols.scan_lines import LINE_BYTES, ScanFault, ScanLines

texts = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x9FFF, exclude_categories=("C", "Z")), min_size=1
).filter(lambda text: text.isprintable() and len(text.encode()) <= LINE_BYTES)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\n"])
def test_terminators(end: bytes) -> None:
    assert ScanLines().feed(b"one" + end + "二".encode() + end) == ["one", "二"]


def test_framing_and_blanks_are_not_part_of_the_text() -> None:
    assert ScanLines().feed(b"\x020012345678\x03\r\n \r\n\x02\x03\r") == ["0012345678"]


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a\x00b", b"a\x1bb", b"\xc3"])
def test_what_is_no_text_is_named_and_the_next_line_is_read(raw: bytes) -> None:
    assert ScanLines().feed(raw + b"\nnext\n") == [ScanFault.NOT_TEXT, "next"]


def test_longest_line_and_one_byte_more() -> None:
    lines = ScanLines()
    assert lines.feed(b"x" * LINE_BYTES + b"\n") == ["x" * LINE_BYTES]
    assert lines.feed(b"x" * (LINE_BYTES + 1)) == [ScanFault.OVERSIZED]
    assert lines.feed(b"x" * 10_000) == []
    assert lines.feed(b"tail\nnext\n") == ["next"]


def test_half_line_does_not_prefix_the_next() -> None:
    lines = ScanLines()
    assert lines.feed(b"half") == []
    assert lines.fall_silent() == [ScanFault.TORN]
    assert lines.fall_silent() == []
    assert lines.feed(b"whole\n") == ["whole"]


@given(st.lists(texts, max_size=5), st.integers(1, 7))
def test_lines_survive_any_cut_of_the_stream(sent: list[str], step: int) -> None:
    stream = b"".join(text.encode() + b"\r\n" for text in sent)
    lines = ScanLines()
    read = [scan for at in range(0, len(stream), step) for scan in lines.feed(stream[at : at + step])]
    assert read == sent


@given(st.lists(st.binary(max_size=700), max_size=8))
def test_noise_gives_values_and_keeps_no_more_than_a_line(noise: list[bytes]) -> None:
    lines = ScanLines()
    for data in noise:
        for scan in lines.feed(data):
            assert isinstance(scan, ScanFault) or (scan.isprintable() and len(scan.encode()) <= LINE_BYTES)
        assert len(lines._line) <= LINE_BYTES
