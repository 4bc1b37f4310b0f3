"""A collected journal file is read, or refused with words that say what to do."""

from __future__ import annotations

import io

import pytest

from cardcore.journal import Record
from cardcore.wire.journal_file import MAGIC, JournalFileError, JournalHeader, read_header, read_uploads, write_file
from cardcore.wire.messages import Upload

RECORD = Record(1, b"{}", bytes(32), bytes(32), bytes(16))


def whole(epoch: int) -> io.BytesIO:
    upload = Upload(epoch, (RECORD,), b"s" * 64)
    return io.BytesIO(b"".join(write_file(JournalHeader("device", 1, 1), [upload])))


def test_what_was_written_is_read() -> None:
    file = whole(7)
    header = read_header(file.read)
    assert header.device == "device"
    assert [upload.epoch for upload in read_uploads(file.read, header)] == [7]


@pytest.mark.parametrize("epoch", [-3, 0, 2**63])
def test_an_epoch_that_no_journal_has_is_refused(epoch: int) -> None:
    file = whole(epoch)
    header = read_header(file.read)
    with pytest.raises(JournalFileError, match="upload 1 of 1"):
        list(read_uploads(file.read, header))


def test_a_header_that_is_no_text_is_refused() -> None:
    content = b'{"device":"\xff","made_at_ms":1,"uploads":0}'
    file = io.BytesIO(MAGIC + len(content).to_bytes(4, "big") + content)
    with pytest.raises(JournalFileError, match="the header cannot be read"):
        read_header(file.read)
