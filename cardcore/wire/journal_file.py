"""Records of a device as a file, for when there is no network: the same signed uploads, one after the other.

    magic line, then frames: four bytes of length (big-endian) and that many bytes
    first frame: the header as JSON; each further one an `Upload` as on the link

Every upload carries the device's signature, so the file may travel on anything. A header that lies about its device
gives signatures that do not verify; a file that was cut short has fewer uploads than its header says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from cardcore.ids import MAX_EPOCH
from cardcore.wire.codec import decode_for_server, encode
from cardcore.wire.messages import MAX_FRAME_BYTES, Upload

MAGIC = b"onecard-journal 1\n"
LENGTH_BYTES = 4
MAX_UPLOADS = 100_000


class JournalFileError(Exception):
    """The file is none of ours, or damaged; says where."""


class JournalHeader(Struct, frozen=True):
    """Whose records follow."""

    device: str
    made_at_ms: int
    uploads: int
    software: str = ""


def write_file(header: JournalHeader, uploads: Iterable[Upload]) -> Iterator[bytes]:
    """Yield the file's bytes in pieces."""
    yield MAGIC
    yield _frame(msgspec.json.encode(header))
    for upload in uploads:
        yield _frame(encode(upload))


def read_header(read: Callable[[int], bytes]) -> JournalHeader:
    """Read the header from a file's `read`. Raises JournalFileError."""
    if read(len(MAGIC)) != MAGIC:
        msg = "this is no file of a journal; make one on the box: onecard-reader journal export FILE"
        raise JournalFileError(msg)
    try:
        header = msgspec.json.decode(_next(read, "the header"), type=JournalHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"the header cannot be read: {error}"
        raise JournalFileError(msg) from error
    if not 0 <= header.uploads <= MAX_UPLOADS:
        msg = f"the header names {header.uploads} uploads; at most {MAX_UPLOADS} are taken"
        raise JournalFileError(msg)
    return header


def read_uploads(read: Callable[[int], bytes], header: JournalHeader) -> Iterator[Upload]:
    """Yield the uploads that follow the header. Raises JournalFileError at the first that is none."""
    for number in range(1, header.uploads + 1):
        message = decode_for_server(_next(read, f"upload {number} of {header.uploads}"))
        if not isinstance(message, Upload) or not 0 < message.epoch <= MAX_EPOCH:
            msg = f"upload {number} of {header.uploads} cannot be read; export the file again"
            raise JournalFileError(msg)
        yield message


def _frame(content: bytes) -> bytes:
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def _next(read: Callable[[int], bytes], what: str) -> bytes:
    length = int.from_bytes(read(LENGTH_BYTES), "big")
    content = read(length) if 0 < length <= MAX_FRAME_BYTES else b""
    if not content or len(content) != length:
        msg = f"the file ends or is damaged at {what}; export it again"
        raise JournalFileError(msg)
    return content
