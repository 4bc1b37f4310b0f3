"""What goes up next, and when: small uploads keep their distance, large ones and the first do not wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cardcore.wire.messages import LARGE_UPLOAD_RECORDS, UPLOAD_GATHER_MS, Upload
from reader_daemon.uplink.backlog import Span, gathering_ms
from tests.reader_daemon.site import fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


@pytest.mark.parametrize(
    ("records", "began_ms", "now_ms", "wait_ms"),
    [
        (1, None, 1_000, 0),
        (1, 1_000, 1_000, UPLOAD_GATHER_MS),
        (1, 1_000, 1_000 + UPLOAD_GATHER_MS - 1, 1),
        (1, 1_000, 1_000 + UPLOAD_GATHER_MS, 0),
        (LARGE_UPLOAD_RECORDS - 1, 1_000, 1_010, UPLOAD_GATHER_MS - 10),
        (LARGE_UPLOAD_RECORDS, 1_000, 1_010, 0),
    ],
)
def test_small_uploads_keep_their_distance(records: int, began_ms: int | None, now_ms: int, wait_ms: int) -> None:
    assert gathering_ms(Span(1, 0, records), began_ms, now_ms) == wait_ms


def test_events_of_one_moment_go_up_in_few_uploads(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            await asyncio.sleep(1)
            before = len([message for message in server.received if isinstance(message, Upload)])
            for _ in range(20):
                await site.daemon.link_event("note", "", alarm=False)
                await asyncio.sleep(0.002)
            await asyncio.sleep(1)
            uploads = [message for message in server.received if isinstance(message, Upload)][before:]
            assert sum(len(upload.records) for upload in uploads) == 20
            assert len(uploads) <= 3
            assert site.daemon.journal.pending == 0

    run_virtual(main)
