"""The tap path's store in PostgreSQL: locked reads of what a batch touches, one set-based write.

No ORM here (design decision 6). A batch is two round trips: what it locks and reads, what it writes and the commit.
The hot tables' rows travel as arrays of composite types (`server.taps.row_bytes`) in one statement, rare ones as JSON;
order and locks are explicit; nothing asks the database for time or randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from cardcore.access.items import AccountState
from cardcore.access.moments import LaneMoment
from cardcore.ids import DeviceId, LaneId, PersonId, SiteId, TapKey, ZoneId
from server.alarms import repository as alarm_rows
from server.taps import presence_repository, row_bytes
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
from server.taps.rows import Row
from server.taps.store import Entry, JournalMovedError, OrderKey, StoreLostError, StoreRefusedError

Connection = psycopg.Connection[tuple[Any, ...]]
MAX_ABOVE_MARK = 10_000
"""Records beyond a gap that are looked at; more only delay the mark."""
ROW_TYPES = ("head_row", "record_row", "charge_row", "transfer_row", "purse_row", "meal_row", "outbox_row")
"""The composite types of a batch's rows, in the order of `_WRITE`'s parameters."""

TO_STALL = "to_stall"
"""How the query of charges names a payer's transfer to the stall."""

_json = msgspec.json.Encoder()


class _Rows(bytes):
    """An array in PostgreSQL's binary form: psycopg makes one of a list value by value, in Python."""


class _RowsDumper(Dumper):
    """Sends `_Rows` as they are; the statement's cast tells PostgreSQL their type."""

    format = Format.BINARY

    def dump(self, obj: _Rows) -> Buffer:
        return obj


