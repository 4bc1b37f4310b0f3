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
    """Set a card's state; the instant of a loss is kept as long as the card is not in use again."""
    session.execute(_SET_STATE, {"id": card_id, "state": state, "at": at})


def set_product(session: Connection, card_id: UUID, product: str, at: datetime) -> None:
    """Make another product of a card."""
    session.execute(_SET_PRODUCT, {"id": card_id, "product": product, "at": at})


def set_holder(session: Connection, card_id: UUID, person_id: UUID | None, valid_until: datetime | None) -> None:
    """Give a card to a person, or to nobody, until an instant."""
    session.execute(_SET_HOLDER, {"id": card_id, "person_id": person_id, "valid_until": valid_until})


def applications(session: Connection, card_id: UUID) -> set[str]:
    """Return the applications that a card has a credential for; `''` serves both."""
    return set(session.execute(_APPLICATIONS, {"id": card_id}).scalars())


def is_privileged(session: Connection, person_id: UUID) -> bool:
    """Tell whether a person holds an access level that takes two people."""
    return bool(session.execute(_IS_PRIVILEGED, {"person_id": person_id}).scalar_one())


def counts(session: Connection, site_id: UUID) -> Rows:
    """Return the number of cards by product and state."""
    return session.execute(_COUNTS, {"site_id": site_id}).mappings().all()


def expiring(session: Connection, wanted: Mapping[str, Any]) -> Rows:
    """Lock and return cards that end in a window: site_id, category_id, product ('' = any), from, until, limit."""
    return session.execute(_EXPIRING, wanted).mappings().all()


def ending(session: Connection, site_id: UUID, after: datetime, before: datetime, limit: int) -> Rows:
    """Return live cards that end in a window, by the card's end or its holder's: number, person_name, ends_at."""
    values = {"site_id": site_id, "after": after, "before": before, "limit": limit}
    return session.execute(_ENDING, values).mappings().all()


def set_valid_until(session: Connection, card_ids: Collection[UUID], until: datetime, at: datetime) -> None:
    """Let cards end at another instant."""
    session.execute(_SET_VALID_UNTIL, {"ids": list(card_ids), "until": until, "at": at})


def next_copy(session: Connection, card_id: UUID) -> RowMapping | None:
    """Return the card that replaces another."""
    return session.execute(_NEXT_COPY, {"id": card_id}).mappings().one_or_none()


def was_used(session: Connection, card_id: UUID) -> bool:
    """Tell whether a card was ever shown to a reader."""
    return session.execute(_WAS_USED, {"id": card_id}).first() is not None


def insert_loan(session: Connection, row: Mapping[str, Any]) -> None:
    """Note a card on loan: id, site_id, card_id, person_id, lent_at, due_at, suspended_card."""
    session.execute(_INSERT_LOAN, row)


def lock_loan(session: Connection, site_id: UUID, card_id: UUID) -> RowMapping | None:
    """Lock and return the loan that a card is out on."""
    return session.execute(_LOCK_LOAN, {"site_id": site_id, "card_id": card_id}).mappings().one_or_none()


def end_loan(session: Connection, loan_id: UUID, at: datetime) -> None:
    """Note that a lent card is back."""
    session.execute(_END_LOAN, {"id": loan_id, "at": at})


def overdue_loans(session: Connection, site_id: UUID, at: datetime, limit: int) -> Rows:
    """Return loans that should be back by now, longest overdue first."""
    return session.execute(_OVERDUE, {"site_id": site_id, "at": at, "limit": limit}).mappings().all()


def silent_tills(session: Connection, site_id: UUID, since: datetime) -> Rows:
    """Return tills whose box may still hold records of before `since`, with what each may have charged one card."""
    return session.execute(_SILENT_TILLS, {"site_id": site_id, "since": since}).mappings().all()


