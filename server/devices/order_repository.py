"""The SQL of orders about readers' keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text

from server.database import ReadSession, WriteSession

_INSERT = text("""
    insert into reader_order (id, site_id, device_id, reader, kind, minutes, actor, reason, given_at)
    values (:id, :site_id, :device_id, :reader, :kind, :minutes, :actor, :reason, :given_at)
""")
_END = text("""
    update reader_order set result = :result, detail = :detail, ended_at = :at where id = :id and result is null
""")
_NEWEST = text("""
    select * from reader_order where site_id = :site_id and device_id = :device_id order by id desc limit :limit
""")


def insert(session: WriteSession, row: Mapping[str, Any]) -> None:
    """Keep an order: id, site_id, device_id, reader, kind, minutes, actor, reason, given_at."""
    session.execute(_INSERT, row)


def end(session: WriteSession, order_id: UUID, result: str, detail: str, at: datetime) -> None:
    """Keep how an order ended, once."""
    session.execute(_END, {"id": order_id, "result": result, "detail": detail, "at": at})


def newest(session: ReadSession, site_id: UUID, device_id: UUID, limit: int) -> Sequence[RowMapping]:
    """Return the newest orders about a device's readers."""
    given = {"site_id": site_id, "device_id": device_id, "limit": limit}
    return session.execute(_NEWEST, given).mappings().all()