class PostgresTaps:
    """A connection to PostgreSQL as a `server.taps.store.TapStore`. Not thread-safe."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Take how to connect; that happens at the first transaction and again after a fault."""
        self._connect = connect
        self._open: Connection | None = None
        self._oids: tuple[int, ...] = ()

    @property
    def _connection(self) -> Connection:
        assert self._open is not None
        return self._open

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold one transaction in one pipeline for the body; see `TapStore`."""
        try:
            connection = self._reopened()
            with connection.pipeline(), connection.transaction():
                yield
        except psycopg.errors.DivisionByZero as error:
            self.close()
            raise JournalMovedError from error
        except psycopg.OperationalError as error:
            self.close()
            raise StoreLostError(str(error)) from error
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            self.close()
            raise StoreRefusedError(str(error)) from error
        except BaseException:
            # What failed in a pipeline leaves the connection inside a failed transaction: a new one is surely clean.
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _reopened(self) -> Connection:
        if self._open is None or self._open.closed:
            self._open = self._connect()
            self._open.adapters.register_dumper(_Rows, _RowsDumper)
            names = ", ".join(f"'{name}'::regtype::oid" for name in ROW_TYPES)
            row = self._open.execute(f"select {names}").fetchone()
            assert row is not None
            self._oids = row
        return self._open

    # --- reads ----------------------------------------------------------------------------------------------

    def lock_heads(self, journals: Sequence[JournalKey]) -> dict[JournalKey, Head]:
        """Lock the journals' rows in id order and read them."""
        devices, epochs = [device for device, _ in journals], [epoch for _, epoch in journals]
        rows = self._connection.execute(_LOCK_HEADS, (devices, epochs)).fetchall()
        return {(DeviceId(row[0]), row[1]): Head(row[2], bytes(row[3]), row[4]) for row in rows}

    def policy_versions(self, sites: Sequence[SiteId]) -> Callable[[], dict[SiteId, int]]:
        """Ask for the sites' newest policy versions; the answer comes along with that of the next question."""
        asked = self._connection.execute(_POLICY_VERSIONS, (_Rows(row_bytes.uuids(sites)),))
        return lambda: {SiteId(row[0]): row[1] for row in asked.fetchall()}

    def policy_changes(self, site: SiteId, since: int) -> list[tuple[str, bytes]]:
        """Read the items changed after a version, in order of version and key; an empty body removes."""
        rows = self._connection.execute(_POLICY_CHANGES, (site, since)).fetchall()
        return [(key, bytes(body)) for key, body in rows]

    def read_journals(
        self, journals: Sequence[JournalKey], keys: Sequence[TapKey], taps: Sequence[TapKey]
    ) -> tuple[dict[JournalKey, dict[int, Chained]], dict[TapKey, StoredRecord], dict[TapKey, ChargeRow]]:
        """Read, in one round trip, records beyond the marks, records by key, charges of taps."""
        devices, epochs = [device for device, _ in journals], [epoch for _, epoch in journals]
        beyond = self._connection.execute(_ABOVE_MARKS, (devices, epochs))
        stored = self._connection.execute(_STORED, _columns(keys))
        charges = self._connection.execute(_CHARGES, _columns(taps))
        above: dict[JournalKey, dict[int, Chained]] = {}
        for device, epoch, seq, digest, previous in beyond.fetchall():
            above.setdefault((DeviceId(device), epoch), {})[seq] = Chained(bytes(digest), bytes(previous))
        return (
            above,
            {TapKey(DeviceId(row[0]), row[1], row[2]): _stored(row) for row in stored.fetchall()},
            {TapKey(DeviceId(row[0]), row[1], row[2]): _charge(row) for row in charges.fetchall()},
        )

    def lock_accounts(self, accounts: Sequence[UUID], days: Sequence[date]) -> dict[UUID, AccountRow]:
        """Lock the accounts' purses in id order and read their states, and the meals they took on the given days."""
        found: dict[UUID, AccountRow] = {}
        asked = (_Rows(row_bytes.uuids(accounts)),)
        purses = self._connection.execute(_LOCK_PURSES, asked)
        # Read apart: a state read by the locking statement could be older than the lock.
        states = self._connection.execute(_ACCOUNTS, asked)
        meals = self._connection.execute(_MEALS, (list(accounts), list(days))) if days else None
        locked = purses.fetchall()
        for account_id, person, state, name in states.fetchall():
            found[account_id] = AccountRow(account_id, person, AccountState(state), name, {})
        for account_id, purse, kind, balance, floor in locked:
            found[account_id].purses[kind] = PurseRow(purse, kind, balance, floor)
        for account_id, day, meal, count, fen in meals.fetchall() if meals is not None else ():
            found[account_id].meals[day, meal] = count
            found[account_id].spent[day, meal] = fen
        return found

    def closed_through(self, site: SiteId) -> date | None:
        """Read the last business day that takes no postings any more, or None."""
        row = self._connection.execute(_CLOSED_THROUGH, (site,)).fetchone()
        return row[0] if row is not None else None

    def entered(self, asked: Sequence[Entry], lanes: Sequence[str]) -> set[tuple[UUID, date]]:
        """Find who passed one of these lanes within the time given."""
        columns = [list(column) for column in zip(*asked, strict=True)]
        rows = self._connection.execute(_ENTERED, (*columns, list(lanes))).fetchall()
        return {(row[0], row[1]) for row in rows}

    def ordered(self, site: SiteId, people: Sequence[UUID], days: Sequence[date]) -> dict[OrderKey, int]:
        """Read what these people ordered for these days and have not collected."""
        rows = self._connection.execute(_ORDERED, (site, list(people), list(days))).fetchall()
        return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}

    def crowd(self, site: SiteId, people: Sequence[PersonId], counted: Mapping[ZoneId, datetime]) -> SiteCrowd:
        """Read where people are and how full the `counted` zones are."""
        return presence_repository.crowd(self._connection, site, people, counted)

    def lane_moments(self, site: SiteId) -> dict[LaneId, LaneMoment]:
        """Lock and read what a site's lanes remember."""
        return presence_repository.lane_moments(self._connection, site)

    def ledger_accounts(self, site: SiteId) -> dict[tuple[str, str], UUID]:
        """Read a site's accounts that take charges or stand for a missing purse, by role and name."""
        rows = self._connection.execute(_LEDGER_ACCOUNTS, (site,)).fetchall()
        return {(row[0], row[1]): row[2] for row in rows}

    # --- the write ------------------------------------------------------------------------------------------

    def write(self, facts: Facts, writes: Writes, events: Sequence[Row], now: datetime) -> None:
        """Send everything a batch writes; the pipeline takes it along with the commit.

        When somebody else wrote to a journal since memory was made, the transaction ends in JournalMovedError.
        """
        for statement, rows in (
            (_INSERT_LEDGER_ACCOUNT, writes.ledger_account),
            (_INSERT_ARRIVAL, writes.record_arrival),
            (_INSERT_DISH_LINE, writes.dish_line),
            (_INSERT_QUARANTINE, writes.quarantine),
            (_INSERT_FINDING, writes.finding),
        ):
            if rows:
                self._connection.execute(statement, (_json.encode(rows).decode(),))
        presence_repository.write(self._connection, writes)
        for statement, document in alarm_rows.documents(writes.alarms):
            self._connection.execute(statement, (document,))
        purses = [
            (purse.id, purse.balance)
            for account in facts.accounts.values()
            for purse in account.purses.values()
            if purse.changed
        ]
        meals = [
            (account.id, day, meal, count, fen)
            for account in facts.accounts.values()
            for (day, meal), (count, fen) in account.meal_changes.items()
        ]
        heads = [
            (journal.device, journal.epoch, journal.writes, journal.acked_through, journal.head_hash)
            for journal in facts.journals.values()
        ]
        outbox = [(row["id"], row["site_id"], row["topic"], _json.encode(row["payload"]), now) for row in events]
        tables: tuple[Sequence[Any], ...] = (
            heads, writes.record, writes.charge, writes.transfer, purses, meals, outbox,
        )  # fmt: skip
        encoded = [
            _Rows(row_bytes.array_of(oid, rows, encode))
            for oid, rows, encode in zip(self._oids, tables, _ENCODERS, strict=True)
        ]
        self._connection.execute(_WRITE, (*encoded, len(heads)))


