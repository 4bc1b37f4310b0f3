"""The SQL of purses that several of are locked at a time, of the rules their categories set, and of debts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def missing_purses(session: Connection, site_id: UUID, accounts: Sequence[UUID], kinds: Sequence[str]) -> Rows:
    """Return account_id, kind and floor_fen of the wanted purses that do not exist yet."""
    return session.execute(_MISSING, _wanted(site_id, accounts, kinds)).mappings().all()


def open_purses(
    session: Connection, accounts: Sequence[Mapping[str, Any]], purses: Sequence[Mapping[str, Any]]
) -> None:
    """Add purses with their ledger accounts; one that somebody else adds at this moment is left to them."""
    session.execute(_OPEN, {"accounts": _json(accounts), "purses": _json(purses)})


def lock_purses(session: Connection, site_id: UUID, accounts: Sequence[UUID], kinds: Sequence[str]) -> None:
    """Lock the wanted purses in id order."""
    session.execute(_LOCK, _wanted(site_id, accounts, kinds))


def purses_in_full(session: Connection, site_id: UUID, accounts: Sequence[UUID], kinds: Sequence[str]) -> Rows:
    """Return the wanted purses with their account's state, holder and the highest balance of the holder's category."""
    return session.execute(_IN_FULL, _wanted(site_id, accounts, kinds)).mappings().all()


def put_rule(session: Connection, row: Mapping[str, Any]) -> None:
    """Set what holds for a kind of purse of a category, and lower or raise the floors of the purses it is about."""
    session.execute(_PUT_RULE, row)
    session.execute(_LOCK_FLOORS, row)
    session.execute(_SET_FLOORS, row)


def rule(session: Connection, site_id: UUID, category_id: str, kind: str) -> RowMapping | None:
    """Return the rule of exactly this category and kind."""
    parameters = {"site_id": site_id, "category_id": category_id, "kind": kind}
    return session.execute(_RULE, parameters).mappings().one_or_none()


def debts(session: Connection, site_id: UUID, limit: int, offset: int) -> Rows:
    """Return the overdrawn purses, the longest overdrawn first: holder, balance, since when."""
    return session.execute(_DEBTS, {"site_id": site_id, "limit": limit, "offset": offset}).mappings().all()


def floors(session: Connection, site_id: UUID, person_id: UUID) -> dict[str, int]:
    """Return the floors that a person's category sets, by kind of purse."""
    return {row[0]: row[1] for row in session.execute(_FLOORS, {"site_id": site_id, "person_id": person_id})}


def _wanted(site_id: UUID, accounts: Sequence[UUID], kinds: Sequence[str]) -> dict[str, Any]:
    return {"site_id": site_id, "accounts": list(accounts), "kinds": list(kinds)}


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


_WANTED = "unnest(cast(:accounts as uuid[]), cast(:kinds as text[])) w(account_id, kind)"
# A category's own rule stands before the rule of all ('*').
_BY_CATEGORY = """
    left join lateral (
        select floor_fen, max_balance_fen from purse_rule r
        where r.site_id = a.site_id and r.kind = {kind} and r.category_id in (p.category_id, '*')
        order by r.category_id = '*' limit 1
    ) r on true
"""
_MISSING = text(f"""
    select w.account_id, w.kind, coalesce(r.floor_fen, 0) as floor_fen
    from {_WANTED} join account a on a.id = w.account_id and a.site_id = :site_id
    join person p on p.id = a.person_id {_BY_CATEGORY.format(kind="w.kind")}
    where not exists (select from purse u where u.account_id = w.account_id and u.kind = w.kind)
""")  # noqa: S608 - constants of this module
_OPEN = text("""
    with opened as (
        insert into ledger_account (id, site_id, role, name, unit)
        select id, site_id, role, name, unit
        from json_populate_recordset(null::ledger_account, cast(:accounts as json))
        on conflict (site_id, role, name) do nothing returning id
    )
    insert into purse (id, site_id, account_id, kind, balance_fen, floor_fen)
    select id, site_id, account_id, kind, 0, floor_fen
    from json_populate_recordset(null::purse, cast(:purses as json)) where id in (select id from opened)
""")
_LOCK = text(f"""
    select u.id from purse u join {_WANTED} on w.account_id = u.account_id and w.kind = u.kind
    where u.site_id = :site_id order by u.id for update of u
""")  # noqa: S608 - the same
_IN_FULL = text(f"""
    select u.*, a.state, a.person_id, r.max_balance_fen
    from purse u join {_WANTED} on w.account_id = u.account_id and w.kind = u.kind
    join account a on a.id = u.account_id join person p on p.id = a.person_id {_BY_CATEGORY.format(kind="u.kind")}
    where u.site_id = :site_id order by u.id
""")  # noqa: S608 - the same
_PUT_RULE = text("""
    insert into purse_rule (site_id, category_id, kind, floor_fen, max_balance_fen)
    values (:site_id, :category_id, :kind, :floor_fen, :max_balance_fen)
    on conflict (site_id, category_id, kind)
    do update set floor_fen = excluded.floor_fen, max_balance_fen = excluded.max_balance_fen
""")
_RULED = """
    from purse u join account a on a.id = u.account_id join person p on p.id = a.person_id
    where u.site_id = :site_id and u.kind = :kind
        and (p.category_id = :category_id or (:category_id = '*' and not exists (
            select from purse_rule o
            where o.site_id = u.site_id and o.kind = u.kind and o.category_id = p.category_id)))
"""
_LOCK_FLOORS = text(f"select u.id {_RULED} order by u.id for update of u")
_SET_FLOORS = text(f"update purse set floor_fen = :floor_fen where id in (select u.id {_RULED})")  # noqa: S608 - the same
_RULE = text("""
    select floor_fen, max_balance_fen from purse_rule
    where site_id = :site_id and category_id = :category_id and kind = :kind
""")
_FLOORS = text("""
    select distinct on (r.kind) r.kind, r.floor_fen from purse_rule r
    join person p on p.site_id = r.site_id and r.category_id in (p.category_id, '*')
    where p.site_id = :site_id and p.id = :person_id order by r.kind, r.category_id = '*'
""")
# Overdrawn since the first posting below zero that is no older than the last one at zero or more.
_DEBTS = text("""
    select u.account_id, u.kind, u.balance_fen, u.floor_fen, p.id as person_id, p.number, p.name, p.category_id,
           a.state, since.at as since
    from purse u join account a on a.id = u.account_id join person p on p.id = a.person_id
    left join lateral (
        select max(g.posted_at) as at from posting g where g.ledger_account_id = u.id and g.balance_fen >= 0
    ) good on true
    left join lateral (
        select min(o.posted_at) as at from posting o
        where o.ledger_account_id = u.id and o.balance_fen < 0 and o.posted_at >= coalesce(good.at, '-infinity')
    ) since on true
    where u.site_id = :site_id and u.balance_fen < 0
    order by 10 nulls first, u.id limit :limit offset :offset
""")
