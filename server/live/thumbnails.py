"""Small photos for the monitors' rows: made once a photo, kept in memory for as long as there is room.

Only a feed that is followed makes them; nothing of them is stored or logged.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from PIL import Image, UnidentifiedImageError

from cardcore.ids import SiteId
from server.database import ReadSession
from server.live import repository
from server.live.repository import Holder

PIXELS = (110, 140)
"""A third of the kept photo: about as high as three lines of a row."""
QUALITY = 75
MAX_KEPT = 1_000
"""Small photos in memory, some 4 KB each: more than who passes in an hour."""


class Thumbnails:
    """See the module. One caller at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[UUID, tuple[datetime, bytes]] = OrderedDict()

    def of(self, session: ReadSession, site: SiteId, holders: Mapping[UUID, Holder]) -> dict[UUID, bytes]:
        """Return small JPEGs of those holders who have a photo; one that cannot be read is left out."""
        wanted = {person: holder.photo_at for person, holder in holders.items() if holder.photo_at is not None}
        missing = [person for person, at in wanted.items() if self._kept.get(person, (None, b""))[0] != at]
        for person, content in repository.photos(session, site, missing).items():
            self._kept[person] = (wanted[person], _small(content))
            self._kept.move_to_end(person)
        found = {person: self._kept[person][1] for person in wanted if person in self._kept}
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return {person: small for person, small in found.items() if small}


def _small(content: bytes) -> bytes:
    """Return a photo in the size of a row; empty when it cannot be read."""
    written = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as opened:
            opened.draft("RGB", (PIXELS[0], PIXELS[1]))  # the decoder leaves out what is not needed for this size
            opened.thumbnail(PIXELS)
            opened.convert("RGB").save(written, "JPEG", quality=QUALITY)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return b""
    return written.getvalue()
