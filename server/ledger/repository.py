"""The SQL of accounts, purses, ledger accounts and transfers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]
Many = Sequence[Mapping[str, Any]]


def ensure_ledger_account(session: Connection, row: Mapping[str, Any]) -> UUID:
    """Return the id of the ledger account (site_id, role, name), adding it under `id` when there is none."""
    session.execute(_ENSURE_LEDGER_ACCOUNT, row)
    found: UUID = session.execute(_LEDGER_ACCOUNT, row).scalar_one()
    return found


def insert_accounts(session: Connection, accounts: Many, ledger_accounts: Many, purses: Many) -> None:
    """Add accounts with their purses and the purses' ledger accounts, balances at zero."""
    session.execute(_INSERT_ACCOUNTS, {"rows": _json(accounts)})
    session.execute(_INSERT_LEDGER_ACCOUNTS, {"rows": _json(ledger_accounts)})
    session.execute(_INSERT_PURSES, {"rows": _json(purses)})


def account(session: Connection, site_id: UUID, account_id: UUID) -> RowMapping | None:
    """Return an account, or None if unknown or of another site."""
    return session.execute(_ACCOUNT, {"site_id": site_id, "id": account_id}).mappings().one_or_none()


def account_of_person(session: Connection, site_id: UUID, person_id: UUID) -> RowMapping | None:
    """Return a person's account, or None."""
    return session.execute(_ACCOUNT_OF_PERSON, {"site_id": site_id, "id": person_id}).mappings().one_or_none()


def lock_account(session: Connection, site_id: UUID, account_id: UUID) -> RowMapping | None:
    """Lock an account's row for a change of its state."""
    return session.execute(_LOCK_ACCOUNT, {"site_id": site_id, "id": account_id}).mappings().one_or_none()


def set_account_state(session: Connection, account_id: UUID, state: str) -> None:
    """Open, freeze or close an account."""
    session.execute(_SET_ACCOUNT_STATE, {"id": account_id, "state": state})


def purses(session: Connection, account_id: UUID) -> Rows:
    """Return an account's purses in order of kind."""
    return session.execute(_PURSES, {"id": account_id}).mappings().all()


def lock_purse(session: Connection, site_id: UUID, account_id: UUID, kind: str) -> RowMapping | None:
    """Lock and return one purse with the state of its account."""
    parameters = {"site_id": site_id, "account_id": account_id, "kind": kind}
    return session.execute(_LOCK_PURSE, parameters).mappings().one_or_none()


def add_to_purse(session: Connection, purse_id: UUID, amount_fen: int) -> int:
    """Change a balance by an amount and return it."""
    return int(session.execute(_ADD_TO_PURSE, {"id": purse_id, "amount": amount_fen}).scalar_one())


def add_to_purses(session: Connection, amounts: Mapping[UUID, int]) -> None:
    """Change many balances at once; nobody else may know these purses yet."""
    session.execute(_ADD_TO_PURSES, {"ids": list(amounts), "amounts": list(amounts.values())})


def transfer(session: Connection, transfer_id: UUID) -> RowMapping | None:
    """Return a transfer by its id."""
    return session.execute(_TRANSFER, {"id": transfer_id}).mappings().one_or_none()


def insert_transfers(session: Connection, rows: Many) -> None:
    """Add transfers with the balances after them."""
    session.execute(_INSERT_TRANSFERS, {"rows": _json(rows)})


def statement(session: Connection, account_id: UUID, limit: int, offset: int) -> Rows:
    """Return the postings of an account's purses, newest first, each with the other side's role and name."""
    parameters = {"account_id": account_id, "limit": limit, "offset": offset}
    return session.execute(_STATEMENT, parameters).mappings().all()


def trial_sums(session: Connection, site_id: UUID) -> Rows:
    """Return the sum of postings a ledger account, purses together by kind; in order of role and name."""
    return session.execute(_TRIAL_SUMS, {"site_id": site_id}).mappings().all()


