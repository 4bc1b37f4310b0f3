"""Which records go up next: in order, below every tap that waits live, within credit and frame.

One frame is under way at a time: a live tap never waits for more than one backlog frame (P11).
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.journal import Record
from cardcore.wire.messages import (
    LARGE_UPLOAD_RECORDS,
    MAX_FRAME_BYTES,
    MAX_UPLOAD_RECORDS,
    UPLOAD_GATHER_MS,
)

RECORD_OVERHEAD_BYTES = 144
"""MessagePack around one body: field names, two hashes, seal, number."""
FRAME_OVERHEAD_BYTES = 256
MAX_BODIES_BYTES = MAX_FRAME_BYTES - FRAME_OVERHEAD_BYTES
NO_CREDIT_RECORDS = 1
"""Without credit one record a second asks for more."""


@dataclass(frozen=True, slots=True)
class Span:
    """Records to read: of this epoch, after this number, at most so many."""

    epoch: int
    after: int
    max_records: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An upload that was sent and is not acknowledged."""

    epoch: int
    last_seq: int
    sent_at_ms: int


def next_span(epoch: int, acked_through: int, last_seq: int, lowest_live: int | None, credit: int) -> Span | None:
    """Choose what of an epoch to read next, below the lowest tap that waits live; None when there is nothing."""
    last = last_seq if lowest_live is None else min(last_seq, lowest_live - 1)
    if last <= acked_through:
        return None
    allowed = max(credit, NO_CREDIT_RECORDS)
    return Span(epoch, acked_through, min(last - acked_through, allowed, MAX_UPLOAD_RECORDS))


def gathering_ms(span: Span, began_ms: int | None, now_ms: int) -> int:
    """Return how long to let more records gather before `span` is sent, milliseconds; 0 = send now.

    `began_ms` is when the upload before it was sent; None = there was none in this session.
    """
    if began_ms is None or span.max_records >= LARGE_UPLOAD_RECORDS:
        return 0
    return max(0, began_ms + UPLOAD_GATHER_MS - now_ms)


def fitting(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return as many records from the front as one frame holds (at least one)."""
    size_bytes = 0
    for index, record in enumerate(records):
        size_bytes += len(record.body) + RECORD_OVERHEAD_BYTES
        if index and size_bytes > MAX_BODIES_BYTES:
            return records[:index]
    return records
