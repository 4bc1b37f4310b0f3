"""The SQL of the tap path, for use inside a pipeline: locked reads of what a batch touches, one set-based write.

No ORM here (design decision 6). Rows travel as one JSON document a table, which costs a fraction of building arrays
column by column; sums, order and locks are explicit; nothing asks the database for time or randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from cardcore.access.items import AccountState
from cardcore.ids import DeviceId, SiteId, TapKey
from server.taps.arrivals import (
    AccountRow,
    Chained,
    ChargeRow,
    Facts,
    Head,
    LiveDecision,
    PurseRow,
    Row,
    StoredRecord,
    Writes,
)

Connection = psycopg.Connection[tuple[Any, ...]]
JournalKey = tuple[DeviceId, int]
MAX_ABOVE_MARK = 10_000
"""Records beyond a gap that are looked at; more only delay the mark."""

_json = msgspec.json.Encoder()


def lock_heads(connection: Connection, journals: Sequence[JournalKey]) -> dict[JournalKey, Head]:
    """Lock the journals' rows in id order and read them."""
    devices, epochs = [device for device, _ in journals], [epoch for _, epoch in journals]
    rows = connection.execute(_LOCK_HEADS, (devices, epochs)).fetchall()
    return {(DeviceId(row[0]), row[1]): Head(row[2], bytes(row[3]), row[4]) for row in rows}


def policy_versions(connection: Connection, sites: Sequence[SiteId]) -> Callable[[], dict[SiteId, int]]:
    """Ask for the sites' newest policy versions; the answer comes along with that of the next question."""
    asked = connection.execute(_POLICY_VERSIONS, (list(sites),))
    return lambda: {SiteId(row[0]): row[1] for row in asked.fetchall()}


def read_journals(
    connection: Connection, journals: Sequence[JournalKey], keys: Sequence[TapKey], taps: Sequence[TapKey]
) -> tuple[dict[JournalKey, dict[int, Chained]], dict[TapKey, StoredRecord], dict[TapKey, ChargeRow]]:
    """Read what memory does not hold, in one round trip: records beyond the marks, records by key, charges of taps."""
    devices, epochs = [device for device, _ in journals], [epoch for _, epoch in journals]
    beyond = connection.execute(_ABOVE_MARKS, (devices, epochs))
    stored = connection.execute(_STORED, _columns(keys))
    charges = connection.execute(_CHARGES, _columns(taps))
    above: dict[JournalKey, dict[int, Chained]] = {}
    for device, epoch, seq, digest, previous in beyond.fetchall():
        above.setdefault((DeviceId(device), epoch), {})[seq] = Chained(bytes(digest), bytes(previous))
    return (
        above,
        {TapKey(DeviceId(row[0]), row[1], row[2]): _stored(row) for row in stored.fetchall()},
        {TapKey(DeviceId(row[0]), row[1], row[2]): _charge(row) for row in charges.fetchall()},
    )


def lock_accounts(connection: Connection, accounts: Sequence[UUID], days: Sequence[date]) -> dict[UUID, AccountRow]:
    """Lock the accounts' purses in id order and read their states, and the meals they took on the given days."""
    found: dict[UUID, AccountRow] = {}
    purses = connection.execute(_LOCK_PURSES, (list(accounts),))
    meals = connection.execute(_MEALS, (list(accounts), list(days))) if days else None
    for row in purses.fetchall():
        account = found.get(row[0])
        if account is None:
            account = found[row[0]] = AccountRow(row[0], row[1], AccountState(row[2]), row[3], {})
        account.purses[row[5]] = PurseRow(row[4], row[5], row[6], row[7])
    for account_id, day, meal, count in meals.fetchall() if meals is not None else ():
        found[account_id].meals[day, meal] = count
    return found


def ledger_accounts(connection: Connection, site: SiteId) -> dict[tuple[str, str], UUID]:
    """Read a site's accounts that take charges or stand for a missing purse, by role and name."""
    rows = connection.execute(_LEDGER_ACCOUNTS, (site,)).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def policy_changes(connection: Connection, site: SiteId, since: int) -> list[tuple[str, bytes]]:
    """Read the items changed after a version, in order of version and key; an empty body removes."""
    rows = connection.execute(
        "select key, body from policy_item where site_id = %s and version > %s order by version, key", (site, since)
    ).fetchall()
    return [(key, bytes(body)) for key, body in rows]


def write(connection: Connection, facts: Facts, writes: Writes, outbox: Sequence[Row]) -> None:
    """Send everything a batch writes; the caller's pipeline takes it along with the commit.

    The journals come first: when somebody else wrote to one since memory was made, psycopg.errors.DivisionByZero is
    raised at the end of the pipeline and nothing was written.
    """
    purses = [
        {"id": purse.id, "balance": purse.balance}
        for account in facts.accounts.values()
        for purse in account.purses.values()
        if purse.changed
    ]
    meals = [
        {"account_id": account.id, "business_day": day, "meal_id": meal, "count": count, "sum_fen": fen}
        for account in facts.accounts.values()
        for (day, meal), (count, fen) in account.meal_changes.items()
    ]
    heads = [
        {
            "device_id": device,
            "epoch": epoch,
            "writes": facts.writes[device, epoch],
            "acked_through": mark.acked_through,
            "head_hash": mark.head_hash.hex(),
        }
        for (device, epoch), mark in facts.marks.items()
    ]
    connection.execute(_UPDATE_HEADS, (_json.encode(heads).decode(), len(heads)))
    for statement, rows in (
        (_INSERT_LEDGER_ACCOUNT, writes.ledger_account),
        (_INSERT_RECORD, writes.record),
        (_INSERT_CHARGE, writes.charge),
        (_INSERT_TRANSFER, writes.transfer),
        (_UPDATE_PURSES, purses),
        (_UPSERT_MEALS, meals),
        (_INSERT_ARRIVAL, writes.record_arrival),
        (_INSERT_QUARANTINE, writes.quarantine),
        (_INSERT_FINDING, writes.finding),
        (_INSERT_OUTBOX, outbox),
    ):
        if rows:
            connection.execute(statement, (_json.encode(rows).decode(),))


