"""The SQL behind the invariants: each query finds the rows for which one does not hold. Reads only.

Every row has a `subject`; at most `MAX_FOUND` are returned, for a person needs a few to see what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, RowMapping, TextClause, text

MAX_FOUND = 100

Found = Sequence[RowMapping]


def unbalanced_transfers(session: Connection, site_id: UUID) -> Found:
    """Find transfers whose postings do not sum to zero or are not two."""
    return _run(session, _UNBALANCED_TRANSFERS, site_id)


def mixed_transfers(session: Connection, site_id: UUID) -> Found:
    """Find transfers between accounts that do not count the same thing, or that no account stands behind."""
    return _run(session, _MIXED_TRANSFERS, site_id)


def unequal_balances(session: Connection, site_id: UUID) -> Found:
    """Find purses whose balance is not the sum of their postings, or was never the balance after one of them."""
    return _run(session, _UNEQUAL_BALANCES, site_id)


def broken_revisions(session: Connection, site_id: UUID) -> Found:
    """Find charge revisions out of turn, or reversing the wrong charge or the wrong amount."""
    return _run(session, _BROKEN_REVISIONS, site_id)


def unbooked_charges(session: Connection, site_id: UUID) -> Found:
    """Find charge revisions whose transfers do not sum to their amount, and transfers of no charge."""
    return _run(session, _UNBOOKED_CHARGES, site_id)


def excessive_refunds(session: Connection, site_id: UUID) -> Found:
    """Find transfers of which more was given back than they moved, and refunds that are not those of their charge."""
    return _run(session, _EXCESSIVE_REFUNDS, site_id)


def outcomes_without_their_charge(session: Connection, site_id: UUID) -> Found:
    """Find till outcomes whose charge in force is not what was served."""
    return _run(session, _OUTCOMES, site_id)


def charges_without_outcome(session: Connection, site_id: UUID) -> Found:
    """Find charges in force whose tap has no outcome record."""
    return _run(session, _WITHOUT_OUTCOME, site_id)


def gaps(session: Connection, site_id: UUID) -> Found:
    """Find journals with fewer distinct seqs up to their mark than the mark says."""
    return _run(session, _GAPS, site_id)


def broken_chains(session: Connection, site_id: UUID) -> Found:
    """Find records up to the mark whose previous hash is not that of the record before, where both are stored."""
    return _run(session, _BROKEN_CHAINS, site_id)


def _run(session: Connection, statement: TextClause, site_id: UUID) -> Found:
    return session.execute(statement, {"site_id": site_id, "limit": MAX_FOUND}).mappings().all()


_UNBALANCED_TRANSFERS = text("""
    select transfer_id as subject, cast(sum(amount_fen) as bigint) as sum_fen, count(*) as postings
    from posting where site_id = :site_id group by transfer_id
    having sum(amount_fen) <> 0 or count(*) <> 2
    order by 1 limit :limit
""")
_MIXED_TRANSFERS = text("""
    select t.id as subject, t.kind, f.unit as from_unit, o.unit as to_unit from transfer t
    left join ledger_account f on f.id = t.from_account left join ledger_account o on o.id = t.to_account
    where t.site_id = :site_id and (f.unit = o.unit) is not true
    order by 1 limit :limit
""")
_UNEQUAL_BALANCES = text("""
    select u.id as subject, u.balance_fen, cast(coalesce(sum(p.amount_fen), 0) as bigint) as postings_fen
    from purse u left join posting p on p.ledger_account_id = u.id
    where u.site_id = :site_id group by u.id
    having u.balance_fen <> coalesce(sum(p.amount_fen), 0)
        or (count(p.transfer_id) > 0 and not coalesce(bool_or(p.balance_fen = u.balance_fen), false))
    order by 1 limit :limit
""")
_BROKEN_REVISIONS = text("""
    select * from (
        select c.device_id || '/' || c.epoch || '/' || c.seq as subject, c.revision, c.amount_fen,
               row_number() over tap - 1 as turn, lag(c.id) over tap as id_before, c.reverses,
               lag(c.amount_fen) over tap as amount_before_fen
        from charge c where c.site_id = :site_id
        window tap as (partition by c.device_id, c.epoch, c.seq order by c.revision)
    ) r
    where revision <> turn or (revision % 2 = 1 and (reverses is distinct from id_before
                                                      or amount_fen is distinct from amount_before_fen))
    order by subject, revision limit :limit
