"""The sign-off sheet: figures, hash and names stand in it, in Chinese too; it needs no font and repeats to the byte."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator

import pytest

from server.database import Database
from server.exports.sign_off import SheetNames, sign_off_pdf
from tests.server.close.counting_house import CountingHouse

NAMES = SheetNames("区行政中心 <A&B>", "李伟 (li.wei)", "王芳 (wang.fang)")


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.next_morning()
    yield house
    house.taps.close()


def text_of(pdf: bytes) -> str:
    """Return the text that a sheet shows: strings of its content streams, which are UTF-16 in this font's encoding."""
    shown: list[str] = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            content = zlib.decompress(base64.a85decode(match[1].strip().removesuffix(b"~>")))
        except (ValueError, zlib.error):
            continue
        pieces = re.finditer(rb"\(((?:\\.|[^\\)])*)\) Tj", content, re.DOTALL)
        shown += [_unescaped(piece[1]).decode("utf-16-be", "replace") for piece in pieces]
    return "\n".join(shown)


def _unescaped(raw: bytes) -> bytes:
    octal = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), raw)
    return re.sub(rb"\\([()\\])", lambda match: match[1], octal)


def test_the_sheet_shows_what_was_closed(house: CountingHouse) -> None:
    closed = house.closed(without_silent=True)
    pdf = sign_off_pdf(closed, NAMES)
    shown = text_of(pdf)
    for said in ("日结单 Day close 2026-03-04", "37.00", "main", "区行政中心", "李伟", "silent_till", closed.hash[:20]):
        assert said in shown, said
    assert b"FontFile" not in pdf
    assert pdf == sign_off_pdf(closed, NAMES)
