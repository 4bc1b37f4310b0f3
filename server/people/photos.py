"""Photos of people: decoded, cropped to the badge's frame and written anew: nothing of the file but pixels stays.

One by one, or many in a ZIP whose files are named by the person's number (`10001.jpg`). For eyes, never for matching.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from cardcore.ids import PersonId, SiteId
from server.audit.service import Deed, record
from server.cards.badge import MAX_PHOTO_BYTES, BadgeRefusal, decoded_photo
from server.database import ReadSession, WriteSession
from server.people import file_repository, repository
from server.system import System

MAX_PHOTOS = 2_000
"""Of one ZIP."""
MAX_KEPT_BYTES = 262_144
QUALITY = 85
SUFFIXES = (".jpg", ".jpeg", ".png")
_BROKEN = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError, zlib.error)


class PhotoRefusal(StrEnum):
    """Why a photo, or a file of them, is not taken."""

    NOT_FOUND = "not_found"
    """Nobody has this number."""
    TOO_LARGE = "photo_too_large"
    UNREADABLE = "photo_unreadable"
    NOT_A_ZIP = "not_a_zip"
    TOO_MANY = "too_many_photos"
    EMPTY = "no_photos"


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """What became of one file of a ZIP: taken when `problem` is None."""

    file: str
    problem: PhotoRefusal | None


def put_photo(
    session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, content: bytes, actor: str
) -> PhotoRefusal | None:
    """Keep a person's photo, JPEG or PNG, in place of an older one."""
    if repository.lock(session, site_id, person_id) is None:
        return PhotoRefusal.NOT_FOUND
    kept = _kept(content)
    if isinstance(kept, PhotoRefusal):
        return kept
    file_repository.put_photo(session, site_id, person_id, kept, system.clock.now())
    record(session, system, site_id, Deed(actor, "person_photo_set", f"person:{person_id}"))
    return None


def drop_photo(session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, actor: str) -> bool:
    """Delete a person's photo; tell whether there was one."""
    if not file_repository.drop_photo(session, site_id, person_id):
        return False
    record(session, system, site_id, Deed(actor, "person_photo_dropped", f"person:{person_id}"))
    return True


def photo(session: ReadSession, site_id: SiteId, person_id: PersonId) -> bytes | None:
    """Return a person's photo as JPEG."""
    return file_repository.photo(session, site_id, person_id)


def put_many(
    session: WriteSession, system: System, site_id: SiteId, content: bytes, actor: str
) -> list[PhotoReport] | PhotoRefusal:
    """Take all good photos of a ZIP and say of the others why not. A file that is no such ZIP changes nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if not entries:
                return PhotoRefusal.EMPTY
            if len(entries) > MAX_PHOTOS:
                return PhotoRefusal.TOO_MANY
            return list(_each(session, system, site_id, archive, entries, actor))
    except _BROKEN:
        return PhotoRefusal.NOT_A_ZIP


def _each(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    archive: zipfile.ZipFile,
    entries: list[zipfile.ZipInfo],
    actor: str,
) -> Iterator[PhotoReport]:
    numbers = [PurePosixPath(entry.filename).stem for entry in entries]
    people = repository.by_numbers(session, site_id, numbers)
    for entry, number in zip(entries, numbers, strict=True):
        name = PurePosixPath(entry.filename).name
        if PurePosixPath(name).suffix.lower() not in SUFFIXES:
            yield PhotoReport(name, PhotoRefusal.UNREADABLE)
        elif number not in people:
            yield PhotoReport(name, PhotoRefusal.NOT_FOUND)
        elif entry.file_size > MAX_PHOTO_BYTES:
            yield PhotoReport(name, PhotoRefusal.TOO_LARGE)
        else:
            with archive.open(entry) as file:
                read = file.read(MAX_PHOTO_BYTES + 1)
            person = PersonId(people[number]["id"])
            yield PhotoReport(name, put_photo(session, system, site_id, person, read, actor))


def _kept(content: bytes) -> bytes | PhotoRefusal:
    picture = decoded_photo(content)
    if isinstance(picture, BadgeRefusal):
        is_large = picture is BadgeRefusal.PHOTO_TOO_LARGE
        return PhotoRefusal.TOO_LARGE if is_large else PhotoRefusal.UNREADABLE
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=QUALITY)
    return written.getvalue() if len(written.getvalue()) <= MAX_KEPT_BYTES else PhotoRefusal.TOO_LARGE
