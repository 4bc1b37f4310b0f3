"""The SQL of batches of credits, their lines, and monthly plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def holders(session: Connection, site_id: UUID, numbers: Sequence[str], purse: str) -> Rows:
    """Return who has these personnel numbers: number, name, state, account and its state, balance, highest balance."""
    parameters = {"site_id": site_id, "numbers": list(numbers), "purse": purse}
    return session.execute(_HOLDERS, parameters).mappings().all()


def used_references(session: Connection, site_id: UUID, references: Sequence[str]) -> set[str]:
    """Return which of these bank references stand in a batch already."""
    return set(session.execute(_USED, {"site_id": site_id, "references": list(references)}).scalars())


def insert_batch(session: Connection, row: Mapping[str, Any]) -> bool:
    """Add a batch; False when its number is taken."""
    return session.execute(_INSERT_BATCH, row).rowcount > 0


def insert_lines(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add lines: batch_id, site_id, line, account_id, amount_fen, reference, transfer_id."""
    session.execute(_INSERT_LINES, {"rows": msgspec.json.encode(rows).decode()})


def lock_batch(session: Connection, site_id: UUID, batch_id: UUID) -> RowMapping | None:
    """Lock and return a batch."""
    return session.execute(_LOCK_BATCH, {"site_id": site_id, "id": batch_id}).mappings().one_or_none()


def batch_by_number(session: Connection, site_id: UUID, number: str) -> RowMapping | None:
    """Return the batch of a number, locked where the transaction may write."""
    return session.execute(_BY_NUMBER, {"site_id": site_id, "number": number}).mappings().one_or_none()


def batches(session: Connection, site_id: UUID, limit: int, offset: int) -> Rows:
    """Return batches, newest first."""
    return session.execute(_BATCHES, {"site_id": site_id, "limit": limit, "offset": offset}).mappings().all()


def lines(session: Connection, batch_id: UUID) -> Rows:
    """Return a batch's lines in order."""
    return session.execute(_LINES, {"id": batch_id}).mappings().all()


def mark_booked(session: Connection, row: Mapping[str, Any]) -> None:
    """Note that a batch is booked: id, lines, total_fen, at."""
    session.execute(_MARK_BOOKED, row)


def mark_reversed(session: Connection, row: Mapping[str, Any]) -> None:
    """Note that a batch was taken back: id, fen, at."""
    session.execute(_MARK_REVERSED, row)


def drop_draft(session: Connection, batch_id: UUID) -> None:
    """Drop a draft and its lines; the number stays used."""
    session.execute(_DROP_LINES, {"id": batch_id})
    session.execute(_DROP, {"id": batch_id})


def put_plan(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a plan, or end or change one that stands."""
    session.execute(_PUT_PLAN, row)


def plan(session: Connection, site_id: UUID, plan_id: str) -> RowMapping | None:
    """Return a plan."""
    return session.execute(_PLAN, {"site_id": site_id, "id": plan_id}).mappings().one_or_none()


def clashing_plan(session: Connection, row: Mapping[str, Any]) -> str | None:
    """Return another plan for the same category and purse in one of the same months, or None."""
    found: str | None = session.execute(_CLASHING, row).scalar()
    return found


def sites(session: Connection) -> list[UUID]:
    """Return every site."""
    return list(session.execute(_SITES).scalars())


def plans_of(session: Connection, site_id: UUID, month: date) -> Rows:
    """Return the plans in force in a month."""
    return session.execute(_PLANS_OF, {"site_id": site_id, "month": month}).mappings().all()


def entitled(session: Connection, site_id: UUID, category_id: str, batch_id: UUID) -> list[UUID]:
    """Return the accounts of a category, not closed, whose holders have not left and that the batch has no line for."""
    parameters = {"site_id": site_id, "category_id": category_id, "batch_id": batch_id}
    return list(session.execute(_ENTITLED, parameters).scalars())


_HOLDERS = text("""
    select p.number, p.name, p.state, p.id as person_id, a.id as account_id, a.state as account_state,
           coalesce(u.balance_fen, 0) as balance_fen, r.max_balance_fen
    from person p join unnest(cast(:numbers as text[])) w(number) on w.number = p.number
    left join account a on a.person_id = p.id
    left join purse u on u.account_id = a.id and u.kind = :purse
    left join lateral (
        select max_balance_fen from purse_rule r
        where r.site_id = p.site_id and r.kind = :purse and r.category_id in (p.category_id, '*')
        order by r.category_id = '*' limit 1
    ) r on true
    where p.site_id = :site_id
""")
_USED = text("""
    select reference from credit_line where site_id = :site_id and reference = any(cast(:references as text[]))
""")
_INSERT_BATCH = text("""
    insert into credit_batch (id, site_id, number, kind, content_hash, lines, total_fen, source, made_by, made_at)
    values (:id, :site_id, :number, :kind, :content_hash, :lines, :total_fen, :source, :made_by, :made_at)
    on conflict (site_id, number) do nothing
""")
_INSERT_LINES = text("""
    insert into credit_line (batch_id, site_id, line, account_id, amount_fen, reference, transfer_id)
    select batch_id, site_id, line, account_id, amount_fen, reference, transfer_id
    from json_populate_recordset(null::credit_line, cast(:rows as json))
""")
_LOCK_BATCH = text("select * from credit_batch where site_id = :site_id and id = :id for update")
_BY_NUMBER = text("select * from credit_batch where site_id = :site_id and number = :number")
_BATCHES = text("""
    select * from credit_batch where site_id = :site_id order by made_at desc, id limit :limit offset :offset
""")
_LINES = text("""
    select l.*, p.number, p.name, p.id as person_id
    from credit_line l join account a on a.id = l.account_id join person p on p.id = a.person_id
    where l.batch_id = :id order by l.line
""")
_MARK_BOOKED = text("""
    update credit_batch set state = 'booked', booked_at = :at, lines = :lines, total_fen = :total_fen where id = :id
""")
_MARK_REVERSED = text("""
    update credit_batch set state = 'reversed', reversed_at = :at, reversed_fen = :fen where id = :id
""")
_DROP_LINES = text("delete from credit_line where batch_id = :id")
_DROP = text("update credit_batch set state = 'dropped' where id = :id")
_PUT_PLAN = text("""
    insert into subsidy_plan (site_id, id, category_id, purse, amount_fen, mode, from_month, until_month)
    values (:site_id, :id, :category_id, :purse, :amount_fen, :mode, :from_month, :until_month)
    on conflict (site_id, id) do update set amount_fen = excluded.amount_fen, until_month = excluded.until_month
""")
_PLAN = text("select * from subsidy_plan where site_id = :site_id and id = :id")
_CLASHING = text("""
    select id from subsidy_plan
    where site_id = :site_id and id <> :id and category_id = :category_id and purse = :purse
        and from_month <= coalesce(cast(:until_month as date), 'infinity')
        and coalesce(until_month, 'infinity') >= :from_month
    limit 1
""")
_PLANS_OF = text("""
    select * from subsidy_plan
    where site_id = :site_id and from_month <= :month and coalesce(until_month, 'infinity') >= :month order by id
""")
_ENTITLED = text("""
    select a.id from account a join person p on p.id = a.person_id
    where a.site_id = :site_id and p.category_id = :category_id and p.state = 'active' and a.state <> 'closed'
        and not exists (select from credit_line l where l.batch_id = :batch_id and l.account_id = a.id)
    order by a.id
""")
_SITES = text("select id from site order by id")
