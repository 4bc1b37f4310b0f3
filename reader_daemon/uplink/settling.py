"""What a welcome means for the journal: go on, rewind, or begin a new epoch (P2, P10). Runs in the store's thread."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from cardcore.wire.messages import Welcome
from reader_daemon.store.journal_db import JournalStore


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done. `new_epoch` says why one was begun (the session must start again); `problem` is a disk fault."""

    new_epoch: str = ""
    rewound_to: int | None = None
    problem: str = ""


def settle_welcome(journal: JournalStore, welcome: Welcome, at_ms: int) -> Settled:
    """Bring the journal in line with the server's marks."""
    try:
        return _settle(journal, welcome, at_ms)
    except sqlite3.Error as error:
        return Settled(problem=str(error))


def _settle(journal: JournalStore, welcome: Welcome, at_ms: int) -> Settled:
    position = journal.position()
    because = _why_new_epoch(journal, welcome)
    if because:
        fault = journal.begin_epoch(because)
        return Settled(problem=fault.detail) if fault else Settled(new_epoch=because)
    known = journal.generation
    restored = known not in {"", welcome.generation}
    rewound_to: int | None = None
    if restored or welcome.acked_through < position.acked_through:
        fault = journal.rewind(welcome.acked_through, all_epochs=restored, at_ms=at_ms)
        rewound_to = welcome.acked_through
    else:
        fault = journal.mark_acked(position.epoch, welcome.acked_through, at_ms)
    if fault is None and known != welcome.generation:
        fault = journal.set_generation(welcome.generation)
    return Settled(problem=fault.detail) if fault else Settled(rewound_to=rewound_to)


def _why_new_epoch(journal: JournalStore, welcome: Welcome) -> str:
    position = journal.position()
    if welcome.new_epoch_wanted or welcome.acked_through > position.last_seq:
        return f"the server holds {welcome.acked_through} records, this journal {position.last_seq}: rolled back"
    own = journal.hash_at(position.epoch, welcome.acked_through)
    if welcome.acked_through and own is not None and own != welcome.head_hash:
        return f"record {welcome.acked_through} at the server is another one than here: forked"
    return ""
