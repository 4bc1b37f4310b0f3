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
