"""The SQL of cards and credentials."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def policy_rows(session: Connection, site_id: UUID, card_ids: Collection[UUID] | None = None) -> Rows:
    """Return one row a credential with what the edge is told of its card; of all cards, or of some."""
    parameters = {"site_id": site_id, "all": card_ids is None, "ids": list(card_ids or ())}
    return session.execute(_POLICY_ROWS, parameters).mappings().all()


def lock_card(session: Connection, site_id: UUID, card_id: UUID) -> RowMapping | None:
    """Lock and return a card, or None if unknown or of another site."""
    return session.execute(_LOCK_CARD, {"site_id": site_id, "id": card_id}).mappings().one_or_none()


def cards_of_person(session: Connection, site_id: UUID, person_id: UUID) -> Rows:
    """Return a person's cards, newest first."""
    return session.execute(_CARDS_OF_PERSON, {"site_id": site_id, "person_id": person_id}).mappings().all()


def set_state(session: Connection, card_id: UUID, state: str, at: datetime) -> None:
    """Set a card's state."""
    session.execute(_SET_STATE, {"id": card_id, "state": state, "at": at})


def number_taken(session: Connection, site_id: UUID, number: str) -> bool:
    """Tell whether a card with this printed number exists."""
    return session.execute(_NUMBER_TAKEN, {"site_id": site_id, "number": number}).first() is not None


def taken_keys(session: Connection, site_id: UUID, keys: Collection[str]) -> list[str]:
    """Return those credential keys that a card has already."""
    return list(session.execute(_TAKEN_KEYS, {"site_id": site_id, "keys": list(keys)}).scalars())


def insert_cards(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add cards: id, site_id, person_id, number, product, state, issue_no, valid_from, valid_until and the times."""
    session.execute(_INSERT_CARDS, {"rows": msgspec.json.encode(rows).decode()})


def insert_credentials(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add credentials: id, site_id, card_id, key."""
    session.execute(_INSERT_CREDENTIALS, {"rows": msgspec.json.encode(rows).decode()})


def search(session: Connection, site_id: UUID, term: str, limit: int, offset: int) -> Rows:
    """Find cards by printed number, holder's name, number or initials; all, newest first, for an empty term."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term), "limit": limit, "offset": offset}
    return session.execute(_SEARCH, parameters).mappings().all()


def count(session: Connection, site_id: UUID, term: str) -> int:
    """Count what `search` finds."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term)}
    return int(session.execute(_COUNT, parameters).scalar_one())


def get(session: Connection, site_id: UUID, card_id: UUID) -> RowMapping | None:
    """Return a card with its holder and the schemes of its credentials."""
    return session.execute(_GET, {"site_id": site_id, "id": card_id}).mappings().one_or_none()


def _prefix(term: str) -> str:
    return term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


_POLICY_ROWS = text("""
    select k.key as credential, c.id as card_id, c.person_id, c.product, c.state, c.valid_from, c.valid_until,
           p.category_id, a.id as account_id, a.state as account_state,
           case when d.credit then d.id else '' end as credit,
           coalesce((select array_agg(l.level_id order by l.level_id) from person_level l
                     where l.person_id = c.person_id and p.state = 'active'), '{}') as levels
    from credential k join card c on c.id = k.card_id
    left join person p on p.id = c.person_id
    left join account a on a.person_id = c.person_id
    left join department d on d.site_id = p.site_id and d.id = p.department_id
    where k.site_id = :site_id and (:all or c.id = any(cast(:ids as uuid[])))
    order by k.key
""")
_LOCK_CARD = text("select * from card where site_id = :site_id and id = :id for update")
_SET_STATE = text("update card set state = :state, changed_at = :at where id = :id")
_NUMBER_TAKEN = text("select 1 from card where site_id = :site_id and number = :number")
_TAKEN_KEYS = text("select key from credential where site_id = :site_id and key = any(:keys) order by key")
_INSERT_CARDS = text("""
    insert into card (id, site_id, person_id, number, product, state, issue_no, valid_from, valid_until, created_at,
        changed_at)
    select id, site_id, person_id, number, product, state, issue_no, valid_from, valid_until, created_at, changed_at
    from json_populate_recordset(null::card, cast(:rows as json))
""")
_INSERT_CREDENTIALS = text("""
    insert into credential (id, site_id, card_id, key)
    select id, site_id, card_id, key from json_populate_recordset(null::credential, cast(:rows as json))
""")
_VIEW = """
    select c.*, p.name as person_name, p.number as person_number, d.name_en as department_en,
           d.name_zh as department_zh,
           (select array_agg(k.key order by k.key) from credential k where k.card_id = c.id) as keys
    from card c left join person p on p.id = c.person_id
    left join department d on d.site_id = p.site_id and d.id = p.department_id
"""
_MATCH = """
    c.site_id = :site_id and (:term = '' or c.number like :prefix or p.name like :prefix or p.number like :prefix
        or p.initials like lower(:prefix))
"""
_CARDS_OF_PERSON = text(f"{_VIEW} where c.site_id = :site_id and c.person_id = :person_id order by c.created_at desc")
_GET = text(f"{_VIEW} where c.site_id = :site_id and c.id = :id")
_SEARCH = text(f"{_VIEW} where {_MATCH} order by c.created_at desc, c.number limit :limit offset :offset")
_COUNT = text(f"select count(*) from card c left join person p on p.id = c.person_id where {_MATCH}")  # noqa: S608
