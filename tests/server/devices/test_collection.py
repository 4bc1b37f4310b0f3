"""A file from a box is taken like an upload: stored once, charged once, refused when it is not the box's own."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.wire.journal_file import JournalFileError, JournalHeader, write_file
from cardcore.wire.messages import RecordStatus, Upload
from server.database import Database
from server.devices.collection import Collected, CollectionRefused, collect
from server.ledger.invariants import all_invariants
from server.system import System
from tests.server.link.link_site import LUNCH_OF_STAFF_FEN, LinkSite, make_link_site
from tests.server.link.peer import Peer


@pytest.fixture
def site(database: Database, system: System) -> LinkSite:
    return make_link_site(database, system)


def lunch(site: LinkSite) -> Peer:
    """Return a box that served two meals alone."""
    peer = Peer(site)
    for holder in (0, 1):
        peer.served(peer.intent(holder), offline=True)
    return peer


def file_of(peer: Peer, uploads: Sequence[Upload], device: str = "") -> bytes:
    return b"".join(write_file(JournalHeader(device or str(peer.box.device), 1, len(uploads)), uploads))


def collected(site: LinkSite, content: bytes) -> Collected:
    return collect(site.database.url, site.database, site.system, site.secrets, io.BytesIO(content).read)


def test_meals_of_a_file_are_charged_once_however_often_it_comes(site: LinkSite) -> None:
    peer = lunch(site)
    content = file_of(peer, [peer.upload(peer.records[:2]), peer.upload(peer.records[2:])])
    done = collected(site, content)
    assert done.device == "gate-1"
    assert [status for _, status in done.statuses] == [RecordStatus.STORED] * 4
    again = collected(site, content)
    assert [status for _, status in again.statuses] == [RecordStatus.DUPLICATE] * 4
    assert site.rows("select count(*), sum(amount_fen) from charge") == [(2, 2 * LUNCH_OF_STAFF_FEN)]
    assert site.rows("select acked_through from device_epoch") == [(4,)]
    broken = site.database.read(lambda session: all_invariants(session, site.site, drained=True))
    assert not {name: found for name, found in broken.items() if found}


def test_a_file_signed_by_somebody_else_is_refused(site: LinkSite) -> None:
    peer = lunch(site)
    stranger = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
    with pytest.raises(CollectionRefused, match="signature"):
        collected(site, file_of(peer, [peer.upload(peer.records, stranger)]))
    other = site.enrol("gate-2")
    with pytest.raises(CollectionRefused, match="signature"):
        collected(site, file_of(peer, [peer.upload(peer.records)], str(other.device)))
    with pytest.raises(CollectionRefused, match="does not know"):
        collected(site, file_of(peer, [peer.upload(peer.records)], "00000000-0000-0000-0000-000000000001"))
    assert site.rows("select count(*) from record") == [(0,)]


def test_a_changed_record_is_set_aside_and_its_neighbours_are_taken(site: LinkSite) -> None:
    peer = lunch(site)
    content = file_of(peer, [peer.upload(peer.records)])
    at = content.index(b'"t01"')
    done = collected(site, content[:at] + b'"t09"' + content[at + 5 :])
    aside, stored = RecordStatus.QUARANTINED, RecordStatus.STORED
    assert [status for _, status in done.statuses] == [aside, aside, stored, stored]  # a tap and what became of it


@pytest.mark.parametrize("content", [b"", b"onecard-journal 1\n", b"onecard-journal 1\n\0\0\0\x02{}", b"\x89PNG"])
def test_what_is_no_such_file_is_refused(site: LinkSite, content: bytes) -> None:
    with pytest.raises(JournalFileError):
        collected(site, content)
