"""Records as a file: what waits, or all; of a whole journal or out of a damaged one; signed, the journal unchanged."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.journal import DeviceEvent, Record, Stamp
from cardcore.wire import signing
from cardcore.wire.journal_file import JournalFileError, read_header, read_uploads
from cardcore.wire.messages import MAX_UPLOAD_RECORDS, Upload
from reader_daemon.cli import TROUBLE, main
from reader_daemon.identity import Identity, save_identity
from reader_daemon.journal_export import Exported, export
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalDamagedError, JournalKeys
from tests.reader_daemon.virtual_time import CountingIds

KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
IDENTITY = Identity(str(UUID(int=7)), str(UUID(int=1)), "box", b"d" * 32, b"k" * 32, b"s" * 32)
PAGE_BYTES = 4096


def journal(folder: Path, records: int) -> JournalStore:
    """Return an open journal with some records."""
    settings = JournalSettings(folder / "journal.db", JournalKeys(IDENTITY.device_id, IDENTITY.record_key), "here")
    store = JournalStore(settings, CountingIds(), microseconds=lambda: 0)
    store.open(1)
    write(store, records)
    return store


def write(store: JournalStore, records: int) -> None:
    for number in range(records):
        assert isinstance(store.append(DeviceEvent("noted", "", f"{number:0100}", Stamp(1, 1, "b"))), Record)


def exported(source: Path, target: Path, *, whole: bool = False) -> tuple[Exported, list[Upload]]:
    done = export(source, IDENTITY, target, 5, "test", whole=whole)
    with target.open("rb") as file:
        header = read_header(file.read)
        assert (header.device, header.made_at_ms) == (IDENTITY.device, 5)
        uploads = list(read_uploads(file.read, header))
    for upload in uploads:
        last = upload.records[-1]
        signed = signing.upload_bytes(upload.epoch, last.seq, last.hash)
        assert signing.verified(KEY.public_key().public_bytes_raw(), upload.signature, signed)
        assert len(upload.records) <= MAX_UPLOAD_RECORDS
    return done, uploads


def numbers(uploads: list[Upload]) -> list[tuple[int, int]]:
    return [(upload.epoch, record.seq) for upload in uploads for record in upload.records]


def test_what_waits_is_exported_of_every_epoch_while_the_daemon_writes_on(tmp_path: Path) -> None:
    store = journal(tmp_path, 1_200)
    first = store.epoch
    store.mark_acked(first, 700, 1)
    store.begin_epoch("test")
    write(store, 3)
    done, uploads = exported(tmp_path / "journal.db", tmp_path / "waits")
    assert numbers(uploads) == [(first, seq) for seq in range(701, 1_201)] + [(store.epoch, seq) for seq in (1, 2, 3)]
    assert (done.records, done.epochs, done.left_out.missing) == (503, 2, [])
    whole, all_of_it = exported(tmp_path / "journal.db", tmp_path / "whole", whole=True)
    assert whole.records == 1_203
    assert numbers(all_of_it)[0] == (first, 1)
    write(store, 1)
    assert store.pending == 504
    store.close()


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    journal(tmp_path, 1).close()
    exported(tmp_path / "journal.db", tmp_path / "file")
    with pytest.raises(FileExistsError):
        export(tmp_path / "journal.db", IDENTITY, tmp_path / "file", 5, "test", whole=False)


def test_a_damaged_page_costs_its_records_and_no_others(tmp_path: Path) -> None:
    store = journal(tmp_path, 1_500)
    store.close()
    path = tmp_path / "journal.db"
    content = bytearray(path.read_bytes())
    page = content.index(b"00000000000750") // PAGE_BYTES
    content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError), sqlite3.connect(path) as connection:
        connection.execute("SELECT sum(length(body)) FROM record").fetchall()
    done, uploads = exported(path, tmp_path / "saved", whole=True)
    assert 1_450 < done.records < 1_500
    ((epoch, first, last),) = done.left_out.missing
    assert epoch == store.epoch
    assert first <= 751 <= last
    saved = {seq for _, seq in numbers(uploads)}
    assert saved == set(range(1, 1_501)) - set(range(first, last + 1))


def test_forged_records_are_left_out_and_counted(tmp_path: Path) -> None:
    journal(tmp_path, 10).close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE record SET body = x'7b7d' WHERE seq = 4")
    done, uploads = exported(tmp_path / "journal.db", tmp_path / "file")
    assert done.left_out.forged == 1
    assert (store_seq := [seq for _, seq in numbers(uploads)]) == [1, 2, 3, 5, 6, 7, 8, 9, 10], store_seq


def test_what_is_no_journal_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"\xff" * 8_192)
    with pytest.raises(JournalDamagedError, match="junk"):
        export(tmp_path / "junk", IDENTITY, tmp_path / "file", 5, "test", whole=True)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("cut", [5, 30, 200, -1])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    journal(tmp_path, 10).close()
    exported(tmp_path / "journal.db", tmp_path / "file")
    file = io.BytesIO((tmp_path / "file").read_bytes()[:cut])
    with pytest.raises(JournalFileError):
        list(read_uploads(file.read, read_header(file.read)))


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reader_daemon.logs.set_up_logs", lambda _level: None)  # it would log to a stream that ends
    tmp_path.chmod(0o700)
    save_identity(tmp_path, IDENTITY)
    journal(tmp_path, 10).close()
    config = tmp_path / "reader.toml"
    config.write_text(f'[server]\nurl = "wss://x:1"\n[data]\ndir = "{tmp_path}"\n')
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("DELETE FROM record WHERE seq = 4")
    assert main(["--config", str(config), "journal", "export", str(tmp_path / "one")]) == TROUBLE
    said = capsys.readouterr()
    assert "9 records of 1 epoch(s)" in said.out
    assert "4 to 4" in said.err
    assert (
        main(["--config", str(config), "journal", "salvage", str(tmp_path / "journal.db"), str(tmp_path / "two")]) == 1
    )
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    assert main(["--config", str(config), "journal", "export", str(tmp_path / "one")]) == TROUBLE
    assert "exists" in capsys.readouterr().err
