"""The SQL of the five equalities of one business day. Reads only; every query is one pass over the day's rows.

Lists are cut at :limit, which a person can still look through; the figures count all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, RowMapping, TextClause, text

Rows = Sequence[RowMapping]


class Day(NamedTuple):
    """One business day of a site, with its instants; `received` is when its first record may have come."""

    site_id: UUID
    day: date
    start: datetime
    end: datetime
    received: datetime
    limit: int

    def parameters(self) -> dict[str, Any]:
        """Return everything by name."""
        return self._asdict()


def gaps(session: Connection, day: Day) -> Rows:
    """Return missing ranges of every journal: device, name, epoch, first, last, since."""
    return _all(session, _GAPS, day)


def journals(session: Connection, day: Day) -> Rows:
    """Return device, epoch and mark of every journal that is open or was written that day."""
    return _all(session, _JOURNALS, day)


def expected_tills(session: Connection, day: Day) -> Rows:
    """Return the tills that should state a total: till_id, device_id, device, last_seen_at, pending."""
    return _all(session, _EXPECTED, day)


def statements(session: Connection, day: Day) -> Rows:
    """Return the tills' own totals: device_id, till_id, body (JSON text of the record), newest first."""
    return _all(session, _STATEMENTS, day)


def charged_by_till(session: Connection, day: Day) -> Rows:
    """Return what the server charged for meals eaten that day: device_id, till_id, meal_id, served, fen, late."""
    return _all(session, _CHARGED, day)


def unequal_taps(session: Connection, day: Day) -> Rows:
    """Return taps whose outcome is not what is charged: device, name, epoch, seq, place, served_fen, charged_fen."""
    return _all(session, _UNEQUAL, day)


def booked_wrongly(session: Connection, day: Day) -> Rows:
    """Return charges of the day whose transfers differ from them: id, amount_fen, booked_fen."""
    return _all(session, _BOOKED_WRONGLY, day)


def has_closing_balances(session: Connection, day: Day) -> bool:
    """Tell whether the day is shut and closing balances stand, so that there is something to prove."""
    return bool(session.execute(_HAS_CLOSING, day.parameters()).scalar_one())


def wrong_balances(session: Connection, day: Day) -> Rows:
    """Return purses whose balance is not their closing plus what was posted since: id, stored_fen, proved_fen."""
    return _all(session, _WRONG_BALANCES, day)


def broken_balance_chains(session: Connection, day: Day) -> Rows:
    """Return purses moved that day whose noted balances do not follow one another: id, loose ends."""
    return _all(session, _BROKEN_CHAINS, day)


def stalls(session: Connection, day: Day) -> Rows:
    """Return a line a stall that moved: name, turnover, refunds, fees, paid, moved (all in fen)."""
    return _all(session, _STALLS, day)


def totals(session: Connection, day: Day) -> RowMapping:
    """Return charges, reversals, charged, reversed of the postings of the day."""
    return session.execute(_TOTALS, day.parameters()).mappings().one()


def late(session: Connection, day: Day) -> Rows:
    """Return what was posted that day for earlier days: event_day, meals, fen."""
    return _all(session, _LATE, day)


def shifts(session: Connection, day: Day) -> Rows:
    """Return the shifts that ran in the day: desk, number, state, opened_at, expected_fen, counted_fen."""
    return _all(session, _SHIFTS, day)


def suspense(session: Connection, day: Day) -> Rows:
    """Return accounts that should be empty and are not: role, name, balance_fen, since."""
    return _all(session, _SUSPENSE, day)


def _all(session: Connection, statement: TextClause, day: Day) -> Rows:
    return session.execute(statement, day.parameters()).mappings().all()


