"""The deliberate defects: each takes one safeguard of the product away, from outside and for a while.

Nothing of the product knows of them. A defect that no seed notices means that the simulator is blind there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec

import cardcore.canteen.authorise
import reader_daemon.lane
import reader_daemon.store.sqlite_file
import reader_daemon.till
import reader_daemon.uplink.settling
from cardcore.access.snapshot import Snapshot
from cardcore.ids import SiteId
from cardcore.journal import OutcomeKind, Verdict
from cardcore.money import Fen
from cardcore.reasons import Reason
from cardcore.wire.messages import Command, Deny, RecordStatus, ToDaemon, Welcome
from reader_daemon.policy import Policy
from reader_daemon.recorder import Recorder
from reader_daemon.signals import meal_signals
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.tap_state import TapNumber
from reader_daemon.till import Till
from reader_daemon.uplink import effects
from reader_daemon.uplink.backoff import Backoff
from reader_daemon.uplink.driver import Uplink
from reader_daemon.uplink.session import LinkSession
from reader_daemon.uplink.settling import Settled
from server.link import policy_feed
from server.taps.arrivals import AccountRow, Chained
from server.taps.batch import Batch
from server.taps.checks import Checked
from server.taps.ledger_sheet import LedgerSheet
from server.taps.policy_cache import PolicyCache
from tests.simulation.defect import Broken, Defect, of, put
from tests.simulation.memory_store import MemoryTaps

# --- the daemon ---------------------------------------------------------------------------------------------------


def _unsynced(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")


def _outcome_forgotten() -> Broken:
    write = Recorder.outcome

    async def forget(self: Recorder, tap: TapNumber, kind: OutcomeKind, verdict: Verdict) -> bool:
        if kind is OutcomeKind.SERVED:
            self.abandon(tap)
            return True
        return await write(self, tap, kind, verdict)

    return patch.object(Recorder, "outcome", forget)


def _green_first() -> Broken:
    conclude = Till._conclude

    async def hasty(self: Till, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - whatever the product's takes
        verdict = next(one for one in args if isinstance(one, Verdict))
        if verdict.granted:
            self._tell(meal_signals(Fen(verdict.amount), None, Reason.CHARGED))
        await conclude(self, *args, **kwargs)

    return patch.object(Till, "_conclude", hasty)


def _new_key_on_retry() -> Broken:
    ask = Till._authorise

    async def again(self: Till, read: Any, till: Any, tap: Any, *args: Any) -> Any:  # noqa: ANN401 - the product's
        verdict, balance = await ask(self, read, till, tap, *args)
        if verdict.offline and verdict.granted:
            fresh = await self._intent(read, till, *args[:1])
            if fresh is not None:
                return await ask(self, read, till, fresh, *args)
        return verdict, balance

    return patch.object(Till, "_authorise", again)


def _never_rewound(journal: JournalStore, welcome: Welcome, epoch: int, at_ms: int) -> Settled:
    fault = journal.mark_acked(epoch, welcome.acked_through, at_ms)
    return Settled(problem=fault.detail) if fault else Settled()


def _deleted_on_ack() -> Broken:
    mark = JournalStore._set_mark

    def delete(self: JournalStore, epoch: int, acked: int, at_ms: int) -> object:
        fault = mark(self, epoch, acked, at_ms)
        kept = acked if acked < self.last_seq(epoch) else acked - 1
        self._transaction(
            lambda connection: connection.execute("DELETE FROM record WHERE epoch = ? AND seq <= ?", (epoch, kept))
        )
        return fault

    return patch.object(JournalStore, "_set_mark", delete)


def _any_command(self: LinkSession, command: Command) -> list[object]:
    return [effects.RunCommand(command, self._around.clock.monotonic_ms() + 1_000)]


def _patient() -> Broken:
    ask = Uplink.ask

    async def wait(self: Uplink, tap: Any, deadline_ms: int, *args: Any) -> Any:  # noqa: ANN401 - the product's
        return await ask(self, tap, deadline_ms * 100, *args)

    return patch.object(Uplink, "ask", wait)


async def _none_closed(self: Recorder) -> int:
    return 0


@contextmanager
def _ageless() -> Iterator[None]:
    with ExitStack() as stack:
        for name in ("age", "silence"):
            stack.enter_context(patch.object(Policy, name, lambda self: timedelta(0)))  # noqa: ARG005
        yield


def _uncapped() -> Broken:
    return patch.object(cardcore.canteen.authorise, "cap_reached", lambda *_args: None)


def _dearer_alone() -> Broken:
    alone = cardcore.canteen.authorise.authorise_alone

    def dearer(*args: Any) -> Any:  # noqa: ANN401 - the product's
        verdict = alone(*args)
        return msgspec.structs.replace(verdict, amount=Fen(verdict.amount + 100)) if verdict.approved else verdict

    return patch.object(reader_daemon.till, "authorise_alone", dearer)


# --- the server ---------------------------------------------------------------------------------------------------


@contextmanager
def _no_unique_key() -> Iterator[None]:
    take = Batch._take_record

    def forgetful(self: Batch, arrival: Any, journal: Any, key: Any, one: Checked) -> RecordStatus:  # noqa: ANN401
        journal.stored.pop(key.seq, None)
        return take(self, arrival, journal, key, one)

    with patch.object(Batch, "_take_record", forgetful), patch.object(MemoryTaps, "_check_unique", lambda *_: None):
        yield


@contextmanager
def _ack_before_commit() -> Iterator[None]:
    end = MemoryTaps._end
    late: dict[int, Any] = {}

    def postponed(self: MemoryTaps) -> None:
        if self._staged is None or not self._staged[1].record:
            end(self)
            return
        if id(self) in late:
            now, self._staged = self._staged, late.pop(id(self))
            end(self)
            self._staged = now
        late[id(self)] = self._staged

    with patch.object(MemoryTaps, "_end", postponed):
        yield


def _conflict_is_repeat() -> Broken:
    take = Batch._take_record

    def blind(self: Batch, arrival: Any, journal: Any, key: Any, one: Checked) -> RecordStatus:  # noqa: ANN401
        if key.seq in journal.stored:
            self._repeat(key)
            return RecordStatus.DUPLICATE
        return take(self, arrival, journal, key, one)

    return patch.object(Batch, "_take_record", blind)


def _frame_refused(self: Batch, *_args: Any) -> None:  # noqa: ANN401 - the product's
    message = "a record of this frame is not acceptable"
    raise ValueError(message)


def _only_marked(self: Batch, arrival: Any, journal: Any, key: Any, record: Any, why: str) -> None:  # noqa: ANN401
    journal.above.setdefault(key.seq, Chained(record.hash, record.previous))


def _stale_purses() -> Broken:
    lock = MemoryTaps.lock_accounts
    kept: dict[tuple[int, UUID], AccountRow] = {}

    def remembered(self: MemoryTaps, accounts: Sequence[UUID], days: Sequence[date]) -> dict[UUID, AccountRow]:
        found = lock(self, accounts, days)
        for account_id, account in found.items():
            known = kept.setdefault((id(self), account_id), account)
            if known is not account:
                known.meal_changes.clear()
                known.meals = account.meals
            found[account_id] = known
        return found

    return patch.object(MemoryTaps, "lock_accounts", remembered)


def _stale_policy() -> Broken:
    current = PolicyCache.current

    def once(self: PolicyCache, store: Any, site: SiteId, version: int) -> Snapshot:  # noqa: ANN401 - the product's
        known = self.known(site)
        return known if known.version else current(self, store, site, version)

    return patch.object(PolicyCache, "current", once)


def _deny_last() -> Broken:
    messages = policy_feed.messages

    def late(*args: Any) -> Iterator[ToDaemon]:  # noqa: ANN401 - the product's
        return iter(sorted(messages(*args), key=lambda message: isinstance(message, Deny)))

    return patch.object(policy_feed, "messages", late)


def _nothing(*_args: object) -> None:
    """Do nothing at all."""


def _same_charge(self: LedgerSheet, meal: object, charge: Any) -> Any:  # noqa: ANN401 - the product's
    return charge


def _because_of_nothing(journal: JournalStore, welcome: Welcome, epoch: int) -> str:
    return ""


def _at_once(self: Backoff, advised_ms: int = 0) -> int:
    return 20


_settling = reader_daemon.uplink.settling
DEFECTS: tuple[Defect, ...] = (
    Defect("no_fsync", "fsync of the journal", of("I10"),
           put(reader_daemon.store.sqlite_file, "_require_durable", _unsynced)),
    Defect("outcome_not_recorded", "the record of a served meal", of("I10"),
           _outcome_forgotten),
    Defect("lamp_before_outcome", "the outcome is on the disk before the lamp", of("I10"), _green_first),
    Defect("new_key_on_retry", "one key for all tries of a tap", of("I4", "I22", "I3"), _new_key_on_retry),
    Defect("no_unique_key", "a tap key is stored once", of("I3", "I11", "I4"), _no_unique_key),
    Defect("ack_before_commit", "the answer waits for the commit", of("I12", "I7"), _ack_before_commit),
    Defect("deleted_on_ack", "records are kept after the acknowledgement", of("I12", "I7"), _deleted_on_ack),
    Defect("no_rewind", "a restored server is sent everything again", of("I12", "I7", "I22"),
           put(_settling, "_settle", _never_rewound)),
    Defect("epoch_kept_after_rollback", "a rolled-back journal begins a new epoch", of("I11"),
           put(_settling, "_why_close", _because_of_nothing)),
    Defect("conflict_is_repeat", "a repeat is compared by content", of("I11", "I7"), _conflict_is_repeat),
    Defect("quarantine_dropped", "doubtful records are kept for a person", of("I11", "I7"),
           put(Batch, "_quarantine", _only_marked)),
    Defect("frame_refused", "one doubtful record does not block its frame", of("I22"),
           put(Batch, "_quarantine", _frame_refused)),
    Defect("no_reversal", "a charge without its meal is reversed", of("I4", "I3"),
           put(LedgerSheet, "reverse", _same_charge)),
    Defect("outcome_ignored", "what happened at the counter is booked", of("I4"), put(Batch, "_settle", _nothing)),
    Defect("taps_left_open", "taps that a crash cut off are closed", of("I22", "I4"),
           put(Recorder, "close_open_taps", _none_closed)),
    Defect("stale_purses", "purses are read in the deciding transaction", of("I2", "I24", "I25"), _stale_purses),
    Defect("stale_policy", "the newest policy is read in the deciding transaction", of("I6", "I24"), _stale_policy),
    Defect("ageless_policy", "a policy alone is believed for so long", of("I6"), _ageless),
    Defect("deny_last", "the deny list goes first", of("I6"), _deny_last),
    Defect("uncapped", "a till alone serves a card so many meals", of("I5"), _uncapped),
    Defect("dearer_alone", "a till alone charges by the same rule as the server", of("I24"), _dearer_alone),
    Defect("late_relay", "a pulse is dead after a second", of("I8"),
           put(reader_daemon.lane, "PULSE_LIFE_MS", 60_000)),
    Defect("any_command", "a command is dead after a second", of("I8"), put(LinkSession, "_command", _any_command)),
    Defect("no_deadline", "a lane decides alone when no answer comes", of("I23"), _patient),
    Defect("no_backoff", "tries are bounded in rate", of("I22"), put(Backoff, "next_ms", _at_once)),
)  # fmt: skip
