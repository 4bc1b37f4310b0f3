"""What a welcome or a conflict means for the journal: go on, rewind, or a new epoch (P2, P10). Runs in its thread."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.wire.messages import RecordStatus, UploadAck, Welcome
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import StoreBrokenError


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done. `closed` says why an epoch ended (the session must start again); `problem` is a disk fault."""

    closed: str = ""
    rewound_to: int | None = None
    problem: str = ""


def settle_welcome(journal: JournalStore, welcome: Welcome, epoch: int, at_ms: int) -> Settled:
    """Bring an epoch of the journal in line with the server's marks."""
    try:
        return _settle(journal, welcome, epoch, at_ms)
    except StoreBrokenError as error:
        return Settled(problem=str(error))


def _settle(journal: JournalStore, welcome: Welcome, epoch: int, at_ms: int) -> Settled:
    because = _why_close(journal, welcome, epoch)
    if because and epoch == journal.epoch:
        fault = journal.begin_epoch(because)
        return Settled(problem=fault.detail) if fault else Settled(closed=because)
    known = journal.generation
    restored = known not in {"", welcome.generation}
    # What the server holds of a closed epoch under other content is sent all the same: it goes into quarantine there,
    # for a person, and what follows it is booked.
    held = min(welcome.acked_through, journal.acked_through(epoch)) if because else welcome.acked_through
    rewound_to: int | None = None
    if restored or held < journal.acked_through(epoch):
        fault = journal.rewind(epoch, held, others=restored, at_ms=at_ms)
        rewound_to = held
    else:
        fault = journal.mark_acked(epoch, held, at_ms)
    if fault is None and known != welcome.generation:
        fault = journal.set_generation(welcome.generation)
    return Settled(problem=fault.detail) if fault else Settled(rewound_to=rewound_to)


def _why_close(journal: JournalStore, welcome: Welcome, epoch: int) -> str:
    last_seq = journal.last_seq(epoch)
    if welcome.new_epoch_wanted or welcome.acked_through > last_seq:
        return f"the server holds {welcome.acked_through} records, this journal {last_seq}: rolled back"
    own = journal.hash_at(epoch, welcome.acked_through)
    if welcome.acked_through and own is not None and own != welcome.head_hash:
        return f"record {welcome.acked_through} at the server is another one than here: forked"
    return ""


def settle_conflict(journal: JournalStore, ack: UploadAck) -> Settled:
    """Begin a new epoch when the server holds a record of the open one that is another than ours (P2).

    The welcome does not show that while the server's gap-free run ends below it: a live tap came before the rest.
    """
    taken = next((seq for seq, status in ack.statuses if status is RecordStatus.CONFLICT), None)
    if taken is None or ack.epoch != journal.epoch:
        return Settled()
    because = f"record {taken} at the server is another one than here: forked"
    fault = journal.begin_epoch(because)
    return Settled(problem=fault.detail) if fault else Settled(closed=because)
