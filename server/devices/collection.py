"""Collecting a device's records from a file: each upload's signature is checked, then it goes the way of any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cardcore.ids import DeviceId
from cardcore.wire import signing
from cardcore.wire.journal_file import read_header, read_uploads
from cardcore.wire.messages import MAX_UPLOAD_RECORDS, RecordStatus, Upload
from server.database import Database, connect_batch
from server.devices import service
from server.secrets_file import ServerSecrets
from server.system import System
from server.taps.arrivals import Arrival
from server.taps.repository import PostgresTaps
from server.taps.service import TapService


class CollectionRefused(Exception):  # noqa: N818 - a refusal of the file, not a fault
    """The file is not of a device of this server, or was changed; says what to do."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Name of the device, and what was done with each record, by number."""

    device: str
    statuses: tuple[tuple[int, RecordStatus], ...]


def collect(
    url: str, database: Database, system: System, secrets: ServerSecrets, read: Callable[[int], bytes]
) -> Collected:
    """Take a file from its `read`. What was taken before a refusal stays taken: a repeat collapses.

    Raises JournalFileError for a damaged file and CollectionRefused for one of another server or of nobody.
    """
    header = read_header(read)
    try:
        device_id = DeviceId(UUID(header.device))
    except ValueError:
        msg = "its header names no device"
        raise CollectionRefused(msg) from None
    known = database.read(lambda session: service.known_device(session, secrets, device_id))
    if known is None:
        msg = "this server does not know the device; was it enrolled at another one, or since the backup?"
        raise CollectionRefused(msg)
    taps = TapService(PostgresTaps(lambda: connect_batch(url)), system)
    statuses: list[tuple[int, RecordStatus]] = []
    try:
        epoch = 0
        for upload in read_uploads(read, header):
            if not _credible(upload, known.public_key):
                msg = f"record {upload.records[-1].seq if upload.records else 0}: the signature is not the device's"
                raise CollectionRefused(msg)
            if upload.epoch != epoch:
                epoch = upload.epoch
                database.write(lambda session, of=epoch: service.open_epoch(session, system, device_id, of))  # type: ignore[misc]
            receipt = taps.process([Arrival(known.link, upload.epoch, upload.records, live=False)])[0]
            statuses += receipt.statuses
    finally:
        taps.close()
    return Collected(known.name, tuple(statuses))


def _credible(upload: Upload, public_key: bytes) -> bool:
    if not 0 < len(upload.records) <= MAX_UPLOAD_RECORDS:
        return False
    last = upload.records[-1]
    return signing.verified(public_key, upload.signature, signing.upload_bytes(upload.epoch, last.seq, last.hash))