""")
# A reversal gives back what refunds by hand had not given back before it.
_UNBOOKED_CHARGES = text("""
    select c.id as subject, c.revision, c.amount_fen, cast(coalesce(sum(t.amount_fen), 0) as bigint) as booked_fen
    from charge c left join (
        transfer t join ledger_account f on f.id = t.from_account join ledger_account o on o.id = t.to_account
            and (f.unit <> 'meal' or o.unit <> 'meal')
    ) on t.charge_id = c.id and t.kind = case when c.revision % 2 = 1 then 'reversal' else 'charge' end
        or t.charge_id = c.reverses and t.kind = 'refund' and o.role <> 'rebate' and t.posted_at <= c.posted_at
    where c.site_id = :site_id group by c.id
    having c.amount_fen <> coalesce(sum(t.amount_fen), 0)
    union all
    select t.id, null, 0, t.amount_fen from transfer t
    where t.site_id = :site_id and t.kind in ('charge', 'reversal')
        and not exists (select from charge c where c.id = t.charge_id)
    order by 1 limit :limit
""")
_EXCESSIVE_REFUNDS = text("""
    select t.id as subject, t.amount_fen, cast(sum(r.amount_fen) as bigint) as refunded_fen
    from transfer t join transfer r on r.corrects = t.id and r.kind in ('refund', 'topup_reversal', 'subsidy_reversal')
    where t.site_id = :site_id group by t.id having sum(r.amount_fen) > t.amount_fen
    union all
    select r.id, r.amount_fen, 0 from transfer r left join transfer t on t.id = r.corrects
    where r.site_id = :site_id and r.kind = 'refund'
        and (t.charge_id = r.charge_id and t.from_account = r.to_account and t.to_account = r.from_account
             and t.kind not in ('refund', 'reversal')) is not true
    union all
    select c.id, c.amount_fen, cast(sum(t.amount_fen) as bigint)
    from charge c left join charge v on v.reverses = c.id
    join transfer t on t.charge_id = c.id and t.kind = 'refund' or t.charge_id = v.id and t.kind = 'reversal'
    join ledger_account l on l.id = t.from_account and l.unit = 'fen'
    join ledger_account o on o.id = t.to_account and o.role <> 'rebate'
    where c.site_id = :site_id group by c.id having sum(t.amount_fen) > c.amount_fen
    order by 1 limit :limit
""")
_IN_FORCE = """
    select distinct on (device_id, epoch, seq) device_id, epoch, seq, revision, amount_fen
    from charge where site_id = :site_id order by device_id, epoch, seq, revision desc
"""
_OUTCOMES = text(f"""
    with newest as ({_IN_FORCE}), outcome as (
        select distinct on (device_id, epoch, tap_seq) device_id, epoch, tap_seq, outcome, amount_fen
        from record where site_id = :site_id and kind = 'outcome' and purpose = 'till'
        order by device_id, epoch, tap_seq, seq desc
    )
    select o.device_id || '/' || o.epoch || '/' || o.tap_seq as subject, o.outcome, o.amount_fen as served_fen,
           case when n.revision % 2 = 0 then n.amount_fen end as charged_fen
    from outcome o left join newest n on (n.device_id, n.epoch, n.seq) = (o.device_id, o.epoch, o.tap_seq)
    where case when o.outcome = 'served' then o.amount_fen else 0 end
        <> case when n.revision % 2 = 0 then n.amount_fen else 0 end
    order by 1 limit :limit
""")  # noqa: S608 - constants of this module
_WITHOUT_OUTCOME = text(f"""
    with newest as ({_IN_FORCE})
    select n.device_id || '/' || n.epoch || '/' || n.seq as subject, n.amount_fen as charged_fen
    from newest n
    where n.revision % 2 = 0 and n.epoch <> 0 and not exists (  -- epoch 0: entered from paper, by two people
        select from record r where r.device_id = n.device_id and r.epoch = n.epoch and r.kind = 'outcome'
            and r.tap_seq = n.seq)
    order by 1 limit :limit
""")  # noqa: S608 - the same
_GAPS = text("""
    with held as (
        select device_id, epoch, seq from record where site_id = :site_id
        union select device_id, epoch, seq from quarantine where site_id = :site_id
    )
    select e.device_id || '/' || e.epoch as subject, e.acked_through, count(h.seq) as held
    from device_epoch e join device d on d.id = e.device_id
    left join held h on h.device_id = e.device_id and h.epoch = e.epoch and h.seq between 1 and e.acked_through
    where d.site_id = :site_id group by e.device_id, e.epoch, e.acked_through
    having count(h.seq) <> e.acked_through
    order by 1 limit :limit
""")
_BROKEN_CHAINS = text("""
    select r.device_id || '/' || r.epoch || '/' || r.seq as subject
    from record r join device_epoch e on e.device_id = r.device_id and e.epoch = r.epoch
    left join record b on b.device_id = r.device_id and b.epoch = r.epoch and b.seq = r.seq - 1
    where r.site_id = :site_id and r.seq <= e.acked_through
        and case when r.seq = 1 then r.previous <> decode(repeat('00', 32), 'hex') else r.previous <> b.hash end
    order by 1 limit :limit
""")
