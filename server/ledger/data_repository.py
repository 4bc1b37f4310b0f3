"""The SQL behind the invariants on data that no key and no constraint holds together. Reads only; see invariants.py."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from server.ledger.invariant_repository import MAX_FOUND, Found

LOOKED_BACK_DAYS = 2


def online_overdrafts(session: Connection, site_id: UUID) -> Found:
    """Find online charges after which a purse stood below its floor."""
    return _run(session, _ONLINE_OVERDRAFTS, site_id)


def changed_records(session: Connection, site_id: UUID) -> Found:
    """Find records whose hash is not that of device, epoch, seq, previous hash and body (`cardcore.journal`)."""
    return _run(session, _CHANGED_RECORDS, site_id)


def false_conflicts(session: Connection, site_id: UUID) -> Found:
    """Find conflicts in quarantine whose content is that of the stored record."""
    return _run(session, _FALSE_CONFLICTS, site_id)


def dangling_ids(session: Connection, site_id: UUID) -> Found:
    """Find rows of the tap path that name something that is not there."""
    return _run(session, _DANGLING_IDS, site_id)


def wrong_day_sums(session: Connection, site_id: UUID) -> Found:
    """Return closed days whose kept sums are not their charges: kept and summed count and fen."""
    return _run(session, _WRONG_DAY_SUMS, site_id)


def wrong_meal_counts(session: Connection, site_id: UUID) -> Found:
    """Find counts of meals that are not what the charges in force say; where nothing was refunded."""
    return _run(session, _WRONG_MEAL_COUNTS, site_id)


def _run(session: Connection, statement: TextClause, site_id: UUID) -> Found:
    return session.execute(statement, {"site_id": site_id, "limit": MAX_FOUND}).mappings().all()


_ONLINE_OVERDRAFTS = text(f"""
    select t.id as subject, t.from_balance_fen as left_fen, u.floor_fen
    from charge c join transfer t on t.charge_id = c.id and t.kind = 'charge'
    join purse u on u.id = t.from_account
    where c.site_id = :site_id and not c.offline and c.revision = 0 and t.from_balance_fen < u.floor_fen
        and c.business_day > (select max(business_day) from charge where site_id = :site_id) - {LOOKED_BACK_DAYS}
        and exists (select from record r where r.device_id = c.device_id and r.epoch = c.epoch and r.seq = c.seq
                    and r.kind = 'intent' and r.live)
    order by 1 limit :limit
""")  # noqa: S608 - a constant of this module
_CHANGED_RECORDS = text("""
    select device_id || '/' || epoch || '/' || seq as subject from record
    where site_id = :site_id
        and sha256(uuid_send(device_id) || int8send(epoch) || int8send(seq) || previous || body) <> hash
    order by 1 limit :limit
""")
_FALSE_CONFLICTS = text("""
    select q.device_id || '/' || q.epoch || '/' || q.seq as subject, q.why from quarantine q
    join record r on r.device_id = q.device_id and r.epoch = q.epoch and r.seq = q.seq
    where q.site_id = :site_id and q.why = 'conflict' and q.hash = r.hash
    order by 1 limit :limit
""")
_DANGLING_IDS = text("""
    select 'record ' || r.device_id || '/' || r.epoch || '/' || r.seq as subject, 'device' as missing from record r
    where r.site_id = :site_id and not exists (select from device d where d.id = r.device_id)
    union all
    select 'record ' || r.device_id || '/' || r.epoch || '/' || r.seq, 'card' from record r
    where r.site_id = :site_id and r.card_id is not null and not exists (select from card c where c.id = r.card_id)
    union all
    select 'record ' || r.device_id || '/' || r.epoch || '/' || r.seq, 'person' from record r
    where r.site_id = :site_id and r.person_id is not null
        and not exists (select from person p where p.id = r.person_id)
    union all
    select 'charge ' || c.id, 'account' from charge c
    where c.site_id = :site_id and c.account_id is not null
        and not exists (select from account a where a.id = c.account_id)
    union all
    select 'charge ' || c.id, 'stall ' || c.stall_id from charge c
    where c.site_id = :site_id and c.stall_id <> ''
        and not exists (select from stall s where s.site_id = c.site_id and s.id = c.stall_id)
    union all
    select 'meal count ' || m.account_id || ' ' || m.business_day, 'account' from meal_count m
    where not exists (select from account a where a.id = m.account_id)
    order by 1 limit :limit
""")
_WRONG_MEAL_COUNTS = text("""
    with charged as (
        select c.account_id, coalesce(c.event_day, c.business_day) as business_day, c.meal_id,
               sum(case when c.revision % 2 = 0 then 1 else -1 end) as meals
        from charge c where c.site_id = :site_id and c.account_id is not null group by 1, 2, 3
    ), refunded as (
        select distinct c.account_id, coalesce(c.event_day, c.business_day) as business_day, c.meal_id
        from refund f join charge c on c.id = f.charge_id
        where c.site_id = :site_id
    ), counted as (
        select m.* from meal_count m join account a on a.id = m.account_id where a.site_id = :site_id
    )
    select coalesce(m.account_id, g.account_id) || '/' || coalesce(m.business_day, g.business_day) || '/'
           || coalesce(m.meal_id, g.meal_id) as subject, coalesce(m.count, 0) as counted,
           cast(coalesce(g.meals, 0) as bigint) as charged
    from counted m full join charged g
        on g.account_id = m.account_id and g.business_day = m.business_day and g.meal_id = m.meal_id
    left join refunded f on f.account_id = coalesce(m.account_id, g.account_id)
        and f.business_day = coalesce(m.business_day, g.business_day) and f.meal_id = coalesce(m.meal_id, g.meal_id)
    where f.account_id is null and coalesce(m.count, 0) <> coalesce(g.meals, 0)
    order by 1 limit :limit
""")
_WRONG_DAY_SUMS = text("""
    with kept as (
        select k.business_day, coalesce(sum(s.charges), 0) as charges, coalesce(sum(s.charged), 0) as fen
        from charge_sum_day k left join charge_sum s using (site_id, business_day)
        where k.site_id = :site_id group by 1
    ), summed as (
        select business_day, count(*) as charges, sum(amount_fen) as fen from charge
        where site_id = :site_id and revision % 2 = 0 group by 1
    )
    select cast(k.business_day as text) as subject, cast(k.charges as bigint) as kept,
           coalesce(c.charges, 0) as charges, cast(k.fen as bigint) as kept_fen,
           cast(coalesce(c.fen, 0) as bigint) as charged_fen
    from kept k left join summed c using (business_day)
    where k.charges <> coalesce(c.charges, 0) or k.fen <> coalesce(c.fen, 0)
    order by 1 limit :limit
""")
