"""What a welcome means for the journal: go on, rewind one epoch or all, or begin a new one."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from cardcore.ids import DeviceId
from cardcore.journal import DeviceEvent, Stamp
from cardcore.wire.messages import RecordStatus, UploadAck, Welcome
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalKeys
from reader_daemon.uplink.settling import Settled, settle_conflict, settle_welcome
from tests.reader_daemon.virtual_time import CountingIds


@pytest.fixture
def journal(tmp_path: Path) -> JournalStore:
    """Return a journal with an old epoch of 3 records and the current one of 5, all acknowledged."""
    settings = JournalSettings(tmp_path / "journal.db", JournalKeys(DeviceId(UUID(int=7)), b"k" * 32), "here")
    store = JournalStore(settings, CountingIds(), microseconds=lambda: 0)
    store.open(1)
    for count in (3, 5):
        if store.head.seq:
            store.begin_epoch("test")
        for _ in range(count):
            store.append(DeviceEvent("noted", "", "", Stamp(1, 1, "b")))
        store.mark_acked(store.epoch, count, 1)
    store.set_generation("first")
    return store


def welcome(journal: JournalStore, mark: int, generation: str = "first", head: bytes | None = None) -> Welcome:
    own = journal.hash_at(journal.epoch, mark)
    return Welcome(generation, mark, own or b"" if head is None else head, 1, 1, 100)


def pending(journal: JournalStore) -> list[tuple[int, int]]:
    return [(acked, last) for _, acked, last in journal.pending_epochs()]


def test_a_restored_server_is_sent_every_epoch_again(journal: JournalStore) -> None:
    settled = settle_welcome(journal, welcome(journal, 2, "restored"), journal.epoch, 1)
    assert settled.rewound_to == 2
    assert pending(journal) == [(0, 3), (2, 5)]
    assert journal.generation == "restored"


def test_a_restored_server_that_has_this_epoch_still_gets_the_old_ones(journal: JournalStore) -> None:
    settle_welcome(journal, welcome(journal, 5, "restored"), journal.epoch, 1)
    assert pending(journal) == [(0, 3)]


def test_a_lower_mark_alone_rewinds_this_epoch(journal: JournalStore) -> None:
    settle_welcome(journal, welcome(journal, 1), journal.epoch, 1)
    assert pending(journal) == [(1, 5)]


def test_the_same_mark_changes_nothing(journal: JournalStore) -> None:
    settled = settle_welcome(journal, welcome(journal, 5), journal.epoch, 1)
    assert (settled.closed, settled.rewound_to, settled.problem) == ("", None, "")
    assert pending(journal) == []


@pytest.mark.parametrize(("mark", "head", "why"), [(9, b"", "rolled back"), (4, b"x" * 32, "forked")])
def test_a_server_that_knows_more_or_other_records_means_a_new_epoch(
    journal: JournalStore, mark: int, head: bytes, why: str
) -> None:
    before = journal.epoch
    settled = settle_welcome(journal, welcome(journal, mark, head=head), journal.epoch, 1)
    assert why in settled.closed
    assert journal.epoch != before
    assert journal.head.seq == 0


@pytest.mark.parametrize(("mark", "head"), [(9, b""), (2, b"x" * 32)])
def test_a_closed_epoch_that_the_server_has_otherwise_is_sent_all_the_same(
    journal: JournalStore, mark: int, head: bytes
) -> None:
    closed = journal.next_position().epoch
    journal.append(DeviceEvent("after the fork", "", "", Stamp(1, 1, "b")))
    journal.begin_epoch("forked")
    settled = settle_welcome(journal, welcome(journal, mark, head=head), closed, 1)
    assert (settled.closed, settled.problem) == ("", "")
    assert journal.last_seq(closed) == 6
    assert pending(journal) == [(min(5, mark), 6)]


def test_a_conflict_in_the_open_epoch_begins_a_new_one(journal: JournalStore) -> None:
    before = journal.epoch
    odd = ((4, RecordStatus.STORED), (5, RecordStatus.CONFLICT))
    settled = settle_conflict(journal, UploadAck(before, 5, odd, 1))
    assert settled.closed == "record 5 at the server is another one than here: forked"
    assert journal.epoch != before


@pytest.mark.parametrize("status", [RecordStatus.STORED, RecordStatus.DUPLICATE, RecordStatus.QUARANTINED])
def test_other_answers_leave_the_epoch_open(journal: JournalStore, status: RecordStatus) -> None:
    before = journal.epoch
    assert settle_conflict(journal, UploadAck(before, 5, ((5, status),), 1)) == Settled()
    assert journal.epoch == before


def test_a_conflict_in_a_closed_epoch_closes_nothing_else(journal: JournalStore) -> None:
    closed = journal.epoch
    journal.begin_epoch("test")
    before = journal.epoch
    assert settle_conflict(journal, UploadAck(closed, 3, ((3, RecordStatus.CONFLICT),), 1)) == Settled()
    assert journal.epoch == before
