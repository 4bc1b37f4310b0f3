"""The tap path's store in memory: a `server.taps.store.TapStore` that passes the contract suite PostgreSQL passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from uuid import UUID

from cardcore.access.moments import LaneMoment
from cardcore.access.presence import Position
from cardcore.ids import DeviceId, LaneId, PersonId, SiteId, TapKey, ZoneId
from server.taps.arrivals import (
    AccountRow,
    Chained,
    ChargeRow,
    Extra,
    Facts,
    Head,
    JournalKey,
    LiveDecision,
    PurseRow,
    SiteCrowd,
    StoredRecord,
    Writes,
)
from server.taps.rows import RecordInsert, Row
from server.taps.store import Entry, JournalMovedError, OrderKey, StoreLostError, StoreRefusedError
from tests.simulation.backend import Trouble
from tests.simulation.memory_rows import Tables

ROLES = frozenset({"stall", "receivable", "surcharge_income", "rebate", "meal_rights", "meals_taken"})
"""Roles of the ledger accounts that a charge may name."""


class MemoryTaps:
    """One connection. What a batch writes is held back until its transaction ends well."""

    def __init__(self, tables: Callable[[], Tables], trouble: Trouble) -> None:
        """Take where the tables are (a restore puts others in their place) and what is wrong with the database."""
        self._where = tables
        self._trouble = trouble
        self._staged: tuple[Facts, Writes] | None = None

    @property
    def _tables(self) -> Tables:
        return self._where()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._trouble.down:
            message = "simulated outage"
            raise StoreLostError(message)
        self._staged = None
        yield
        self._end()

    def _end(self) -> None:
        if self._trouble.draws("retry"):
            message = "lost a race"
            raise StoreLostError(message)
        if self._staged is not None:
            self._commit(*self._staged)
        self._trouble.committed = True
        if self._trouble.draws("unknown"):
            message = "the connection was lost at the commit"
            raise StoreLostError(message)

    def close(self) -> None:
        self._staged = None

    # --- reads --------------------------------------------------------------------------------------------------

    def policy_versions(self, sites: Sequence[SiteId]) -> Callable[[], Mapping[SiteId, int]]:
        version = self._tables.policy_version
        return lambda: dict.fromkeys(sites, version)

    def policy_changes(self, site: SiteId, since: int) -> Sequence[tuple[str, bytes]]:
        changed = [(version, key, body) for key, (version, body) in self._tables.policy.items() if version > since]
        return [(key, body) for _, key, body in sorted(changed)]

    def lock_heads(self, journals: Sequence[JournalKey]) -> Mapping[JournalKey, Head]:
        rows = self._tables.heads
        return {
            key: Head(rows[key].acked_through, rows[key].head_hash, rows[key].writes) for key in journals if key in rows
        }

    def read_journals(
        self, journals: Sequence[JournalKey], keys: Sequence[TapKey], taps: Sequence[TapKey]
    ) -> tuple[Mapping[JournalKey, Mapping[int, Chained]], Mapping[TapKey, StoredRecord], Mapping[TapKey, ChargeRow]]:
        tables = self._tables
        above = {key: found for key in journals if (found := self._above(key))}
        stored = {key: self._stored(tables.records[key]) for key in keys if key in tables.records}
        charges = {key: self._charge(key) for key in taps if key in tables.charges}
        return above, stored, charges

    def _above(self, journal: JournalKey) -> dict[int, Chained]:
        device, epoch = journal
        mark = self._tables.heads[journal].acked_through
        found = {
            key.seq: Chained(row.hash, row.previous)
            for key, row in self._tables.records.items()
            if (key.device, key.epoch) == (device, epoch) and key.seq > mark
        }
        for (key, digest), (_, previous) in self._tables.quarantine.items():
            if (key.device, key.epoch) == (device, epoch) and key.seq > mark:
                found[key.seq] = Chained(digest, previous)
        return dict(sorted(found.items()))

    def _stored(self, row: RecordInsert) -> StoredRecord:
        decision: LiveDecision | None = None
        if row.granted is not None:
            name = self._name(row) if row.purpose == "till" else ""
            decision = LiveDecision(
                row.granted,
                row.reason or "",
                row.policy_version,
                row.amount_fen,
                row.balance_fen or 0,
                row.meal_id,
                name,
            )
        return StoredRecord(
            row.hash, row.kind, row.purpose or "", row.place, row.credential or "", decision, row.card_id, row.person_id
        )

    def _name(self, row: RecordInsert) -> str:
        return next((one.name for one in self._tables.accounts.values() if one.person == row.person_id), "")

    def _charge(self, key: TapKey) -> ChargeRow:
        row = max(self._tables.charges[key], key=lambda charge: charge.revision)
        moved = sorted(self._tables.transfers_of.get(row.id, []), key=lambda transfer: transfer.id)
        stalls = {account for (role, _), account in self._tables.ledger_accounts.items() if role == "stall"}
        paid = [transfer for transfer in moved if transfer.kind == "charge" and transfer.to_account in stalls]
        beside = [transfer for transfer in moved if transfer not in paid]
        return ChargeRow(
            row.id, row.revision, row.amount_fen, row.account_id, row.person_id, row.till_id, row.stall_id, row.meal_id,
            row.event_day or row.business_day,
            tuple((transfer.from_account, transfer.amount_fen) for transfer in paid),
            tuple(Extra(one.from_account, one.to_account, one.amount_fen, one.kind) for one in beside),
            row.at,
        )  # fmt: skip

    def lock_accounts(self, accounts: Sequence[UUID], days: Sequence[date]) -> dict[UUID, AccountRow]:
        tables = self._tables
        found: dict[UUID, AccountRow] = {}
        for purse_id, purse in sorted(tables.purses.items()):
            if purse.account not in accounts:
                continue
            data = tables.accounts[purse.account]
            account = found.setdefault(purse.account, AccountRow(purse.account, data.person, data.state, data.name, {}))
            account.purses[purse.kind] = PurseRow(purse_id, purse.kind, purse.balance, purse.floor)
        for (account_id, day, meal), (count, fen) in tables.meals.items():
            if account_id in found and day in days:
                found[account_id].meals[day, meal] = count
                found[account_id].spent[day, meal] = fen
        return found

    def closed_through(self, site: SiteId) -> date | None:
        return self._tables.closed_through

    def entered(self, asked: Sequence[Entry], lanes: Sequence[str]) -> set[tuple[UUID, date]]:
        passed = [row for row in self._tables.records.values() if row.outcome == "passed" and row.place in lanes]
        return {
            (one.person, one.day)
            for one in asked
            if any(row.person_id == one.person and one.begins <= row.at < one.ends for row in passed)
        }

    def ordered(self, site: SiteId, people: Sequence[UUID], days: Sequence[date]) -> Mapping[OrderKey, int]:
        return {}  # nobody orders ahead here

    def crowd(self, site: SiteId, people: Sequence[PersonId], counted: Mapping[ZoneId, datetime]) -> SiteCrowd:
        tables = self._tables
        positions = {person: tables.presence[person] for person in people if person in tables.presence}
        unknown = dict(tables.unknown_heads)
        inside = {
            zone: sum(one.zone == zone and one.at > since for one in tables.presence.values()) + unknown.get(zone, 0)
            for zone, since in counted.items()
        }
        return SiteCrowd(positions, inside, unknown, set(tables.uncertain_zones))

    def lane_moments(self, site: SiteId) -> dict[LaneId, LaneMoment]:
        return dict(self._tables.moments)

    def ledger_accounts(self, site: SiteId) -> dict[tuple[str, str], UUID]:
        return {key: value for key, value in self._tables.ledger_accounts.items() if key[0] in ROLES}

    # --- the write ----------------------------------------------------------------------------------------------

    def write(self, facts: Facts, writes: Writes, events: Sequence[Row], now: datetime) -> None:
        self._staged = (facts, writes)

    def _commit(self, facts: Facts, writes: Writes) -> None:
        """Write everything or, where a key is taken or a journal moved on, nothing."""
        tables = self._tables
        for journal in facts.journals.values():
            head = tables.heads.get((journal.device, journal.epoch))
            if head is None or head.writes != journal.writes:
                raise JournalMovedError
        self._check_unique(writes)
        for journal in facts.journals.values():
            head = tables.heads[journal.device, journal.epoch]
            head.acked_through, head.head_hash = journal.acked_through, journal.head_hash
            head.writes += 1
        for record in writes.record:
            tables.records[TapKey(DeviceId(record.device_id), record.epoch, record.seq)] = record
        for charge in writes.charge:
            key = TapKey(DeviceId(charge.device_id), charge.epoch, charge.seq)
            tables.charges.setdefault(key, []).append(charge)
        for transfer in writes.transfer:
            tables.transfers.append(transfer)
            if transfer.charge_id is not None:
                tables.transfers_of.setdefault(transfer.charge_id, []).append(transfer)
        self._write_accounts(facts)
        self._move_people(writes)
        self._tables.moments |= {lane: moment for (_, lane), moment in writes.moments.items()}
        self._write_rare(writes)

    def _check_unique(self, writes: Writes) -> None:
        tables = self._tables
        keys = [TapKey(DeviceId(row.device_id), row.epoch, row.seq) for row in writes.record]
        if len(set(keys)) != len(keys) or any(key in tables.records for key in keys):
            message = "a record of this key is there"
            raise StoreRefusedError(message)
        revisions = (
            {(key, charge.revision) for key, charges in tables.charges.items() for charge in charges}
            if writes.charge
            else set()
        )
        for row in writes.charge:
            revision = (TapKey(DeviceId(row.device_id), row.epoch, row.seq), row.revision)
            if revision in revisions:
                message = "a charge of this key and revision is there"
                raise StoreRefusedError(message)
            revisions.add(revision)

    def _write_accounts(self, facts: Facts) -> None:
        tables = self._tables
        for account in facts.accounts.values():
            for purse in account.purses.values():
                if purse.changed:
                    tables.purses[purse.id].balance = purse.balance
            for (day, meal), (count, fen) in account.meal_changes.items():
                key = (account.id, day, meal)
                before = tables.meals.get(key, (0, 0))
                tables.meals[key] = (before[0] + count, before[1] + fen)

    def _move_people(self, writes: Writes) -> None:
        tables = self._tables
        for person, row in writes.presence.items():
            moved = Position(row["zone_id"], row["at"])  # type: ignore[arg-type]
            before = tables.presence.get(person)
            if before is None or before.at <= moved.at:
                tables.presence[person] = moved
        for (_, zone), row in writes.zone_state.items():
            tables.unknown_heads[zone] = max(0, tables.unknown_heads.get(zone, 0) + int(str(row["moved"])))
            if row.get("uncertain_since") is not None:
                tables.uncertain_zones.add(zone)

    def _write_rare(self, writes: Writes) -> None:
        tables = self._tables
        for row in writes.ledger_account:
            tables.ledger_accounts[str(row["role"]), str(row["name"])] = row["id"]  # type: ignore[assignment]
        tables.arrivals += len(writes.record_arrival)
        for row in writes.quarantine:
            key = TapKey(row["device_id"], row["epoch"], row["seq"])  # type: ignore[arg-type]
            aside = (key, bytes.fromhex(str(row["hash"])))
            tables.quarantine.setdefault(aside, (str(row["why"]), bytes.fromhex(str(row["previous"]))))
        for row in writes.finding:
            tables.findings.append((str(row["kind"]), str(row["subject"])))