_GAPS = text("""
    with beyond as (
        select e.device_id, e.epoch, e.acked_through, r.seq, r.received_at
        from device_epoch e join device d on d.id = e.device_id
        join record r on r.device_id = e.device_id and r.epoch = e.epoch and r.seq > e.acked_through
        where d.site_id = :site_id
        union
        select e.device_id, e.epoch, e.acked_through, q.seq, q.received_at
        from device_epoch e join device d on d.id = e.device_id
        join quarantine q on q.device_id = e.device_id and q.epoch = e.epoch and q.seq > e.acked_through
        where d.site_id = :site_id
    ), ordered as (
        select device_id, epoch, seq, received_at,
               lag(seq, 1, acked_through) over (partition by device_id, epoch order by seq) as before
        from beyond
    )
    select o.device_id, d.name, o.epoch, o.before + 1 as first, o.seq - 1 as last, o.received_at as since
    from ordered o join device d on d.id = o.device_id where o.seq > o.before + 1
    order by d.name, o.epoch, o.before limit :limit
""")
_JOURNALS = text("""
    select d.name, e.epoch, e.acked_through from device_epoch e join device d on d.id = e.device_id
    where d.site_id = :site_id and e.opened_at < :end and (e.closed_at is null or e.closed_at >= :start)
    order by d.name, e.epoch limit :limit
""")
_EXPECTED = text("""
    with wanted as (
        select id as till_id, device_id from till where site_id = :site_id and device_id is not null
        union
        select till_id, device_id from charge where site_id = :site_id and business_day = :day
    )
    select w.till_id, w.device_id, d.name as device, s.last_seen_at,
           coalesce(cast(s.health ->> 'pending' as bigint), 0) as pending
    from wanted w join device d on d.id = w.device_id left join device_status s on s.device_id = d.id
    where d.enrolled_at < :end and (d.revoked_at is null or d.revoked_at >= :start)
    order by 1, 3
""")
_STATEMENTS = text("""
    select r.device_id, r.place as till_id, convert_from(r.body, 'UTF8') as body
    from record r
    where r.site_id = :site_id and r.received_at >= :received and r.kind = 'event' and r.reason = 'till_total'
    order by r.received_at desc, r.epoch, r.seq desc
""")
# Two index scans; as one condition with `or` it would be a scan of all months.
_EATEN = """
    from (
        select * from charge where site_id = :site_id and business_day = :day and event_day is null
        union all
        select * from charge where site_id = :site_id and event_day = :day
    ) c
"""
_CHARGED = text(f"""
    select c.device_id, c.till_id, c.meal_id, cast(sum(1 - 2 * (c.revision % 2)) as bigint) as served,
           cast(sum(case when c.revision % 2 = 0 then c.amount_fen else -c.amount_fen end) as bigint) as fen,
           count(*) filter (where c.event_day is not null) as late, count(*) filter (where c.revision > 0) as corrected
    {_EATEN} group by 1, 2, 3
""")
_UNEQUAL = text(f"""
    with outcome as (
        select distinct on (device_id, epoch, tap_seq) device_id, epoch, tap_seq, outcome, amount_fen, place
        from record where site_id = :site_id and received_at >= :received and at >= :start and at < :end
            and kind = 'outcome' and purpose = 'till'
        order by device_id, epoch, tap_seq, seq desc
    ), net as (
        select c.device_id, c.epoch, c.seq, max(c.till_id) as till_id,
               sum(case when c.revision % 2 = 0 then c.amount_fen else -c.amount_fen end) as fen
        {_EATEN} group by 1, 2, 3
    )
    select coalesce(n.device_id, o.device_id) as device_id, d.name, coalesce(n.epoch, o.epoch) as epoch,
           coalesce(n.seq, o.tap_seq) as seq, coalesce(o.place, n.till_id) as place, o.outcome,
           case when o.outcome = 'served' then o.amount_fen when o.outcome is not null then 0 end as served_fen,
           cast(coalesce(n.fen, 0) as bigint) as charged_fen
    from outcome o full join net n on (n.device_id, n.epoch, n.seq) = (o.device_id, o.epoch, o.tap_seq)
    join device d on d.id = coalesce(n.device_id, o.device_id)
    where coalesce(n.fen, 0) <> case when o.outcome = 'served' then o.amount_fen else 0 end
    order by 2, 3, 4 limit :limit
""")  # noqa: S608 - constants of this module
_BOOKED_WRONGLY = text("""
    with booked as (
        select t.charge_id, t.kind, sum(t.amount_fen) as fen
        from transfer t join ledger_account f on f.id = t.from_account join ledger_account o on o.id = t.to_account
        where t.site_id = :site_id and t.business_day = :day and t.kind in ('charge', 'reversal')
            and (f.unit <> 'meal' or o.unit <> 'meal')
        group by 1, 2
    ), posted as materialized (           -- else the whole table is walked in order of its key
        select id, revision, reverses, amount_fen, posted_at from charge
        where site_id = :site_id and business_day = :day
    ), held as (
        select c.id, c.amount_fen, coalesce(b.fen, 0) + case when c.revision % 2 = 1 then coalesce((
                   select sum(r.amount_fen) from transfer r
                   where r.charge_id = c.reverses and r.kind = 'refund' and r.posted_at <= c.posted_at), 0)
               else 0 end as booked_fen
        from posted c left join booked b on b.charge_id = c.id
            and b.kind = case when c.revision % 2 = 1 then 'reversal' else 'charge' end
    )
    select id, amount_fen, cast(booked_fen as bigint) as booked_fen from held where amount_fen <> booked_fen
    order by 1 limit :limit
""")
_HAS_CLOSING = text("""
    select exists (select from books where site_id = :site_id and closed_through >= :day)
       and exists (select from day_balance where site_id = :site_id and business_day <= :day)
""")
_WRONG_BALANCES = text("""
    with later as (
        select id, sum(fen) as fen from (
            select from_account as id, -amount_fen as fen from transfer where site_id = :site_id and business_day > :day
            union all
            select to_account, amount_fen from transfer where site_id = :site_id and business_day > :day
        ) side group by id
    )
    select u.id, u.balance_fen as stored_fen,
           cast(coalesce(b.closing_fen, 0) + coalesce(l.fen, 0) as bigint) as proved_fen
    from purse u left join later l on l.id = u.id
    left join lateral (
        select closing_fen from day_balance d where d.ledger_account_id = u.id and d.business_day <= :day
        order by d.business_day desc limit 1
    ) b on true
    where u.site_id = :site_id and u.balance_fen <> coalesce(b.closing_fen, 0) + coalesce(l.fen, 0)
    order by 1 limit :limit
""")
# Each posting leads from a balance to a balance. In any stretch of a purse's history that ends now, every balance is
# left as often as it is reached, but for the first and the last: order within one instant does not matter.
_BROKEN_CHAINS = text("""
    with since as (select min(posted_at) as at from transfer where site_id = :site_id and business_day = :day),
    step as (
        select t.from_account as id, t.business_day, t.from_balance_fen + t.amount_fen as before,
               t.from_balance_fen as after
        from transfer t, since where t.site_id = :site_id and t.posted_at >= since.at
        union all
        select t.to_account, t.business_day, t.to_balance_fen - t.amount_fen, t.to_balance_fen
        from transfer t, since where t.site_id = :site_id and t.posted_at >= since.at
    ), moved as (
        select s.* from step s join purse u on u.id = s.id
        where s.id in (select id from step where business_day = :day)
    ), ends as (
        select id, value, sum(n) as n from (
            select id, before as value, 1 as n from moved union all select id, after, -1 from moved
        ) x group by id, value having sum(n) <> 0
    )
    select e.id, cast(sum(abs(e.n)) as bigint) as loose
    from ends e join purse u on u.id = e.id group by e.id, u.balance_fen
    having sum(abs(e.n)) <> 2 or bool_or(e.n < 0 and e.value is distinct from u.balance_fen)
    order by 1 limit :limit
""")
_STALLS = text("""
    with side as (
        select to_account as id, kind, amount_fen as fen,
               kind in ('fee', 'commission', 'rounding', 'stall_payout') as own
        from transfer where site_id = :site_id and business_day = :day
        union all
        select from_account, kind, -amount_fen, kind in ('fee', 'commission', 'rounding', 'stall_payout')
        from transfer where site_id = :site_id and business_day = :day
    )
    select l.name, cast(coalesce(sum(fen) filter (where fen > 0 and not own), 0) as bigint) as turnover,
           cast(coalesce(-sum(fen) filter (where fen < 0 and not own), 0) as bigint) as refunds,
           cast(coalesce(-sum(fen) filter (where own and kind <> 'stall_payout'), 0) as bigint) as fees,
           cast(coalesce(-sum(fen) filter (where kind = 'stall_payout'), 0) as bigint) as paid,
           cast(sum(fen) as bigint) as moved
    from side s join ledger_account l on l.id = s.id where l.role = 'stall' group by l.name order by 1
""")
_TOTALS = text("""
    select count(*) filter (where revision % 2 = 0) as charges, count(*) filter (where revision % 2 = 1) as reversals,
           cast(coalesce(sum(amount_fen) filter (where revision % 2 = 0), 0) as bigint) as charged,
           cast(coalesce(sum(amount_fen) filter (where revision % 2 = 1), 0) as bigint) as reversed
    from charge where site_id = :site_id and business_day = :day
""")
_LATE = text("""
    select event_day, cast(sum(1 - 2 * (revision % 2)) as bigint) as meals,
           cast(sum(case when revision % 2 = 0 then amount_fen else -amount_fen end) as bigint) as fen
    from charge where site_id = :site_id and business_day = :day and event_day is not null group by 1 order by 1
""")
_SHIFTS = text("""
    select desk, number, state, opened_at, expected_fen, counted_fen from shift
    where site_id = :site_id and opened_at < :end and (closed_at is null or closed_at >= :start)
    order by desk, number limit :limit
""")
_SUSPENSE = text("""
    select l.role, l.name, b.closing_fen as balance_fen, z.since
    from ledger_account l
    join lateral (
        select closing_fen from day_balance d where d.ledger_account_id = l.id and d.business_day <= :day
        order by d.business_day desc limit 1
    ) b on true
    left join lateral (
        select min(d.business_day) as since from day_balance d
        where d.ledger_account_id = l.id and d.business_day <= :day and d.business_day > coalesce((
            select max(n.business_day) from day_balance n
            where n.ledger_account_id = l.id and n.business_day <= :day and n.closing_fen = 0), '-infinity')
    ) z on true
    where l.site_id = :site_id and b.closing_fen <> 0 and (
        (l.role = 'receivable' and l.name in ('unknown_card', 'closed_account'))
        or l.role in ('suspense', 'bank_clearing', 'over_short', 'late_list_loss', 'rounding'))
    order by 1, 2 limit :limit
""")
