"""One batch of arrivals, one transaction, one retry unit (P20); a poisoned record never blocks its neighbours (F8).

Owned by the batcher's one thread, with a connection of its own. Ids are drawn inside the call and a repeat of the call
draws new ones, which is safe: what makes a repeat harmless is the tap key, not the row ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import psycopg
import structlog

from cardcore.access.snapshot import Snapshot
from cardcore.clock import from_millis, site_time
from cardcore.ids import SiteId, TapKey
from cardcore.journal import Decided, Intent, Outcome, Purpose
from cardcore.reasons import Reason
from cardcore.wire.messages import RecordStatus
from server.database import MAX_ATTEMPTS, RETRYABLE
from server.system import System
from server.taps import repository
from server.taps.arrivals import Arrival, Facts, LiveDecision, Receipt, Row, StoredRecord, Writes
from server.taps.batch import Batch
from server.taps.checks import Checked, check
from server.taps.policy_cache import PolicyCache

log = structlog.get_logger()

Connect = Callable[[], repository.Connection]
EVENT_TOPIC = "taps"


class TapService:
    """Stores, decides and charges arrivals. Not thread-safe: one thread, one connection."""

    def __init__(self, connect: Connect, system: System) -> None:
        """Take how to open a connection; it is opened at the first batch and again after it was lost."""
        self._connect = connect
        self._system = system
        self._connection: repository.Connection | None = None
        self._policy = PolicyCache()

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Process a batch and commit; returns a receipt for each arrival, in order.

        Raises psycopg.OperationalError when the database cannot be reached: nothing was acknowledged then.
        """
        checked = [check(arrival) for arrival in arrivals]
        try:
            return self._retried(arrivals, checked)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            log.exception("batch_refused_by_database", error=str(error)[:500], arrivals=len(arrivals))
            return self._one_by_one(arrivals, checked)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _retried(self, arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> list[Receipt]:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._transaction(arrivals, checked)
            except psycopg.OperationalError as error:
                if error.sqlstate not in RETRYABLE:
                    self.close()
                if attempt == MAX_ATTEMPTS:
                    raise
        msg = "unreachable: the last attempt returns or raises"
        raise AssertionError(msg)

    def _transaction(self, arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> list[Receipt]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        connection = self._connection
        with connection.transaction():
            sites = sorted({arrival.device.site for arrival in arrivals})
            snapshots = {site: self._policy.current(connection, site) for site in sites}
            facts = self._facts(connection, arrivals, checked, snapshots)
            batch = Batch(facts, snapshots, self._system.ids, self._system.clock.now())
            receipts = [batch.take(arrival, records) for arrival, records in zip(arrivals, checked, strict=True)]
            repository.write(connection, facts, batch.writes, self._outbox(batch.writes))
        return receipts

    def _facts(
        self,
        connection: repository.Connection,
        arrivals: Sequence[Arrival],
        checked: Sequence[tuple[Checked, ...]],
        snapshots: Mapping[SiteId, Snapshot],
    ) -> Facts:
        epochs = {(arrival.device.id, arrival.epoch) for arrival in arrivals}
        marks = repository.lock_marks(connection, epochs)
        keys, taps = _keys(arrivals, checked)
        stored = repository.stored_records(connection, sorted({*keys, *taps}))
        charges = repository.newest_charges(connection, sorted(set(taps)))
        accounts = {charge.account_id for charge in charges.values() if charge.account_id is not None}
        accounts |= set(_accounts(arrivals, checked, snapshots, stored))
        days = self._days(checked, snapshots) | {charge.business_day for charge in charges.values()}
        return Facts(
            marks=marks,
            stored=stored,
            charges=charges,
            accounts=repository.lock_accounts(connection, accounts, days),
            ledger_accounts=repository.ledger_accounts(connection, snapshots),
        )

    def _days(self, checked: Sequence[tuple[Checked, ...]], snapshots: Mapping[SiteId, Snapshot]) -> set[date]:
        """Return every business day that a record of the batch may fall on."""
        now = self._system.clock.now()
        instants = {now} | {from_millis(one.body.stamp.at_ms) for frame in checked for one in frame if one.body}
        return {
            site_time(at, snapshot.zone, snapshot.day_starts_at).business_day
            for snapshot in snapshots.values()
            for at in instants
        }

    def _outbox(self, writes: Writes) -> list[Row]:
        now, ids = self._system.clock.now(), self._system.ids
        return [
            {"id": ids.uuid7(), "site_id": site, "topic": EVENT_TOPIC, "payload": {"events": events}, "created_at": now}
            for site, events in writes.events.items()
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
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            log.exception("record_refused_by_database", seq=one.record.seq, error=str(error)[:500])
            return self._set_aside(single, one)

    def _set_aside(self, arrival: Arrival, one: Checked) -> Receipt:
        refused = Checked(one.record, None, "refused_by_database")
        receipt = self._retried([arrival], [(refused,)])[0]
        status = ((one.record.seq, RecordStatus.QUARANTINED),)
        fault = LiveDecision(granted=False, reason=Reason.SERVER_FAULT, policy_version=0)
        return Receipt(status, receipt.acked_through, fault if arrival.live else None, receipt.purpose)


def _keys(arrivals: Sequence[Arrival], checked: Sequence[tuple[Checked, ...]]) -> tuple[list[TapKey], list[TapKey]]:
    """Return the keys of all records, and of the till taps that intents and outcomes are about."""
    keys: list[TapKey] = []
    taps: list[TapKey] = []
    for arrival, frame in zip(arrivals, checked, strict=True):
        device, epoch = arrival.device.id, arrival.epoch
        for one in frame:
            keys.append(TapKey(device, epoch, one.record.seq))
            match one.body:
                case Outcome() | Decided() as later:
                    taps.append(TapKey(device, epoch, later.tap_seq))
    return keys, taps


def _accounts(
    arrivals: Sequence[Arrival],
    checked: Sequence[tuple[Checked, ...]],
    snapshots: Mapping[SiteId, Snapshot],
    stored: Mapping[TapKey, StoredRecord],
) -> Iterable[UUID]:
    """Yield the accounts whose purses this batch may touch: of live meals, and of taps whose outcome arrives."""
    intents: dict[TapKey, str] = {}
    for arrival, frame in zip(arrivals, checked, strict=True):
        snapshot = snapshots[arrival.device.site]
        for one in frame:
            match one.body:
                case Intent(purpose=Purpose.TILL) as intent:
                    intents[TapKey(arrival.device.id, arrival.epoch, one.record.seq)] = intent.credential
                    credential: str | None = intent.credential
                case Outcome() as outcome:
                    tap = TapKey(arrival.device.id, arrival.epoch, outcome.tap_seq)
                    before = stored.get(tap)
                    is_meal = before is not None and before.purpose == Purpose.TILL
                    credential = before.credential if before is not None and is_meal else intents.get(tap)
                case _:
                    continue
            card = snapshot.card(credential) if credential else None
            if card is not None and card.account is not None:
                yield card.account