def number_taken(session: Connection, site_id: UUID, number: str) -> bool:
    """Tell whether a card with this printed number exists."""
    return session.execute(_NUMBER_TAKEN, {"site_id": site_id, "number": number}).first() is not None


def taken_numbers(session: Connection, site_id: UUID, numbers: Collection[str]) -> set[str]:
    """Return those printed numbers that a card has already."""
    return set(session.execute(_TAKEN_NUMBERS, {"site_id": site_id, "numbers": list(numbers)}).scalars())


def taken_keys(session: Connection, site_id: UUID, keys: Collection[str]) -> list[str]:
    """Return those credential keys that a card has already."""
    return list(session.execute(_TAKEN_KEYS, {"site_id": site_id, "keys": list(keys)}).scalars())


def insert_cards(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add cards: all columns but the instant of a loss."""
    session.execute(_INSERT_CARDS, {"rows": msgspec.json.encode(rows).decode()})


def insert_credentials(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add credentials: id, site_id, card_id, key, application."""
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


def by_number(session: Connection, site_id: UUID, number: str) -> RowMapping | None:
    """Find a card by its printed number."""
    return session.execute(_BY_NUMBER, {"site_id": site_id, "number": number}).mappings().one_or_none()


def _prefix(term: str) -> str:
    return term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


_POLICY_ROWS = text("""
    select k.key as credential, c.id as card_id, c.person_id, c.product, c.state,
           greatest(c.valid_from, p.valid_from) as valid_from, least(c.valid_until, p.valid_until) as valid_until,
           p.category_id, a.id as account_id, a.state as account_state,
           case when d.credit then d.id else '' end as credit,
           k.application,
           coalesce((select array_agg(l.level_id order by l.level_id) from (
                         select level_id from person_level where person_id = c.person_id
                         union select g.level_id from level_grant g where g.site_id = k.site_id and (
                             (g.kind = 'category' and g.key = p.category_id)
                             or (g.kind = 'department' and g.key = p.department_id)
                             or (g.kind = 'product' and g.key = c.product))) l
                     where p.state = 'active'), '{}') as levels,
           coalesce(p.extended, false) as extended,
           (select json_agg(json_build_array(f.requirement_id, floor(extract(epoch from f.valid_from) * 1000),
                    floor(extract(epoch from f.valid_until) * 1000)) order by f.requirement_id)
            from person_proof f where f.person_id = c.person_id) as proofs,
           coalesce(v.led_levels, '{}') as escorted, v.host_id,
           c.product = 'contractor' or w.person_id is not null as permit_needed,
           case when c.product = 'contractor' or w.person_id is not null then (
               select json_agg(json_build_array(floor(extract(epoch from m.starts_at) * 1000),
                    floor(extract(epoch from m.ends_at) * 1000)) order by m.starts_at, m.ends_at)
               from (select q.starts_at, q.ends_at from crew_permit q join crew_member e on e.permit_id = q.id
                     where e.person_id = c.person_id and q.state = 'approved'
                     order by q.ends_at desc, q.id limit 16) m
           ) end as permits
    from credential k join card c on c.id = k.card_id
    left join person p on p.id = c.person_id
    left join account a on a.person_id = c.person_id
    left join department d on d.site_id = p.site_id and d.id = p.department_id
    left join visit v on v.person_id = c.person_id and v.state = 'open' and v.led_levels <> '{}'
    left join crew_worker w on w.person_id = c.person_id
    where k.site_id = :site_id and (:all or c.id = any(cast(:ids as uuid[])))
    order by k.key
""")
_LOCK_CARD = text("select * from card where site_id = :site_id and id = :id for update")
_SET_STATE = text("""
    update card set state = :state, changed_at = :at, lost_at = case
        when :state in ('lost', 'stolen') then coalesce(lost_at, :at) when :state = 'active' then null else lost_at end
    where id = :id
""")
_SET_PRODUCT = text("update card set product = :product, changed_at = :at where id = :id")
_SET_HOLDER = text("update card set person_id = :person_id, valid_until = :valid_until where id = :id")
_APPLICATIONS = text("select application from credential where card_id = :id")
_IS_PRIVILEGED = text("""
    select exists (select 1 from person_level h join access_level l on l.site_id = h.site_id and l.id = h.level_id
                   where h.person_id = :person_id and l.privileged)
""")
_COUNTS = text("""
    select product, state, count(*) as count from card where site_id = :site_id group by product, state
""")
_EXPIRING = text("""
    select c.id, c.number, c.valid_until, c.person_id from card c join person p on p.id = c.person_id
    where c.site_id = :site_id and p.category_id = :category_id and (:product = '' or c.product = :product)
        and c.valid_until >= :from and c.valid_until < :until and c.state in ('active', 'suspended')
    order by c.id limit :limit for update of c
""")
_ENDING = text("""
    select c.id, c.number, c.person_id, p.name as person_name, p.number as person_number,
        least(c.valid_until, p.valid_until) as ends_at
    from card c join person p on p.id = c.person_id
    where c.site_id = :site_id and c.state in ('active', 'issued', 'suspended') and p.state = 'active'
        and least(c.valid_until, p.valid_until) >= :after and least(c.valid_until, p.valid_until) < :before
    order by ends_at, c.number limit :limit
""")
_SET_VALID_UNTIL = text("""
    update card set valid_until = :until, changed_at = :at where id = any(cast(:ids as uuid[]))
""")
_NEXT_COPY = text("select * from card where replaces = :id")
_WAS_USED = text("select 1 from record where card_id = :id limit 1")
_INSERT_LOAN = text("""
    insert into card_loan (id, site_id, card_id, person_id, lent_at, due_at, suspended_card)
    values (:id, :site_id, :card_id, :person_id, :lent_at, :due_at, :suspended_card)
""")
_LOCK_LOAN = text("""
    select * from card_loan where site_id = :site_id and card_id = :card_id and back_at is null for update
""")
_END_LOAN = text("update card_loan set back_at = :at where id = :id")
_OVERDUE = text("""
    select l.card_id, l.person_id, l.lent_at, l.due_at, c.number, p.name as person_name
    from card_loan l join card c on c.id = l.card_id join person p on p.id = l.person_id
    where l.site_id = :site_id and l.back_at is null and l.due_at <= :at order by l.due_at limit :limit
""")
_SILENT_TILLS = text("""
    select t.id, t.device_id, t.offline_tap_cap_fen::bigint * t.offline_card_cap as most_fen
    from till t join device d on d.id = t.device_id left join device_status s on s.device_id = d.id
    where t.site_id = :site_id and d.state = 'active'
        and (s.last_seen_at is null or s.last_seen_at <= :since
             or coalesce((s.health ->> 'pending')::bigint, 0) > 0)
    order by t.id
""")
_BY_NUMBER = text("select * from card where site_id = :site_id and number = :number")
_NUMBER_TAKEN = text("select 1 from card where site_id = :site_id and number = :number")
_TAKEN_NUMBERS = text("select number from card where site_id = :site_id and number = any(:numbers)")
_TAKEN_KEYS = text("select key from credential where site_id = :site_id and key = any(:keys) order by key")
_INSERT_CARDS = text("""
    insert into card (id, site_id, person_id, number, product, state, issue_no, valid_from, valid_until, uid, replaces,
        created_at, changed_at)
    select id, site_id, person_id, number, product, state, issue_no, valid_from, valid_until, coalesce(uid, ''),
        replaces, created_at, changed_at
    from json_populate_recordset(null::card, cast(:rows as json))
""")
_INSERT_CREDENTIALS = text("""
    insert into credential (id, site_id, card_id, key, application)
    select id, site_id, card_id, key, coalesce(application, '')
    from json_populate_recordset(null::credential, cast(:rows as json))
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
