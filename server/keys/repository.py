"""The SQL of the list of edge keys. No key is in the database, sealed or clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

MAX_LISTED = 1_000


def insert_edge_key(session: Connection, row: Mapping[str, Any]) -> None:
    """Note that a device got a key: id, site_id, device_id, role, epochs, made_by, made_at."""
    session.execute(_INSERT, row)


def revoke_edge_keys(session: Connection, site_id: UUID, device_id: UUID, at: datetime) -> int:
    """Mark a device's keys as revoked; return how many were not yet."""
    return session.execute(_REVOKE, {"site_id": site_id, "device_id": device_id, "at": at}).rowcount


def edge_keys(session: Connection, site_id: UUID) -> Sequence[RowMapping]:
    """Return the keys given to devices of a site, newest first, at most `MAX_LISTED`."""
    return session.execute(_LIST, {"site_id": site_id, "limit": MAX_LISTED}).mappings().all()


_INSERT = text("""
    insert into edge_key (id, site_id, device_id, role, epochs, made_by, made_at)
    values (:id, :site_id, :device_id, :role, :epochs, :made_by, :made_at)
""")
_REVOKE = text("""
    update edge_key set revoked_at = :at
    where site_id = :site_id and device_id = :device_id and revoked_at is null
""")
_LIST = text("""
    select e.*, d.name from edge_key e join device d on d.id = e.device_id
    where e.site_id = :site_id order by e.made_at desc, e.id desc limit :limit
""")
