"""Photos one by one and in bulk: only pixels stay, each file of a ZIP has its own end, hostile files change nothing."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from cardcore.ids import PersonId, SiteId
from server.cards.badge import PHOTO_PIXELS
from server.database import Database
from server.people import photos
from server.people.photos import PhotoRefusal, PhotoReport
from server.system import System
from tests.server.cards.card_desk import Desk


@pytest.fixture
def desk(database: Database, system: System, site: SiteId) -> Desk:
    return Desk(database, system, site)


def picture(kind: str = "JPEG", size: tuple[int, int] = (600, 600)) -> bytes:
    made = io.BytesIO()
    extra = {"comment": b"taken at home"} if kind == "JPEG" else {}
    Image.new("RGB", size, (200, 120, 80)).save(made, kind, **extra)
    return made.getvalue()


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def put(desk: Desk, person: PersonId, content: bytes) -> PhotoRefusal | None:
    return desk.write(lambda session, system, site: photos.put_photo(session, system, site, person, content, "test"))


def put_many(desk: Desk, content: bytes) -> list[PhotoReport] | PhotoRefusal:
    return desk.write(lambda session, system, site: photos.put_many(session, system, site, content, "test"))


def kept(desk: Desk, person: PersonId) -> bytes | None:
    return desk.database.read(lambda session: photos.photo(session, desk.site, person))


def test_a_photo_is_written_anew_and_can_be_dropped(desk: Desk) -> None:
    person = desk.person()
    assert put(desk, person, picture()) is None
    stored = kept(desk, person)
    assert stored is not None
    assert b"taken at home" not in stored
    assert Image.open(io.BytesIO(stored)).size == PHOTO_PIXELS
    assert put(desk, person, b"GIF89a" + bytes(100)) is PhotoRefusal.UNREADABLE
    assert kept(desk, person) == stored
    assert desk.write(lambda session, system, site: photos.drop_photo(session, system, site, person, "test"))
    assert kept(desk, person) is None


def test_many_photos_are_named_by_the_number_and_each_has_its_own_end(desk: Desk) -> None:
    person = desk.person("10001")
    content = zipped(
        **{
            "2026/10001.jpg": picture(),
            "10002.png": picture("PNG"),
            "../10001.svg": b"<svg/>",
            "list.txt": b"10001",
        }
    )
    report = put_many(desk, content)
    assert report == [
        PhotoReport("10001.jpg", None),
        PhotoReport("10002.png", PhotoRefusal.NOT_FOUND),
        PhotoReport("10001.svg", PhotoRefusal.UNREADABLE),
        PhotoReport("list.txt", PhotoRefusal.UNREADABLE),
    ]
    assert kept(desk, person) is not None


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"PK\x03\x04 no archive", PhotoRefusal.NOT_A_ZIP),
        (zipped(), PhotoRefusal.EMPTY),
        (picture(), PhotoRefusal.NOT_A_ZIP),
    ],
)
def test_a_file_that_is_no_zip_of_photos_is_named(desk: Desk, content: bytes, refusal: PhotoRefusal) -> None:
    assert put_many(desk, content) is refusal
