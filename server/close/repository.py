"""The SQL of closes: the mark of the books, the rows of closed days, their balances, and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]
MAX_LISTED = 500


def lock_books(session: Connection, site_id: UUID) -> RowMapping:
    """Lock and return the mark of a site's books, adding it when there is none: who closes, closes alone."""
    session.execute(_ENSURE_BOOKS, {"site_id": site_id})
    return session.execute(_LOCK_BOOKS, {"site_id": site_id}).mappings().one()


def books(session: Connection, site_id: UUID) -> RowMapping | None:
    """Return the mark of a site's books, or None where nothing was ever closed."""
    return session.execute(_BOOKS, {"site_id": site_id}).mappings().one_or_none()


def set_closed_through(session: Connection, site_id: UUID, day: date | None) -> None:
    """Move the mark: no posting enters this day or an earlier one."""
    session.execute(_SET_CLOSED, {"site_id": site_id, "day": day})


def set_month_locked(session: Connection, site_id: UUID, day: date | None) -> None:
    """Move the mark of the months: no day up to it is reopened."""
    session.execute(_SET_LOCKED, {"site_id": site_id, "day": day})


def await_writers(session: Connection, table: str) -> None:
    """Wait for the transactions that may still add rows to `transfer` or `charge` without having seen the mark."""
    session.execute(_AWAIT[table])


def standing(session: Connection, site_id: UUID, day: date) -> RowMapping | None:
    """Return the close of a day that stands (closing or closed), or None."""
    return session.execute(_STANDING, {"site_id": site_id, "day": day}).mappings().one_or_none()


def lock_standing(session: Connection, site_id: UUID, day: date) -> RowMapping | None:
    """Lock and return the close of a day that stands, or None."""
    return session.execute(_LOCK_STANDING, {"site_id": site_id, "day": day}).mappings().one_or_none()


def closes(session: Connection, site_id: UUID, from_day: date, through_day: date) -> Rows:
    """Return all closes of these days, reopened ones too, in order."""
    parameters = {"site_id": site_id, "from_day": from_day, "through_day": through_day, "limit": MAX_LISTED}
    return session.execute(_CLOSES, parameters).mappings().all()


def insert_closing(session: Connection, row: Mapping[str, Any]) -> None:
    """Begin a close: id, site_id, business_day, begun_by, begun_at; the revision follows the last one."""
    session.execute(_INSERT_CLOSING, row)


def finish(session: Connection, row: Mapping[str, Any]) -> None:
    """Write a close's figures: id, closed_by, closed_at, figures, hash, previous."""
    session.execute(_FINISH, row)


def sign(session: Connection, close_id: UUID, actor: str, at: datetime) -> None:
    """Note who signed."""
    session.execute(_SIGN, {"id": close_id, "actor": actor, "at": at})


def reopen_from(session: Connection, site_id: UUID, day: date, actor: str, at: datetime) -> int:
    """Mark the closes from a day on as reopened, drop their balances, and return how many."""
    parameters = {"site_id": site_id, "day": day, "actor": actor, "at": at}
    session.execute(_DROP_BALANCES, parameters)
    return session.execute(_REOPEN, parameters).rowcount


def last_hash(session: Connection, site_id: UUID) -> bytes:
    """Return the hash of the last finished close, reopened or not, or nothing: closes chain in the order made."""
    return session.execute(_LAST_HASH, {"site_id": site_id}).scalar_one_or_none() or b""


def has_balances_before(session: Connection, site_id: UUID, day: date) -> bool:
    """Tell whether an earlier day has balances to go on from."""
    return bool(session.execute(_HAS_BALANCES, {"site_id": site_id, "day": day}).scalar_one())


def write_balances(session: Connection, site_id: UUID, day: date, *, is_first: bool) -> None:
    """Write opening, debit, credit and closing of every account that moved; at the first close of every account."""
    session.execute(_WRITE_BALANCES, {"site_id": site_id, "day": day, "is_first": is_first})


def balance_sums(session: Connection, site_id: UUID, day: date) -> Rows:
    """Return unit, role, name, opening, debit, credit and closing of a closed day, purses together by kind."""
    return session.execute(_BALANCE_SUMS, {"site_id": site_id, "day": day}).mappings().all()