_ENCODERS: tuple[Callable[[Any], bytes], ...] = (
    row_bytes.head_bytes,
    row_bytes.record_bytes,
    row_bytes.charge_bytes,
    row_bytes.transfer_bytes,
    row_bytes.purse_bytes,
    row_bytes.meal_bytes,
    row_bytes.outbox_bytes,
)


def _columns(keys: Sequence[TapKey]) -> tuple[list[UUID], list[int], list[int]]:
    return [key.device for key in keys], [key.epoch for key in keys], [key.seq for key in keys]


def _charge(row: tuple[Any, ...]) -> ChargeRow:
    moved = [Extra(*one) for one in zip(row[12], row[13], row[14], row[15], strict=True)]
    legs = tuple((one.source, one.amount) for one in moved if one.kind == TO_STALL)
    extras = tuple(one for one in moved if one.kind != TO_STALL)
    return ChargeRow(row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11], legs, extras, row[16])


def _stored(row: tuple[Any, ...]) -> StoredRecord:
    decision = None
    if row[8] is not None:
        decision = LiveDecision(row[8], row[9], row[10], row[11], row[12] or 0, row[13], row[16])
    return StoredRecord(bytes(row[3]), row[4], row[5] or "", row[6], row[7] or "", decision, row[14], row[15])


