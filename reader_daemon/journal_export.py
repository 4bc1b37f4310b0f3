"""`onecard-reader journal export|salvage`: records as a signed file that `onecard collect` takes at the server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cardcore.journal import Record
from cardcore.wire import signing
from cardcore.wire.journal_file import MAX_UPLOADS, JournalHeader, write_file
from cardcore.wire.messages import MAX_UPLOAD_RECORDS, Upload
from reader_daemon.identity import Identity
from reader_daemon.store.journal_schema import JournalKeys
from reader_daemon.store.salvage import JournalReader, Salvaged
from reader_daemon.uplink.backlog import fitting


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds, and what could not be put in."""

    records: int
    epochs: int
    left_out: Salvaged


def export(journal: Path, identity: Identity, target: Path, made_at_ms: int, software: str, *, whole: bool) -> Exported:
    """Write the records that the server has not acknowledged, or all, to a new file; the journal stays as it is.

    Raises JournalDamagedError when nothing can be read, OSError when the file exists already or cannot be written.
    """
    reader = JournalReader(journal, JournalKeys(identity.device_id, identity.record_key))
    try:
        uploads = [
            upload
            for epoch, acked in reader.epochs.items()
            for upload in _uploads(epoch, reader.records(epoch, 0 if whole else acked), identity)
        ][:MAX_UPLOADS]
    finally:
        reader.close()
    header = JournalHeader(identity.device, made_at_ms, len(uploads), software)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.writelines(write_file(header, uploads))
        file.flush()
        os.fsync(file.fileno())
    records = sum(len(upload.records) for upload in uploads)
    return Exported(records, len({upload.epoch for upload in uploads}), reader.salvaged)


def _uploads(epoch: int, records: Iterable[Record], identity: Identity) -> Iterator[Upload]:
    waiting: list[Record] = []
    for record in records:
        waiting.append(record)
        if len(waiting) == MAX_UPLOAD_RECORDS:
            sent = fitting(tuple(waiting))
            yield _signed(epoch, sent, identity)
            del waiting[: len(sent)]
    while waiting:
        sent = fitting(tuple(waiting))
        yield _signed(epoch, sent, identity)
        del waiting[: len(sent)]


def _signed(epoch: int, records: tuple[Record, ...], identity: Identity) -> Upload:
    last = records[-1]
    signature = signing.sign(identity.signing_key(), signing.upload_bytes(epoch, last.seq, last.hash))
    return Upload(epoch, records, signature)