def _columns(keys: Sequence[TapKey]) -> tuple[list[UUID], list[int], list[int]]:
    return [key.device for key in keys], [key.epoch for key in keys], [key.seq for key in keys]


def _charge(row: tuple[Any, ...]) -> ChargeRow:
    legs = tuple(zip(row[12], row[13], strict=True))
    return ChargeRow(row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11], legs)


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
_POLICY_VERSIONS = "select site_id, version from policy_state where site_id = any(%s)"
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
           c.stall_id, c.meal_id, c.business_day, t.accounts, t.amounts
    from charge c join unnest(%s::uuid[], %s::bigint[], %s::bigint[]) k(device_id, epoch, seq)
        using (device_id, epoch, seq)
    cross join lateral (
        select coalesce(array_agg(from_account order by id), '{}') accounts,
               coalesce(array_agg(amount_fen order by id), '{}') amounts
        from transfer where charge_id = c.id
    ) t
    order by c.device_id, c.epoch, c.seq, c.revision desc
"""
_LOCK_PURSES = """
    select a.id, a.person_id, a.state, p.name, u.id, u.kind, u.balance_fen, u.floor_fen
    from purse u join account a on a.id = u.account_id join person p on p.id = a.person_id
    where u.account_id = any(%s) order by u.id for update of u
"""
_MEALS = """
    select account_id, business_day, meal_id, count from meal_count
    where account_id = any(%s) and business_day = any(%s) order by 1, 2, 3
"""
_LEDGER_ACCOUNTS = """
    select role, name, id from ledger_account where site_id = %s and role in ('stall', 'receivable') order by 1, 2
"""
_INSERT_LEDGER_ACCOUNT = """
    insert into ledger_account (id, site_id, role, name)
    select id, site_id, role, name from json_to_recordset(%s) r(id uuid, site_id uuid, role text, name text)
"""
_INSERT_RECORD = """
    insert into record (device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, credential, card_id, person_id,
        granted, reason, live, offline, outcome, amount_fen, balance_fen, meal_id, policy_version, at, received_at,
        hash, previous, mac, body)
    select device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, credential, card_id, person_id,
        granted, reason, live, offline, outcome, amount_fen, balance_fen, meal_id, policy_version, at, received_at,
        decode(hash, 'hex'), decode(previous, 'hex'), decode(mac, 'hex'), convert_to(body, 'UTF8')
    from json_to_recordset(%s) r(device_id uuid, epoch bigint, seq bigint, site_id uuid, kind text, tap_seq bigint,
        purpose text, place text, credential text, card_id uuid, person_id uuid, granted boolean, reason text,
        live boolean, offline boolean, outcome text, amount_fen bigint, balance_fen bigint, meal_id text,
        policy_version bigint, at timestamptz, received_at timestamptz, hash text, previous text, mac text, body text)
"""
_INSERT_CHARGE = """
    insert into charge (id, site_id, device_id, epoch, seq, revision, reverses, account_id, person_id, till_id,
        stall_id, meal_id, business_day, amount_fen, offline, flag, at, posted_at)
    select * from json_to_recordset(%s) r(id uuid, site_id uuid, device_id uuid, epoch bigint, seq bigint,
        revision smallint, reverses uuid, account_id uuid, person_id uuid, till_id text, stall_id text, meal_id text,
        business_day date, amount_fen bigint, offline boolean, flag text, at timestamptz, posted_at timestamptz)
"""
_INSERT_TRANSFER = """
    insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen, to_balance_fen,
        charge_id, business_day, at, posted_at, actor, note)
    select * from json_to_recordset(%s) r(id uuid, site_id uuid, kind text, from_account uuid, to_account uuid,
        amount_fen bigint, from_balance_fen bigint, to_balance_fen bigint, charge_id uuid, business_day date,
        at timestamptz, posted_at timestamptz, actor text, note text)
"""
_UPDATE_PURSES = """
    update purse set balance_fen = r.balance
    from json_to_recordset(%s) r(id uuid, balance bigint) where purse.id = r.id
"""
_UPSERT_MEALS = """
    insert into meal_count (account_id, business_day, meal_id, count, sum_fen)
    select * from json_to_recordset(%s) r(account_id uuid, business_day date, meal_id text, count integer,
        sum_fen bigint)
    on conflict (account_id, business_day, meal_id)
    do update set count = meal_count.count + excluded.count, sum_fen = meal_count.sum_fen + excluded.sum_fen
"""
# Divides by zero, and so undoes the transaction, unless every journal still is as the batch took it to be.
_UPDATE_HEADS = """
    with moved as (
        update device_epoch e
        set acked_through = r.acked_through, head_hash = decode(r.head_hash, 'hex'), writes = e.writes + 1
        from json_to_recordset(%s) r(device_id uuid, epoch bigint, writes bigint, acked_through bigint, head_hash text)
        where e.device_id = r.device_id and e.epoch = r.epoch and e.writes = r.writes
        returning 1
    ) select 1 / (count(*) = %s)::integer from moved
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
_INSERT_OUTBOX = """
    insert into outbox (id, site_id, topic, payload, created_at)
    select * from json_to_recordset(%s) r(id uuid, site_id uuid, topic text, payload json, created_at timestamptz)
"""