_LOCK_HEADS = """
    select e.device_id, e.epoch, e.acked_through, e.head_hash, e.writes
    from device_epoch e join unnest(%s::uuid[], %s::bigint[]) k(device_id, epoch) using (device_id, epoch)
    order by e.device_id, e.epoch for update of e
"""
_POLICY_VERSIONS = "select site_id, version from policy_state where site_id = any(%b::uuid[])"
_ABOVE_MARKS = f"""
    select e.device_id, e.epoch, r.seq, r.hash, r.previous
    from device_epoch e join unnest(%s::uuid[], %s::bigint[]) k(device_id, epoch) using (device_id, epoch)
    cross join lateral (
        select seq, hash, previous from record
        where device_id = e.device_id and epoch = e.epoch and seq > e.acked_through
        union all
        select seq, hash, previous from quarantine
        where device_id = e.device_id and epoch = e.epoch and seq > e.acked_through
        order by seq limit {MAX_ABOVE_MARK}
    ) r order by 1, 2, 3
"""  # noqa: S608 - the limit is a constant of this module
_STORED = """
    select r.device_id, r.epoch, r.seq, r.hash, r.kind, r.purpose, r.place, r.credential, r.granted, r.reason,
           r.policy_version, r.amount_fen, r.balance_fen, r.meal_id, r.card_id, r.person_id, coalesce(p.name, '')
    from record r join unnest(%s::uuid[], %s::bigint[], %s::bigint[]) k(device_id, epoch, seq)
        using (device_id, epoch, seq)
    left join person p on p.id = r.person_id and r.purpose = 'till'
    order by 1, 2, 3
"""
_CHARGES = """
    select distinct on (c.device_id, c.epoch, c.seq)
           c.device_id, c.epoch, c.seq, c.id, c.revision, c.amount_fen, c.account_id, c.person_id, c.till_id,
           c.stall_id, c.meal_id, coalesce(c.event_day, c.business_day), t.sources, t.targets, t.amounts, t.kinds, c.at
    from charge c join unnest(%s::uuid[], %s::bigint[], %s::bigint[]) k(device_id, epoch, seq)
        using (device_id, epoch, seq)
    cross join lateral (
        select coalesce(array_agg(from_account order by id), '{}') sources,
               coalesce(array_agg(to_account order by id), '{}') targets,
               coalesce(array_agg(left_fen order by id), '{}') amounts,
               coalesce(array_agg(kind order by id), '{}') kinds
        from (
            select m.id, m.from_account, m.to_account,
                   case when a.unit = 'meal' then 'meal' when m.kind = 'charge' and a.role = 'stall' then 'to_stall'
                        else m.kind end as kind,
                   m.amount_fen - cast(coalesce((
                select sum(r.amount_fen) from transfer r where r.corrects = m.id and r.kind = 'refund'
            ), 0) as bigint) as left_fen
            from transfer m join ledger_account a on a.id = m.to_account
            where m.charge_id = c.id and m.kind <> 'refund'
        ) l where left_fen > 0
    ) t
    order by c.device_id, c.epoch, c.seq, c.revision desc
"""
_LOCK_PURSES = """
    select account_id, id, kind, balance_fen, floor_fen from purse
    where account_id = any(%b::uuid[]) order by id for update
"""
_ACCOUNTS = """
    select a.id, a.person_id, a.state, p.name from account a join person p on p.id = a.person_id
    where a.id = any(%b::uuid[]) order by a.id
"""
_MEALS = """
    select account_id, business_day, meal_id, count, sum_fen from meal_count
    where account_id = any(%s) and business_day = any(%s) order by 1, 2, 3
"""
_CLOSED_THROUGH = "select closed_through from books where site_id = %s"
_LEDGER_ACCOUNTS = """
    select role, name, id from ledger_account
    where site_id = %s and role in (
        'stall', 'receivable', 'surcharge_income', 'rebate', 'meal_rights', 'meals_taken') order by 1, 2
"""
_ENTERED = """
    select k.person, k.day
    from unnest(%s::uuid[], %s::date[], %s::timestamptz[], %s::timestamptz[]) k(person, day, begins, ends)
    where exists (
        select from record r where r.person_id = k.person and r.at >= k.begins and r.at < k.ends
            and r.kind = 'outcome' and r.outcome = 'passed' and r.place = any(%s)
    ) order by 1, 2
"""
_ORDERED = """
    select o.person_id, o.stall_id, o.business_day, o.meal_id, o.portions - cast(coalesce((
        select sum(case when c.revision %% 2 = 0 then 1 else -1 end) from charge c
        where c.person_id = o.person_id and c.site_id = o.site_id
            and coalesce(c.event_day, c.business_day) = o.business_day
            and c.meal_id = o.meal_id and c.stall_id = o.stall_id
    ), 0) as integer)
    from meal_order o where o.site_id = %s and o.person_id = any(%s) and o.business_day = any(%s) order by 1, 2, 3, 4
"""
_INSERT_DISH_LINE = """
    insert into dish_line (device_id, epoch, seq, line, site_id, stall_id, meal_id, business_day, code, count,
        price_fen)
    select * from json_to_recordset(%s) r(device_id uuid, epoch bigint, seq bigint, line smallint, site_id uuid,
        stall_id text, meal_id text, business_day date, code text, count integer, price_fen bigint)
"""
# An account that another process made meanwhile divides by zero too: the batch starts anew and finds it.
_INSERT_LEDGER_ACCOUNT = """
    with wanted as (
        select id, site_id, role, name, unit
        from json_to_recordset(%s) r(id uuid, site_id uuid, role text, name text, unit text)
    ), made as (
        insert into ledger_account (id, site_id, role, name, unit) select * from wanted order by role, name
        on conflict (site_id, role, name) do nothing returning 1
    ) select 1 / ((select count(*) from made) = (select count(*) from wanted))::integer
"""
_INSERT_ARRIVAL = """
    insert into record_arrival (id, device_id, epoch, seq, arrived_at)
    select * from json_to_recordset(%s) r(id uuid, device_id uuid, epoch bigint, seq bigint, arrived_at timestamptz)
"""
_INSERT_QUARANTINE = """
    insert into quarantine (id, site_id, device_id, epoch, seq, why, hash, previous, body, received_at)
    select id, site_id, device_id, epoch, seq, why, decode(hash, 'hex'), decode(previous, 'hex'), decode(body, 'hex'),
        received_at
    from json_to_recordset(%s) r(id uuid, site_id uuid, device_id uuid, epoch bigint, seq bigint, why text, hash text,
        previous text, body text, received_at timestamptz)
    on conflict (device_id, epoch, seq, hash) do nothing
"""
_INSERT_FINDING = """
    insert into finding (id, site_id, kind, subject, detail, opened_at)
    select * from json_to_recordset(%s) r(id uuid, site_id uuid, kind text, subject text, detail jsonb,
        opened_at timestamptz)
"""
_POLICY_CHANGES = "select key, body from policy_item where site_id = %s and version > %s order by version, key"
# One statement: its parts see the same moment and nothing of one another, which they need not. It divides by zero, and
# so undoes the transaction, unless every journal still is as the batch took it to be.
_WRITE = """
    with moved as (
        update device_epoch e
        set acked_through = r.acked_through, head_hash = r.head_hash, writes = e.writes + 1
        from unnest(%b::head_row[]) r
        where e.device_id = r.device_id and e.epoch = r.epoch and e.writes = r.writes
        returning 1
    ), records as (
        insert into record (device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, credential, card_id,
            person_id, granted, reason, live, offline, outcome, amount_fen, balance_fen, meal_id, policy_version, at,
            received_at, hash, previous, mac, body)
        select device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, credential, card_id,
            person_id, granted, reason, live, offline, outcome, amount_fen, balance_fen, meal_id, policy_version, at,
            received_at, hash, previous, mac, body
        from unnest(%b::record_row[])
    ), charges as (
        insert into charge (id, site_id, device_id, epoch, seq, revision, reverses, account_id, person_id, till_id,
            stall_id, meal_id, business_day, amount_fen, offline, flag, at, posted_at, event_day)
        select id, site_id, device_id, epoch, seq, revision, reverses, account_id, person_id, till_id,
            stall_id, meal_id, business_day, amount_fen, offline, flag, at, posted_at, event_day
        from unnest(%b::charge_row[])
    ), transfers as (
        insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen,
            to_balance_fen, charge_id, business_day, at, posted_at, actor, note)
        select id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen,
            to_balance_fen, charge_id, business_day, at, posted_at, actor, note
        from unnest(%b::transfer_row[])
    ), purses as (
        update purse set balance_fen = r.balance_fen from unnest(%b::purse_row[]) r where purse.id = r.id
    ), meals as (
        insert into meal_count (account_id, business_day, meal_id, count, sum_fen)
        select account_id, business_day, meal_id, count, sum_fen from unnest(%b::meal_row[])
        on conflict (account_id, business_day, meal_id)
        do update set count = meal_count.count + excluded.count, sum_fen = meal_count.sum_fen + excluded.sum_fen
    ), events as (
        insert into outbox (id, site_id, topic, payload, created_at)
        select id, site_id, topic, payload, created_at from unnest(%b::outbox_row[])
    ) select 1 / (count(*) = %s)::integer from moved
"""
