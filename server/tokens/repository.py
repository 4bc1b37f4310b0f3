"""The SQL of API tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def insert(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a token."""
    session.execute(_INSERT, row)


def by_hash(session: Connection, token_hash: bytes) -> RowMapping | None:
    """Return a token with its owner's state and roles."""
    return session.execute(_BY_HASH, {"token_hash": token_hash}).mappings().one_or_none()


def of_site(session: Connection, site_id: UUID, limit: int) -> Sequence[RowMapping]:
    """Return the tokens of a site, newest first."""
    return session.execute(_OF_SITE, {"site_id": site_id, "limit": limit}).mappings().all()


def count_in_force(session: Connection, staff_id: UUID, now: datetime) -> int:
    """Count what one member of staff holds."""
    return int(session.execute(_COUNT, {"staff_id": staff_id, "now": now}).scalar_one())


def revoke(session: Connection, site_id: UUID, token_id: UUID, now: datetime) -> RowMapping | None:
    """End a token; None if it is unknown or ended."""
    return session.execute(_REVOKE, {"site_id": site_id, "id": token_id, "now": now}).mappings().one_or_none()


def note_use(session: Connection, token_id: UUID, now: datetime) -> None:
    """Write down that a token was used."""
    session.execute(_USED, {"id": token_id, "now": now})


_INSERT = text("""
    insert into api_token (id, site_id, staff_id, name, token_hash, permissions, created_at, expires_at)
    values (:id, :site_id, :staff_id, :name, :token_hash, :permissions, :created_at, :expires_at)
""")
_BY_HASH = text("""
    select t.id, t.site_id, t.staff_id, t.permissions, t.expires_at, t.revoked_at, t.used_at, s.state, s.roles
    from api_token t join staff s on s.id = t.staff_id where t.token_hash = :token_hash
""")
_OF_SITE = text("""
    select t.id, t.name, t.staff_id, s.name as staff_name, t.permissions, t.created_at, t.expires_at, t.revoked_at,
        t.used_at
    from api_token t join staff s on s.id = t.staff_id
    where t.site_id = :site_id order by t.created_at desc, t.id limit :limit
""")
_COUNT = text("select count(*) from api_token where staff_id = :staff_id and revoked_at is null and expires_at > :now")
_REVOKE = text("""
    update api_token set revoked_at = :now where site_id = :site_id and id = :id and revoked_at is null
    returning id, name, staff_id
""")
_USED = text("update api_token set used_at = :now where id = :id")
