"""The SQL of trial balances and statements. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

FETCHED_AT_ONCE = 1_000
"""Rows a statement holds in memory."""


def balances(session: Connection, site_id: UUID, from_day: date, through_day: date) -> Sequence[RowMapping]:
    """Return unit, role, name, opening, debit and credit of every account with postings, purses together by kind."""
    parameters = {"site_id": site_id, "from_day": from_day, "through_day": through_day}
    return session.execute(_BALANCES, parameters).mappings().all()


def movements(
    session: Connection, site_id: UUID, account_id: UUID, from_day: date, through_day: date
) -> Iterator[RowMapping]:
    """Yield the transfers of an account's purses, oldest first, a thousand in memory at a time."""
    parameters = {"site_id": site_id, "account_id": account_id, "from_day": from_day, "through_day": through_day}
    options = {"stream_results": True, "yield_per": FETCHED_AT_ONCE}
    yield from session.execute(_MOVEMENTS, parameters, execution_options=options).mappings()


def movements_by_day(session: Connection, site_id: UUID, from_day: date, through_day: date) -> Iterator[RowMapping]:
    """Yield sums of money moved: business_day, kind, meal_id, both sides' role and name, count, fen."""
    parameters = {"site_id": site_id, "from_day": from_day, "through_day": through_day}
    options = {"stream_results": True, "yield_per": FETCHED_AT_ONCE}
    yield from session.execute(_BY_DAY, parameters, execution_options=options).mappings()


_BALANCES = text("""
    with side as (
        select from_account as id, business_day, amount_fen as debit, 0 as credit from transfer
        where site_id = :site_id and business_day <= :through_day
        union all
        select to_account, business_day, 0, amount_fen from transfer
        where site_id = :site_id and business_day <= :through_day
    ), summed as (
        select id, sum(credit - debit) filter (where business_day < :from_day) as opening,
               sum(debit) filter (where business_day >= :from_day) as debit,
               sum(credit) filter (where business_day >= :from_day) as credit
        from side group by id
    )
    select l.unit, l.role, case when l.role = 'purse' then u.kind else l.name end as name,
           cast(coalesce(sum(s.opening), 0) as bigint) as opening,
           cast(coalesce(sum(s.debit), 0) as bigint) as debit, cast(coalesce(sum(s.credit), 0) as bigint) as credit
    from summed s join ledger_account l on l.id = s.id left join purse u on u.id = l.id
    group by 1, 2, 3 order by 1, 2, 3
""")
_MOVEMENTS = text("""
    select t.at, t.business_day, t.kind, u.kind as purse, t.note, other.role as other_role, other.name as other_name,
           case when t.to_account = u.id then t.amount_fen else -t.amount_fen end as amount_fen,
           case when t.to_account = u.id then t.to_balance_fen else t.from_balance_fen end as balance_fen
    from purse u join transfer t on u.id in (t.from_account, t.to_account)
    join ledger_account other on other.id = case when t.to_account = u.id then t.from_account else t.to_account end
    where u.site_id = :site_id and u.account_id = :account_id and t.business_day between :from_day and :through_day
    order by t.posted_at, t.id
""")
_BY_DAY = text("""
    with moved as (
        select t.business_day, t.kind, coalesce(c.meal_id, '') as meal_id, t.from_account, t.to_account, t.amount_fen
        from transfer t left join charge c on c.id = t.charge_id
        where t.site_id = :site_id and t.business_day between :from_day and :through_day
    ), named as (
        select l.id, l.role, l.unit, case when l.role = 'purse' then u.kind else l.name end as name
        from ledger_account l left join purse u on u.id = l.id where l.site_id = :site_id
    )
    select m.business_day, m.kind, m.meal_id, f.role as from_role, f.name as from_name, o.role as to_role,
           o.name as to_name, count(*) as count, cast(sum(m.amount_fen) as bigint) as fen
    from moved m join named f on f.id = m.from_account join named o on o.id = m.to_account
    where f.unit = 'fen' group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7
""")
