"""The SQL of approvals. A row is written when somebody asks and changed once, when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

MAX_LISTED = 500


def insert(session: Connection, row: Mapping[str, Any]) -> bool:
    """Add a request; False when the same thing waits already."""
    return session.execute(_INSERT, row).rowcount > 0


def lock(session: Connection, site_id: UUID, approval_id: UUID) -> RowMapping | None:
    """Lock and return a request, or None if unknown or of another site."""
    return session.execute(_LOCK, {"site_id": site_id, "id": approval_id}).mappings().one_or_none()


def finish(
    session: Connection, approval_id: UUID, state: str, at: datetime, checker: tuple[UUID, UUID] | None, outcome: str
) -> None:
    """End a waiting request; `checker` is the login and the person who decided."""
    login, person = checker or (None, None)
    values = {"id": approval_id, "state": state, "at": at, "checker": login, "person": person, "outcome": outcome}
    session.execute(_FINISH, values)


def expire(session: Connection, site_id: UUID, at: datetime) -> None:
    """End what nobody decided in time."""
    session.execute(_EXPIRE, {"site_id": site_id, "at": at})


def count_waiting(session: Connection, site_id: UUID, maker: UUID) -> int:
    """Count what waits of one maker."""
    return int(session.execute(_COUNT_WAITING, {"site_id": site_id, "maker": maker}).scalar_one())


def waiting(session: Connection, site_id: UUID, at: datetime) -> Sequence[RowMapping]:
    """Return what waits and has not expired, oldest first, at most `MAX_LISTED`."""
    parameters = {"site_id": site_id, "at": at, "limit": MAX_LISTED}
    return session.execute(_WAITING, parameters).mappings().all()


def waiting_for(session: Connection, site_id: UUID, operation: str, subject: str, at: datetime) -> UUID | None:
    """Return the request that waits for one thing, or None."""
    parameters = {"site_id": site_id, "operation": operation, "object": subject, "at": at}
    return session.execute(_WAITING_FOR, parameters).scalar_one_or_none()


def get(session: Connection, site_id: UUID, approval_id: UUID) -> RowMapping | None:
    """Return a request with its maker's name."""
    return session.execute(_GET, {"site_id": site_id, "id": approval_id}).mappings().one_or_none()


def decided(session: Connection, site_id: UUID, since: datetime) -> Sequence[RowMapping]:
    """Return what was decided since an instant, newest first, at most `MAX_LISTED`, with who decided."""
    parameters = {"site_id": site_id, "since": since, "limit": MAX_LISTED}
    return session.execute(_DECIDED, parameters).mappings().all()


def people_named(session: Connection, site_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return name and number of people, and of the holders of accounts, by the ids of either."""
    return {row[0]: row[1] for row in session.execute(_PEOPLE_NAMED, {"site_id": site_id, "ids": list(ids)})}


def cards_named(session: Connection, site_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the end of each card's number with its holder."""
    return {row[0]: row[1] for row in session.execute(_CARDS_NAMED, {"site_id": site_id, "ids": list(ids)})}


def staff_named(session: Connection, site_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of logins."""
    return {row[0]: row[1] for row in session.execute(_STAFF_NAMED, {"site_id": site_id, "ids": list(ids)})}


def charges_named(session: Connection, site_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Return id, at, amount_fen, till and holder of charges."""
    rows = session.execute(_CHARGES_NAMED, {"site_id": site_id, "ids": list(ids)}).mappings()
    return {row["id"]: row for row in rows}


_INSERT = text("""
    insert into approval (id, site_id, operation, object, content, content_hash, reason, maker, maker_person,
        asked_at, expires_at)
    values (:id, :site_id, :operation, :object, :content, :content_hash, :reason, :maker, :maker_person,
        :asked_at, :expires_at)
    on conflict (site_id, operation, object) where state = 'waiting' do nothing
""")
_LOCK = text("select * from approval where site_id = :site_id and id = :id for update")
_FINISH = text("""
    update approval set state = :state, decided_at = :at, checker = :checker, checker_person = :person,
        outcome = :outcome
    where id = :id
""")
_EXPIRE = text("""
    update approval set state = 'expired', decided_at = :at
    where site_id = :site_id and state = 'waiting' and expires_at <= :at
""")
_COUNT_WAITING = text("""
    select count(*) from approval where site_id = :site_id and maker = :maker and state = 'waiting'
""")
_VIEW = "select a.*, s.name as maker_name from approval a join staff s on s.id = a.maker where a.site_id = :site_id"
_WAITING = text(f"{_VIEW} and a.state = 'waiting' and a.expires_at > :at order by a.asked_at, a.id limit :limit")
_WAITING_FOR = text("""
    select id from approval where site_id = :site_id and operation = :operation and object = :object
        and state = 'waiting' and expires_at > :at
""")
_GET = text(f"{_VIEW} and a.id = :id")
_DECIDED = text("""
    select a.*, s.name as maker_name, c.name as checker_name from approval a join staff s on s.id = a.maker
    left join staff c on c.id = a.checker
    where a.site_id = :site_id and a.state <> 'waiting' and a.decided_at >= :since
    order by a.decided_at desc, a.id limit :limit
""")
_PEOPLE_NAMED = text("""
    select id, name || ' (' || number || ')' from person where site_id = :site_id and id = any(:ids)
    union all
    select a.id, p.name || ' (' || p.number || ')' from account a join person p on p.id = a.person_id
    where a.site_id = :site_id and a.id = any(:ids)
""")
_CARDS_NAMED = text("""
    select c.id, '···' || right(c.number, 4) || coalesce(' ' || p.name, '') from card c
    left join person p on p.id = c.person_id
    where c.site_id = :site_id and c.id = any(:ids)
""")
_STAFF_NAMED = text("""
    select id, name || ' (' || login || ')' from staff where site_id = :site_id and id = any(:ids)
""")
_CHARGES_NAMED = text("""
    select c.id, c.at, c.amount_fen, coalesce(t.name_zh, c.till_id) as till, coalesce(p.name, '') as holder
    from charge c left join till t on t.site_id = c.site_id and t.id = c.till_id
    left join person p on p.id = c.person_id
    where c.site_id = :site_id and c.id = any(:ids)
""")
