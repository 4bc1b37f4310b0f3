"""The SQL of charges as corrections see them, of refunds and of paper records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]
PAPER_EPOCH = 0
"""The epoch of charges entered from paper; no device has it."""


def charge(session: Connection, site_id: UUID, charge_id: UUID) -> RowMapping | None:
    """Return a charge with `newest` (its tap's last revision) and `served` (a till or two people said so)."""
    return session.execute(_CHARGE, {"site_id": site_id, "id": charge_id}).mappings().one_or_none()


def shown(session: Connection, site_id: UUID, charge_id: UUID) -> RowMapping | None:
    """Return a charge with the names of holder and till and what was given back, or None."""
    return session.execute(_SHOWN, {"site_id": site_id, "id": charge_id}).mappings().one_or_none()


def lock_journal(session: Connection, device_id: UUID, epoch: int) -> None:
    """Lock the journal that a charge stands in, and tell the tap path that what it remembers of it is old."""
    statement = _LOCK_PAPER if epoch == PAPER_EPOCH else _LOCK_JOURNAL
    session.execute(statement, {"device_id": device_id, "epoch": epoch})


def legs(session: Connection, charge_id: UUID) -> Rows:
    """Return what a charge moved and what is left of it, cash first, then the other purses: the way back (C61).

    `paid` tells what the payer gave from what goes along with it: a discount that the house pays, a meal right.
    """
    return session.execute(_LEGS, {"id": charge_id}).mappings().all()


def insert_refund(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a refund."""
    session.execute(_INSERT_REFUND, row)


def refund(session: Connection, refund_id: UUID) -> RowMapping | None:
    """Return a refund by its id."""
    return session.execute(_REFUND, {"id": refund_id}).mappings().one_or_none()


def refunds_of(session: Connection, charge_id: UUID) -> Rows:
    """Return a charge's refunds, oldest first."""
    return session.execute(_REFUNDS_OF, {"id": charge_id}).mappings().all()


def change_meals(session: Connection, row: Mapping[str, Any]) -> None:
    """Add to the meals that an account took: account_id, business_day, meal_id, count, sum_fen."""
    session.execute(_CHANGE_MEALS, row)


def next_paper_seq(session: Connection, site_id: UUID) -> int:
    """Return the next number of the site's paper journal, under its lock."""
    return int(session.execute(_NEXT_PAPER_SEQ, {"site_id": site_id}).scalar_one())


def similar_charge(session: Connection, row: Mapping[str, Any]) -> UUID | None:
    """Return a charge in force of the same account, till, meal, day and amount, or None."""
    found: UUID | None = session.execute(_SIMILAR, row).scalar()
    return found


def slip_taken(session: Connection, site_id: UUID, slip: str) -> bool:
    """Tell whether a paper with this number was entered."""
    return session.execute(_SLIP, {"site_id": site_id, "slip": slip}).first() is not None


def insert_paper(session: Connection, charge: Mapping[str, Any], paper: Mapping[str, Any]) -> None:
    """Add a charge of the paper journal and what the paper says."""
    session.execute(_INSERT_CHARGE, charge)
    session.execute(_INSERT_PAPER, paper)


_CHARGE = text(f"""
    select c.*, (select max(n.revision) from charge n
                 where n.device_id = c.device_id and n.epoch = c.epoch and n.seq = c.seq) as newest,
           (c.epoch = {PAPER_EPOCH} or coalesce((
               select r.outcome = 'served' from record r
               where r.device_id = c.device_id and r.epoch = c.epoch and r.kind = 'outcome' and r.tap_seq = c.seq
               order by r.seq desc limit 1), false)) as served
    from charge c where c.site_id = :site_id and c.id = :id
""")  # noqa: S608 - a constant of this module
_SHOWN = text("""
    select c.id, c.at, c.amount_fen, c.person_id, coalesce(p.name, '') as holder,
           coalesce(t.name_zh, c.till_id) as till_zh, coalesce(t.name_en, c.till_id) as till_en, cast(coalesce((
               select sum(r.amount_fen) from refund r where r.charge_id = c.id), 0) as bigint) as refunded_fen
    from charge c left join person p on p.id = c.person_id
    left join till t on t.site_id = c.site_id and t.id = c.till_id
    where c.site_id = :site_id and c.id = :id
""")
_LOCK_JOURNAL = text("update device_epoch set writes = writes + 1 where device_id = :device_id and epoch = :epoch")
_LOCK_PAPER = text("select 1 from paper_journal where site_id = :device_id and 0 = :epoch for update")
_LEGS = text("""
    select t.id, t.from_account, t.to_account, t.kind, f.role, f.unit, u.kind as purse, u.account_id, t.amount_fen,
           f.unit = 'fen' and t.kind = 'charge' as paid,
           t.amount_fen - cast(coalesce((
               select sum(r.amount_fen) from transfer r where r.corrects = t.id and r.kind = 'refund'), 0) as bigint)
               as left_fen
    from transfer t join ledger_account f on f.id = t.from_account left join purse u on u.id = t.from_account
    where t.charge_id = :id and t.kind not in ('refund', 'reversal')
    order by array_position(array['cash', 'subsidy', 'count'], u.kind) nulls first, t.id
""")
_INSERT_REFUND = text("""
    insert into refund (id, site_id, charge_id, kind, amount_fen, is_rest, reason, actor, business_day, at)
    values (:id, :site_id, :charge_id, :kind, :amount_fen, :is_rest, :reason, :actor, :business_day, :at)
""")
_REFUND = text("select * from refund where id = :id")
_REFUNDS_OF = text("select * from refund where charge_id = :id order by at, id")
_CHANGE_MEALS = text("""
    insert into meal_count (account_id, business_day, meal_id, count, sum_fen)
    values (:account_id, :business_day, :meal_id, :count, :sum_fen)
    on conflict (account_id, business_day, meal_id)
    do update set count = meal_count.count + excluded.count, sum_fen = meal_count.sum_fen + excluded.sum_fen
""")
_NEXT_PAPER_SEQ = text("""
    insert into paper_journal (site_id, last_seq) values (:site_id, 1)
    on conflict (site_id) do update set last_seq = paper_journal.last_seq + 1 returning last_seq
""")
_SIMILAR = text("""
    select c.id from charge c
    where c.account_id = :account_id and c.till_id = :till_id and c.meal_id = :meal_id
        and c.amount_fen = :amount_fen and c.at >= cast(:at as timestamptz) - cast('12 hours' as interval)
        and c.at <= cast(:at as timestamptz) + cast('12 hours' as interval) and c.revision % 2 = 0
        and not exists (select from charge n where n.device_id = c.device_id and n.epoch = c.epoch
                        and n.seq = c.seq and n.revision > c.revision)
    limit 1
""")
_SLIP = text("select 1 from paper_record where site_id = :site_id and slip = :slip")
_INSERT_CHARGE = text("""
    insert into charge (id, site_id, device_id, epoch, seq, revision, account_id, person_id, till_id, stall_id,
        meal_id, business_day, event_day, amount_fen, offline, flag, at, posted_at)
    values (:id, :site_id, :device_id, :epoch, :seq, 0, :account_id, :person_id, :till_id, :stall_id,
        :meal_id, :business_day, :event_day, :amount_fen, true, 'paper', :at, :posted_at)
""")
_INSERT_PAPER = text("""
    insert into paper_record (charge_id, site_id, slip, entered_by, reason, at)
    values (:charge_id, :site_id, :slip, :entered_by, :reason, :at)
""")
