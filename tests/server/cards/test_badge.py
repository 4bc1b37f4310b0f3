"""The printed badge (A17): the size of the plastic, Chinese names, and of a photo nothing but the picture."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.cards.badge import LONGEST_LINE, MAX_PHOTO_BYTES, Badge, BadgeRefusal, badge_pdf

WANG = Badge("东院机关", "王小明", "财政局", "00000001", "一卡通", "2027-12-31")


def photo(kind: str, size: tuple[int, int] = (600, 800), **more: object) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, (200, 30, 40)).save(content, kind, **more)
    return content.getvalue()


def pdf(badge: Badge) -> bytes:
    made = badge_pdf(badge)
    assert isinstance(made, bytes), made
    return made


def pdf_text(text: str) -> bytes:
    """Return a text as the page has it: UTF-16, escaped (ISO 32000, 7.3.4.2)."""
    escaped = {ord(sign): f"\\{sign}" for sign in "()\\"}
    shown = (escaped.get(byte, chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in text.encode("utf-16-be"))
    return "".join(shown).encode()


def with_photo(content: bytes) -> Badge:
    return Badge(WANG.site, WANG.name, WANG.department, WANG.number, WANG.kind, photo=content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a17_a_badge_has_the_size_of_a_card_and_the_names_on_it(kind: str) -> None:
    page = pdf(with_photo(photo(kind)))
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", page)
    assert box is not None
    assert [round(float(side) / 72 * 25.4, 1) for side in box.groups()] == [85.6, 54.0]
    assert page.count(b"/Type /Page\n") == 1
    for text in (WANG.site, WANG.name, WANG.department):
        assert pdf_text(text) in page, text
    assert b"/Subtype /Image" in page


def test_the_same_badge_gives_the_same_bytes() -> None:
    assert pdf(with_photo(photo("PNG"))) == pdf(with_photo(photo("PNG")))


def test_nothing_of_a_photo_but_the_picture_is_printed() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at 39.9N 116.4E"
    content = photo("JPEG", exif=exif)
    assert b"39.9N" in content
    assert b"39.9N" not in pdf(with_photo(content))


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"<svg/>", BadgeRefusal.PHOTO_UNREADABLE),
        (photo("PNG")[:200], BadgeRefusal.PHOTO_UNREADABLE),
        (photo("GIF"), BadgeRefusal.PHOTO_UNREADABLE),
        (b"\xff\xd8" + bytes(MAX_PHOTO_BYTES), BadgeRefusal.PHOTO_TOO_LARGE),
        (photo("PNG", (5_100, 5_000)), BadgeRefusal.PHOTO_TOO_LARGE),
    ],
    ids=["svg", "cut", "gif", "bytes", "pixels"],
)
def test_a_photo_that_is_none_is_refused(content: bytes, refusal: BadgeRefusal) -> None:
    assert badge_pdf(with_photo(content)) is refusal


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_badge_or_a_refusal(content: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"):
        assert isinstance(badge_pdf(with_photo(start + content)), bytes | BadgeRefusal)


def test_a_name_that_is_too_long_stays_on_the_card() -> None:
    badge = Badge(WANG.site, "王" * 500, WANG.department, WANG.number, WANG.kind)
    assert pdf(badge) == pdf(Badge(WANG.site, "王" * LONGEST_LINE, WANG.department, WANG.number, WANG.kind))
