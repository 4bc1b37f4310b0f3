"""The use cases' pen: appends records through the store's thread, and tells the uplink that there is something to send.

A disk that fails is an answer (None), never an exception: without a record nothing is granted. It also closes the taps
that a power cut or a failed disk left open, as NOT_CONFIRMED: nobody knows what became of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from cardcore.ids import CredentialKey
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Outcome, OutcomeKind, Record, Stamp, Verdict
from cardcore.reasons import Reason
from reader_daemon.blocking import RunBlocking
from reader_daemon.clock_watch import ClockWatch
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import StoreBrokenError, StoreFault
from reader_daemon.store.tap_state import OfflineMeals, OpenTap, TapNumber

MAX_DETAIL_CHARACTERS = 300
UNDECIDED = Verdict(granted=False, reason=Reason.NOT_DECIDED.value, policy_version=0, offline=True)
"""What stands for the decision that a power cut prevented."""

_log = structlog.get_logger(__name__)


class Written(NamedTuple):
    """A record that is durable here, under its number."""

    number: TapNumber
    record: Record


class Recorder:
    """See the module."""

    def __init__(self, journal: JournalStore, run: RunBlocking, watch: ClockWatch) -> None:
        """Take an open journal."""
        self._journal = journal
        self._run = run
        self._watch = watch
        self._open: set[TapNumber] = set()
        """Taps that a use case is working on."""
        self._fault: StoreFault | None = None
        self.on_append: Callable[[], None] = lambda: None
        """Called after every append, in the event loop; the uplink sets it."""

    @property
    def failed(self) -> bool:
        """Whether the last append failed."""
        return self._fault is not None

    @property
    def epoch(self) -> int:
        """The epoch that is written to."""
        return self._journal.epoch

    def stamp(self) -> Stamp:
        """Stamp now."""
        return self._watch.stamp()

    async def append(self, event: DeviceEvent) -> bool:
        """Append what happened beside the taps; returns whether it is durable."""
        return isinstance(await self._write(event), Written)

    async def event(self, event: str, place: str, detail: str, *, alarm: bool = False) -> bool:
        """Append a device event; its text is cut to what a record may hold."""
        return await self.append(DeviceEvent(event, place, detail[:MAX_DETAIL_CHARACTERS], self.stamp(), alarm))

    async def tap(self, intent: Intent) -> Written | None:
        """Append a tap, which is worked on from here to its outcome; None when the disk failed."""
        result = await self._write(intent)
        return result if isinstance(result, Written) else None

    async def decided(self, tap: TapNumber, verdict: Verdict) -> bool:
        """Append a lane's grant; returns whether it is durable and the relay may move."""
        body = Decided(tap.seq, verdict, self.stamp())
        return isinstance(await self._write(body, lambda: self._journal.epoch == tap.epoch), Written)

    async def outcome(self, tap: TapNumber, kind: OutcomeKind, verdict: Verdict) -> bool:
        """Append what became of a tap; returns whether it is durable. A tap of a closed epoch ends in no other."""
        body = Outcome(tap.seq, kind, verdict, self.stamp())
        result = await self._write(body, lambda: self._journal.epoch == tap.epoch)
        if result is None:
            self._open.discard(tap)
            await self.event("tap_of_closed_epoch", "", f"tap {tap.seq} ended after its epoch", alarm=True)
        return isinstance(result, Written)

    async def _write(self, body: Body, may: Callable[[], bool] = lambda: True) -> Written | StoreFault | None:
        """Append a record if it still may stand when its turn at the disk comes; None when it may not."""
        result = await self._run(lambda: self._append(body) if may() else None)
        if result is None:
            return None
        if isinstance(result, StoreFault):
            if self._fault is None or self._fault.kind is not result.kind:
                _log.error("store_failed", kind=result.kind.value, detail=result.detail)
            self._fault = result
            return result
        recovered, self._fault = self._fault is not None, None
        self.on_append()
        if recovered:
            _log.info("store_recovered", seq=result.number.seq)
            await self.close_open_taps()
        return result

    def _append(self, body: Body) -> Written | StoreFault:
        """Append in the store's thread, and note there which taps are worked on: whoever looks next finds it so."""
        result = self._journal.append(body)
        if isinstance(result, StoreFault):
            return result
        number = TapNumber(self._journal.epoch, result.seq)
        match body:
            case Intent():
                self._open.add(number)
            case Outcome():
                self._open.discard(number._replace(seq=body.tap_seq))
            case Decided() | DeviceEvent():
                pass
        return Written(number, result)

    async def offline_meals(self, till: str) -> OfflineMeals | None:
        """Return what a till served alone since the server last acknowledged; None when the disk failed."""
        result = await self._run(lambda: self._journal.offline_meals(till))
        return None if isinstance(result, StoreFault) else result

    async def close_open_taps(self) -> int:
        """Write NOT_CONFIRMED for every tap that no use case is working on; returns how many."""
        closed = 0
        try:
            epoch, found = await self._run(lambda: (self._journal.epoch, self._journal.open_taps()))
            for tap in found:
                body = Outcome(tap.seq, OutcomeKind.NOT_CONFIRMED, tap.verdict or UNDECIDED, self.stamp())
                result = await self._write(body, partial(self._is_left, TapNumber(epoch, tap.seq)))
                if isinstance(result, StoreFault):
                    break
                if result is not None:
                    closed += 1
                    self._tell(tap)
        except StoreBrokenError as error:
            _log.error("store_failed", kind="io", detail=str(error))
        return closed

    def _is_left(self, tap: TapNumber) -> bool:
        """Tell, in the store's thread, whether a tap is still open there and nobody works on it."""
        if self._journal.epoch != tap.epoch or tap in self._open:
            return False
        return any(left.seq == tap.seq for left in self._journal.open_taps())

    async def probe(self) -> None:
        """Try a disk that failed: taps that it left open are closed when it is back, not only with the next tap."""
        if self.failed:
            await self.event("store_recovered", "", "")

    def abandon(self, tap: TapNumber) -> None:
        """Give up a tap whose outcome could not be written: `close_open_taps` closes it when the disk is back."""
        self._open.discard(tap)

    @staticmethod
    def _tell(tap: OpenTap) -> None:
        credential: CredentialKey = tap.credential
        _log.warning("tap_not_confirmed", seq=tap.seq, place=tap.place, card=f"…{credential[-4:]}")
