"""The SQL of contracts, settlement sheets and purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]
MAX_LISTED = 500


def lock_stall(session: Connection, site_id: UUID, stall_id: str) -> RowMapping | None:
    """Lock a stall's row, so that two changes of its contract or its sheets go one after the other."""
    return session.execute(_LOCK_STALL, {"site_id": site_id, "stall_id": stall_id}).mappings().one_or_none()


def stalls(session: Connection, site_id: UUID) -> Rows:
    """Return every stall with its newest contract (null columns where there is none) and its tills' ids."""
    return session.execute(_STALLS, {"site_id": site_id}).mappings().all()


def contracts(session: Connection, site_id: UUID, stall_id: str) -> Rows:
    """Return all versions of a stall's contract, oldest first."""
    return session.execute(_CONTRACTS, {"site_id": site_id, "stall_id": stall_id}).mappings().all()


def insert_contract(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a version."""
    session.execute(_INSERT_CONTRACT, row)


def takings(session: Connection, site_id: UUID, stall_id: str, days: tuple[date, date]) -> Rows:
    """Return a row a business day with postings: business_day, charges, turnover, refunds."""
    parameters = {"site_id": site_id, "stall_id": stall_id, "from_day": days[0], "through_day": days[1]}
    return session.execute(_TAKINGS, parameters).mappings().all()


def first_posting_day(session: Connection, site_id: UUID, stall_id: str) -> date | None:
    """Return the first business day in which anything came to a stall."""
    found: date | None = session.execute(_FIRST_DAY, {"site_id": site_id, "stall_id": stall_id}).scalar_one_or_none()
    return found


def last_sheet(session: Connection, site_id: UUID, stall_id: str) -> RowMapping | None:
    """Return a stall's newest sheet."""
    return session.execute(_LAST_SHEET, {"site_id": site_id, "stall_id": stall_id}).mappings().one_or_none()


def sheets(session: Connection, site_id: UUID, stall_id: str | None, limit: int, offset: int) -> Rows:
    """Return sheets, newest first."""
    parameters = {"site_id": site_id, "stall_id": stall_id, "limit": limit, "offset": offset}
    return session.execute(_SHEETS, parameters).mappings().all()


def lock_sheet(session: Connection, site_id: UUID, sheet_id: UUID) -> RowMapping | None:
    """Lock and return a sheet."""
    return session.execute(_LOCK_SHEET, {"site_id": site_id, "id": sheet_id}).mappings().one_or_none()


def insert_sheet(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a sheet; its lines are JSON text."""
    session.execute(_INSERT_SHEET, row)


def mark_paid(session: Connection, sheet_id: UUID, actor: str, at: datetime, reference: str) -> None:
    """Note that a sheet was paid."""
    session.execute(_MARK_PAID, {"id": sheet_id, "actor": actor, "at": at, "reference": reference})


def insert_purchases(session: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add purchases; those whose (stall, document, line) is there already are left out. Return how many were new."""
    return session.execute(_INSERT_PURCHASES, {"rows": msgspec.json.encode(rows).decode()}).rowcount


def costs(session: Connection, site_id: UUID, from_day: date, through_day: date) -> Rows:
    """Return stall_id, meal_id (`*` = for all meals) and fen of the purchases of days."""
    parameters = {"site_id": site_id, "from_day": from_day, "through_day": through_day}
    return session.execute(_COSTS, parameters).mappings().all()


_LOCK_STALL = text("select * from stall where site_id = :site_id and id = :stall_id for update")
_STALLS = text("""
    select s.id, s.name_en, s.name_zh, c.version, c.begins, c.ends, c.owner, c.contact, c.account,
           c.commission_basis_points, c.fee_per_charge_fen,
           array(select t.id from till t where t.site_id = s.site_id and t.stall_id = s.id order by t.id) as tills
    from stall s left join lateral (
        select * from stall_contract c where c.site_id = s.site_id and c.stall_id = s.id
        order by c.begins desc limit 1
    ) c on true
    where s.site_id = :site_id order by s.id
""")
_CONTRACTS = text("select * from stall_contract where site_id = :site_id and stall_id = :stall_id order by version")
_INSERT_CONTRACT = text("""
    insert into stall_contract (site_id, stall_id, version, begins, ends, owner, contact, account,
        commission_basis_points, fee_per_charge_fen, made_by, made_at)
    values (:site_id, :stall_id, :version, :begins, :ends, :owner, :contact, :account,
        :commission_basis_points, :fee_per_charge_fen, :made_by, :made_at)
""")
_OWN_KINDS = "('fee', 'commission', 'rounding', 'stall_payout')"
_TAKINGS = text(f"""
    with book as (
        select id from ledger_account where site_id = :site_id and role = 'stall' and name = :stall_id
    ), moved as (
        select business_day, amount_fen as credit, 0 as debit from transfer
        where site_id = :site_id and business_day between :from_day and :through_day
            and to_account = (select id from book) and kind not in {_OWN_KINDS}
        union all
        select business_day, 0, amount_fen from transfer
        where site_id = :site_id and business_day between :from_day and :through_day
            and from_account = (select id from book) and kind not in {_OWN_KINDS}
    ), counted as (
        select business_day, sum(1 - 2 * (revision % 2)) as charges from charge
        where site_id = :site_id and business_day between :from_day and :through_day and stall_id = :stall_id group by 1
    ), summed as (
        select business_day, sum(credit) as turnover, sum(debit) as refunds from moved group by 1
    )
    select business_day, cast(coalesce(c.charges, 0) as bigint) as charges,
           cast(coalesce(s.turnover, 0) as bigint) as turnover, cast(coalesce(s.refunds, 0) as bigint) as refunds
    from summed s full join counted c using (business_day) order by 1
""")  # noqa: S608 - a constant of this module
_FIRST_DAY = text("""
    select min(business_day) from transfer where site_id = :site_id and to_account = (
        select id from ledger_account where site_id = :site_id and role = 'stall' and name = :stall_id)
""")
_LAST_SHEET = text("""
    select * from settlement where site_id = :site_id and stall_id = :stall_id order by from_day desc limit 1
""")
_SHEETS = text("""
    select * from settlement where site_id = :site_id and (cast(:stall_id as text) is null or stall_id = :stall_id)
    order by through_day desc, stall_id limit :limit offset :offset
""")
_LOCK_SHEET = text("select * from settlement where site_id = :site_id and id = :id for update")
_INSERT_SHEET = text("""
    insert into settlement (id, site_id, stall_id, from_day, through_day, lines, charges, turnover_fen, refunds_fen,
        commission_fen, fee_fen, residue_fen, carried_fen, payable_fen, state, made_by, made_at)
    values (:id, :site_id, :stall_id, :from_day, :through_day, :lines, :charges, :turnover_fen, :refunds_fen,
        :commission_fen, :fee_fen, :residue_fen, :carried_fen, :payable_fen, :state, :made_by, :made_at)
""")
_MARK_PAID = text("""
    update settlement set state = 'paid', paid_by = :actor, paid_at = :at, reference = :reference where id = :id
""")
_INSERT_PURCHASES = text("""
    insert into stall_purchase (id, site_id, stall_id, day, meal_id, document, line, item, supplier, cost_fen,
        made_by, made_at)
    select id, site_id, stall_id, day, meal_id, document, line, item, supplier, cost_fen, made_by, made_at
    from json_populate_recordset(null::stall_purchase, cast(:rows as json))
    on conflict (site_id, stall_id, document, line) do nothing
""")
_COSTS = text("""
    select stall_id, meal_id, cast(sum(cost_fen) as bigint) as fen from stall_purchase
    where site_id = :site_id and day between :from_day and :through_day group by 1, 2 order by 1, 2
""")