def upsert_findings(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add findings of a day; one that is open already keeps its age, owner and id, and takes the new detail."""
    if rows:
        session.execute(_UPSERT_FINDINGS, {"rows": msgspec.json.encode(rows).decode()})


def settle_gone(session: Connection, site_id: UUID, day: date, keep: Sequence[str], at: datetime) -> int:
    """Close the day's open findings whose `kind subject` is not among those found now; return how many."""
    parameters = {"site_id": site_id, "day": day, "keep": list(keep), "at": at}
    return session.execute(_SETTLE_GONE, parameters).rowcount


def findings(session: Connection, site_id: UUID, wanted: Mapping[str, Any], limit: int, offset: int) -> Rows:
    """Return findings, oldest first; `wanted`: from_day, through_day, owner (each or None) and only_open."""
    parameters = {"site_id": site_id, **wanted, "limit": limit, "offset": offset}
    return session.execute(_FINDINGS, parameters).mappings().all()


def lock_finding(session: Connection, site_id: UUID, finding_id: UUID) -> RowMapping | None:
    """Lock and return a finding."""
    return session.execute(_LOCK_FINDING, {"site_id": site_id, "id": finding_id}).mappings().one_or_none()


def settle(session: Connection, finding_id: UUID, actor: str, explanation: str, at: datetime) -> None:
    """Close one finding with its explanation."""
    session.execute(_SETTLE, {"id": finding_id, "actor": actor, "explanation": explanation, "at": at})


def settle_quarantined(session: Connection, site_id: UUID, finding_id: UUID, actor: str, at: datetime) -> None:
    """Close the set-aside records that a finding is about: their key is its subject."""
    parameters = {"site_id": site_id, "id": finding_id, "actor": actor, "at": at}
    session.execute(_SETTLE_QUARANTINED, parameters)


def assign(session: Connection, finding_id: UUID, owner: str) -> None:
    """Give a finding to somebody else."""
    session.execute(_ASSIGN, {"id": finding_id, "owner": owner})


def insert_reminder(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a finding of no day (id, site_id, kind, subject, owner, at) unless one of this subject was ever there."""
    session.execute(_INSERT_REMINDER, row)


def settle_reminders(session: Connection, site_id: UUID, kind: str, through: str, at: datetime) -> None:
    """Settle the open findings of a kind whose subjects are not later than one."""
    session.execute(_SETTLE_REMINDERS, {"site_id": site_id, "kind": kind, "through": through, "at": at})


def open_count(session: Connection, site_id: UUID, from_day: date, through_day: date) -> int:
    """Count the open findings of closed days."""
    parameters = {"site_id": site_id, "from_day": from_day, "through_day": through_day}
    return int(session.execute(_OPEN_COUNT, parameters).scalar_one())


_ENSURE_BOOKS = text("insert into books (site_id) values (:site_id) on conflict do nothing")
_LOCK_BOOKS = text("select * from books where site_id = :site_id for update")
_BOOKS = text("select * from books where site_id = :site_id")
_SET_CLOSED = text("update books set closed_through = :day where site_id = :site_id")
_SET_LOCKED = text("update books set month_locked_through = :day where site_id = :site_id")
_AWAIT = {
    "transfer": text("select await_writers_of_transfer()"),
    "charge": text("select await_writers_of_charge()"),
}
_STANDING_WHERE = "select * from day_close where site_id = :site_id and business_day = :day and state <> 'reopened'"
_STANDING = text(_STANDING_WHERE)
_LOCK_STANDING = text(f"{_STANDING_WHERE} for update")
_CLOSES = text("""
    select * from day_close where site_id = :site_id and business_day between :from_day and :through_day
    order by business_day, revision limit :limit
""")
_INSERT_CLOSING = text("""
    insert into day_close (id, site_id, business_day, revision, state, begun_by, begun_at)
    select :id, :site_id, :business_day,
           (select count(*) from day_close where site_id = :site_id and business_day = :business_day),
           'closing', :begun_by, :begun_at
""")
_FINISH = text("""
    update day_close set state = 'closed', closed_by = :closed_by, closed_at = :closed_at, figures = :figures,
        hash = :hash, previous = :previous
    where id = :id and state = 'closing'
""")
_SIGN = text("update day_close set signed_by = :actor, signed_at = :at where id = :id and signed_at is null")
_DROP_BALANCES = text("delete from day_balance where site_id = :site_id and business_day >= :day")
_REOPEN = text("""
    update day_close set state = 'reopened', reopened_by = :actor, reopened_at = :at
    where site_id = :site_id and business_day >= :day and state <> 'reopened'
""")
_LAST_HASH = text("""
    select hash from day_close where site_id = :site_id and hash is not null order by closed_at desc, id desc limit 1
""")
_HAS_BALANCES = text("select exists (select from day_balance where site_id = :site_id and business_day < :day)")
_WRITE_BALANCES = text("""
    with side as (
        select from_account as id, business_day, amount_fen as debit, 0 as credit from transfer
        where site_id = :site_id and (business_day = :day or (:is_first and business_day <= :day))
        union all
        select to_account, business_day, 0, amount_fen from transfer
        where site_id = :site_id and (business_day = :day or (:is_first and business_day <= :day))
    ), moved as (
        select id, coalesce(sum(credit - debit) filter (where business_day < :day), 0) as before,
               coalesce(sum(debit) filter (where business_day = :day), 0) as debit,
               coalesce(sum(credit) filter (where business_day = :day), 0) as credit
        from side group by id
    ), opened as (
        select m.*, m.before + coalesce(b.closing_fen, 0) as opening from moved m
        left join lateral (
            select closing_fen from day_balance d where d.ledger_account_id = m.id and d.business_day < :day
            order by d.business_day desc limit 1
        ) b on true
    )
    insert into day_balance (site_id, ledger_account_id, business_day, opening_fen, debit_fen, credit_fen, closing_fen)
    select :site_id, id, :day, opening, debit, credit, opening - debit + credit from opened
""")
_BALANCE_SUMS = text("""
    select l.unit, l.role, case when l.role = 'purse' then u.kind else l.name end as name,
           cast(sum(coalesce(t.opening_fen, b.closing_fen)) as bigint) as opening,
           cast(sum(coalesce(t.debit_fen, 0)) as bigint) as debit,
           cast(sum(coalesce(t.credit_fen, 0)) as bigint) as credit, cast(sum(b.closing_fen) as bigint) as closing
    from ledger_account l
    join lateral (
        select closing_fen from day_balance d where d.ledger_account_id = l.id and d.business_day <= :day
        order by d.business_day desc limit 1
    ) b on true
    left join day_balance t on t.ledger_account_id = l.id and t.business_day = :day
    left join purse u on u.id = l.id
    where l.site_id = :site_id group by 1, 2, 3 order by 1, 2, 3
""")
_UPSERT_FINDINGS = text("""
    insert into finding (id, site_id, kind, subject, cause, owner, business_day, detail, opened_at)
    select id, site_id, kind, subject, cause, owner, business_day, detail, opened_at
    from json_to_recordset(cast(:rows as json)) r(id uuid, site_id uuid, kind text, subject text, cause text,
        owner text, business_day date, detail jsonb, opened_at timestamptz)
    on conflict (site_id, business_day, kind, subject) where business_day is not null and closed_at is null
    do update set detail = excluded.detail, cause = excluded.cause
""")
_SETTLE_GONE = text("""
    update finding set closed_at = :at, closed_by = 'system', explanation = 'equal again'
    where site_id = :site_id and business_day = :day and closed_at is null
        and kind || ' ' || subject <> all (cast(:keep as text[]))
""")
_FINDINGS = text("""
    select * from finding where site_id = :site_id
        and (cast(:from_day as date) is null or business_day >= :from_day)
        and (cast(:through_day as date) is null or business_day <= :through_day)
        and (cast(:owner as text) is null or owner = :owner) and (closed_at is null or not :only_open)
    order by opened_at, id limit :limit offset :offset
""")
_LOCK_FINDING = text("select * from finding where site_id = :site_id and id = :id for update")
_SETTLE = text("update finding set closed_at = :at, closed_by = :actor, explanation = :explanation where id = :id")
_SETTLE_QUARANTINED = text("""
    update quarantine q set closed_at = :at, closed_by = :actor from finding f
    where f.id = :id and f.site_id = :site_id and f.kind = 'quarantined' and q.site_id = :site_id
        and q.closed_at is null and f.subject = q.device_id || '/' || q.epoch || '/' || q.seq
""")
_ASSIGN = text("update finding set owner = :owner where id = :id")
_OPEN_COUNT = text("""
    select count(*) from finding where site_id = :site_id and business_day between :from_day and :through_day
        and closed_at is null
""")
_INSERT_REMINDER = text("""
    insert into finding (id, site_id, kind, subject, owner, opened_at)
    select :id, :site_id, :kind, :subject, :owner, :at
    where not exists (select from finding where site_id = :site_id and kind = :kind and subject = :subject)
""")
_SETTLE_REMINDERS = text("""
    update finding set closed_at = :at, closed_by = 'system', explanation = 'the month is locked'
    where site_id = :site_id and kind = :kind and subject <= :through and closed_at is null
""")
