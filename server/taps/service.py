"""One batch of arrivals, one transaction, one retry unit (P20); a poisoned record never blocks its neighbours (F8).

Owned by the batcher's one thread, with a store of its own. Ids are drawn inside the call and a repeat of the call
draws new ones, which is safe: what makes a repeat harmless is the tap key, not the row ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from cardcore.reasons import Reason
from cardcore.wire.messages import RecordStatus
from server.alarms.rows import ALARM_TOPIC
from server.database import MAX_ATTEMPTS
from server.system import System
from server.taps.arrivals import Arrival, LiveDecision, Receipt, Writes
from server.taps.batch import Batch
from server.taps.checks import Checked, check
from server.taps.facts import gather
from server.taps.memory import Memory
from server.taps.policy_cache import PolicyCache
from server.taps.rows import Row
from server.taps.store import EVENT_TOPIC, JournalMovedError, StoreLostError, StoreRefusedError, TapStore

log = structlog.get_logger()


class TapService:
    """Stores, decides and charges arrivals. Not thread-safe: one thread, one store."""

    def __init__(self, store: TapStore, system: System) -> None:
        """Take the store; it connects at the first batch and again after it was lost."""
        self._store = store
        self._system = system
        self._policy = PolicyCache()
        self._memory = Memory()

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Process a batch and commit; returns a receipt for each arrival, in order.

        Raises StoreLostError when the database cannot be reached: nothing was acknowledged then.
        """
        checked = [check(arrival) for arrival in arrivals]
        try:
            return self._retried(arrivals, checked)
        except StoreRefusedError as error:
            log.exception("batch_refused_by_database", error=str(error)[:500], arrivals=len(arrivals))
            return self._one_by_one(arrivals, checked)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _retried(self, arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> list[Receipt]:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._transaction(arrivals, checked)
            except (StoreLostError, JournalMovedError):
                if attempt == MAX_ATTEMPTS:
                    raise
        msg = "unreachable: the last attempt returns or raises"
        raise AssertionError(msg)

    def _transaction(self, arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> list[Receipt]:
        frames = tuple(zip(arrivals, checked, strict=True))
        now = self._system.clock.now()
        try:
            with self._store.transaction():
                facts, snapshots = gather(self._store, frames, self._memory, self._policy, now)
                batch = Batch(facts, snapshots, self._system.ids, now, self._store.closed_through)
                receipts = [batch.take(arrival, records) for arrival, records in frames]
                self._store.write(facts, batch.writes, self._events(batch.writes), now)
        except BaseException:
            self._memory.forget()
            raise
        self._memory.keep(facts.journals.values())
        return receipts

    def _events(self, writes: Writes) -> list[Row]:
        taps = [(site, EVENT_TOPIC, {"events": events}) for site, events in writes.events.items()]
        alarms = [(site, ALARM_TOPIC, heard) for site, heard in writes.alarms.notices()]
        return [
            {"id": self._system.ids.uuid7(), "site_id": site, "topic": topic, "payload": payload}
            for site, topic, payload in (*taps, *alarms)
        ]

    def _one_by_one(self, arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> list[Receipt]:
        """Process records each in a transaction of its own, so that only what the database refuses is set aside."""
        receipts = []
        for arrival, frame in zip(arrivals, checked, strict=True):
            parts = [self._alone(arrival, one) for one in frame]
            statuses = tuple(status for part in parts for status in part.statuses)
            receipts.append(Receipt(statuses, parts[-1].acked_through, parts[-1].decision, parts[-1].purpose))
        return receipts

    def _alone(self, arrival: Arrival, one: Checked) -> Receipt:
        single = Arrival(arrival.device, arrival.epoch, (one.record,), arrival.live)
        try:
            return self._retried([single], [(one,)])[0]
        except StoreRefusedError as error:
            log.exception("record_refused_by_database", seq=one.record.seq, error=str(error)[:500])
            return self._set_aside(single, one)

    def _set_aside(self, arrival: Arrival, one: Checked) -> Receipt:
        refused = Checked(one.record, None, "refused_by_database")
        receipt = self._retried([arrival], [(refused,)])[0]
        status = ((one.record.seq, RecordStatus.QUARANTINED),)
        fault = LiveDecision(granted=False, reason=Reason.SERVER_FAULT, policy_version=0)
        return Receipt(status, receipt.acked_through, fault if arrival.live else None, receipt.purpose)