def account_ids_of(session: Connection, site_id: UUID, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the accounts of people: person -> account."""
    rows = session.execute(_ACCOUNTS_OF, {"site_id": site_id, "ids": list(person_ids)})
    return {row[0]: row[1] for row in rows}


def _json(rows: Many) -> str:
    return msgspec.json.encode(rows).decode()


_ENSURE_LEDGER_ACCOUNT = text("""
    insert into ledger_account (id, site_id, role, name, unit) values (:id, :site_id, :role, :name, :unit)
    on conflict (site_id, role, name) do nothing
""")
_LEDGER_ACCOUNT = text("""
    select id from ledger_account where site_id = :site_id and role = :role and name = :name
""")
_INSERT_ACCOUNTS = text("""
    insert into account (id, site_id, person_id, state, opened_at)
    select id, site_id, person_id, state, opened_at from json_populate_recordset(null::account, cast(:rows as json))
""")
_INSERT_LEDGER_ACCOUNTS = text("""
    insert into ledger_account (id, site_id, role, name, unit)
    select id, site_id, role, name, unit from json_populate_recordset(null::ledger_account, cast(:rows as json))
""")
_INSERT_PURSES = text("""
    insert into purse (id, site_id, account_id, kind, balance_fen, floor_fen)
    select id, site_id, account_id, kind, 0, floor_fen from json_populate_recordset(null::purse, cast(:rows as json))
""")
_ACCOUNT = text("select * from account where site_id = :site_id and id = :id")
_ACCOUNT_OF_PERSON = text("select * from account where site_id = :site_id and person_id = :id")
_LOCK_ACCOUNT = text("select * from account where site_id = :site_id and id = :id for update")
_SET_ACCOUNT_STATE = text("update account set state = :state where id = :id")
_PURSES = text("select * from purse where account_id = :id order by kind")
_LOCK_PURSE = text("""
    select u.*, a.state, a.person_id from purse u join account a on a.id = u.account_id
    where u.site_id = :site_id and u.account_id = :account_id and u.kind = :kind for update of u
""")
_ADD_TO_PURSE = text("update purse set balance_fen = balance_fen + :amount where id = :id returning balance_fen")
_ADD_TO_PURSES = text("""
    update purse set balance_fen = balance_fen + given.amount
    from unnest(cast(:ids as uuid[]), cast(:amounts as bigint[])) as given(id, amount) where purse.id = given.id
""")
_TRANSFER = text("select * from transfer where id = :id")
_INSERT_TRANSFERS = text("""
    insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen, to_balance_fen,
        charge_id, business_day, at, posted_at, actor, note, corrects)
    select id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen, to_balance_fen,
        charge_id, business_day, at, posted_at, actor, note, corrects
    from json_populate_recordset(null::transfer, cast(:rows as json))
""")
_STATEMENT = text("""
    select t.id, t.kind, t.at, t.posted_at, t.business_day, u.kind as purse, t.charge_id, t.actor, t.note,
           case when t.to_account = u.id then t.amount_fen else -t.amount_fen end as amount_fen,
           case when t.to_account = u.id then t.to_balance_fen else t.from_balance_fen end as balance_fen,
           other.role as other_role, other.name as other_name
    from purse u join transfer t on u.id in (t.from_account, t.to_account)
    join ledger_account other
        on other.id = case when t.to_account = u.id then t.from_account else t.to_account end
    where u.account_id = :account_id
    order by t.posted_at desc, t.id desc limit :limit offset :offset
""")
_TRIAL_SUMS = text("""
    select l.role, case when l.role = 'purse' then u.kind else l.name end as name,
           cast(coalesce(sum(p.amount_fen), 0) as bigint) as sum_fen
    from ledger_account l left join posting p on p.ledger_account_id = l.id left join purse u on u.id = l.id
    where l.site_id = :site_id group by 1, 2 order by 1, 2
""")
_ACCOUNTS_OF = text("select person_id, id from account where site_id = :site_id and person_id = any(:ids)")
