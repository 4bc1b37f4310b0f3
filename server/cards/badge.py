"""The printed side of a card as PDF, in the size of the plastic (ISO/IEC 7810 ID-1): site, photo, name, number.

Chinese text is set in `STSong-Light`, which every PDF reader brings. The photo is decoded and written anew, so that
neither its place of taking nor anything hidden in the file goes onto the card; it is for eyes, never for matching.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageOps, UnidentifiedImageError
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

FONT = "STSong-Light"
CARD_SIZE = (85.6 * mm, 53.98 * mm)
PHOTO_SIZE = (22 * mm, 28 * mm)
PHOTO_PIXELS = (330, 420)
"""About 380 dots an inch on the card."""
MAX_PHOTO_BYTES = 4 * 1024 * 1024
MAX_PHOTO_PIXELS = 25_000_000
LONGEST_LINE = 40
"""Characters; longer names are cut, so that none runs off the card."""
_FORMATS = ("JPEG", "PNG")
_MARGIN = 4 * mm


class BadgeRefusal(StrEnum):
    """Why no badge is printed."""

    PHOTO_TOO_LARGE = "photo_too_large"
    PHOTO_UNREADABLE = "photo_unreadable"
    """Neither a whole JPEG nor a whole PNG."""


@dataclass(frozen=True, slots=True)
class Badge:
    """What stands on a card; `photo` is a JPEG or PNG, or empty."""

    site: str
    name: str
    department: str
    number: str
    """Printed on the plastic."""
    kind: str
    valid_until: str = ""
    photo: bytes = b""


def badge_pdf(badge: Badge) -> bytes | BadgeRefusal:
    """Return one page of the size of a card; the same badge gives the same bytes."""
    photo = decoded_photo(badge.photo) if badge.photo else None
    if isinstance(photo, BadgeRefusal):
        return photo
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=CARD_SIZE, invariant=1, pageCompression=0)
    canvas.setTitle(f"Badge {badge.number}")
    canvas.setAuthor("Onecard")
    width, height = CARD_SIZE
    canvas.setFont(FONT, 11)
    canvas.drawString(_MARGIN, height - 9 * mm, badge.site[:LONGEST_LINE])
    left = _MARGIN
    if photo is not None:
        canvas.drawImage(ImageReader(photo), left, 10 * mm, *PHOTO_SIZE)
        left += PHOTO_SIZE[0] + 4 * mm
    lines = ((14, badge.name), (9, badge.department), (9, badge.kind), (9, badge.valid_until))
    top = 32 * mm
    for size, line in lines:
        canvas.setFont(FONT, size)
        canvas.drawString(left, top, line[:LONGEST_LINE])
        top -= (size + 5) * 0.36 * mm + 2 * mm
    canvas.setFont(FONT, 8)
    canvas.drawRightString(width - _MARGIN, 5 * mm, f"No. {badge.number[:LONGEST_LINE]}")
    canvas.showPage()
    canvas.save()
    return content.getvalue()


def decoded_photo(content: bytes) -> Image.Image | BadgeRefusal:
    """Decode, turn upright and crop to the frame; what goes on is pixels alone."""
    if len(content) > MAX_PHOTO_BYTES:
        return BadgeRefusal.PHOTO_TOO_LARGE
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PHOTO_PIXELS:
                return BadgeRefusal.PHOTO_TOO_LARGE
            upright = ImageOps.exif_transpose(opened).convert("RGB")
        bare = Image.new("RGB", PHOTO_PIXELS)  # a comment of the file travels with a picture that was made of it
        bare.paste(ImageOps.fit(upright, PHOTO_PIXELS))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return BadgeRefusal.PHOTO_UNREADABLE
    return bare
