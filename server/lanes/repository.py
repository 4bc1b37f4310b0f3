"""The SQL of lanes in operation: holds, orders, and how each lane stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def lock_lane(session: Connection, site_id: UUID, lane_id: str) -> RowMapping | None:
    """Lock and return a lane."""
    return session.execute(_LOCK_LANE, {"site_id": site_id, "id": lane_id}).mappings().one_or_none()


def set_held(session: Connection, site_id: UUID, lane_id: str, mode: str | None, until: datetime | None) -> None:
    """Hold a lane in a mode until an instant, or no more (both None)."""
    session.execute(_SET_HELD, {"site_id": site_id, "id": lane_id, "mode": mode, "until": until})


def holds_over(session: Connection, site_id: UUID, now: datetime) -> Rows:
    """Lock and return lanes whose hold is over, in order."""
    return session.execute(_HOLDS_OVER, {"site_id": site_id, "now": now}).mappings().all()


def views(session: Connection, site_id: UUID) -> Rows:
    """Return every lane with its box, whether that has a link, and what the lane remembers."""
    return session.execute(_VIEWS, {"site_id": site_id}).mappings().all()


def insert_order(session: Connection, row: Mapping[str, Any]) -> None:
    """Keep an order: id, site_id, lane_id, device_id, actor, reason, given_at."""
    session.execute(_INSERT_ORDER, row)


def end_order(session: Connection, order_id: UUID, result: str, detail: str, at: datetime) -> None:
    """Keep how an order ended, once."""
    session.execute(_END_ORDER, {"id": order_id, "result": result, "detail": detail, "at": at})


def orders(session: Connection, site_id: UUID, order_id: UUID | None, limit: int) -> Rows:
    """Return one order, or the newest ones."""
    return session.execute(_ORDERS, {"site_id": site_id, "id": order_id, "limit": limit}).mappings().all()


def moments(session: Connection, site_id: UUID) -> Rows:
    """Return what the site's lanes remember."""
    return session.execute(_MOMENTS, {"site_id": site_id}).mappings().all()


_LOCK_LANE = text("select * from lane where site_id = :site_id and id = :id and retired_at is null for update")
_SET_HELD = text("update lane set held = :mode, held_until = :until where site_id = :site_id and id = :id")
_HOLDS_OVER = text("""
    select id, held, held_until from lane where site_id = :site_id and held_until <= :now order by id for update
""")
_VIEWS = text("""
    select l.*, d.name as device_name, coalesce(s.connected, false) as connected, s.last_seen_at
    from lane l left join device d on d.id = l.device_id left join device_status s on s.device_id = d.id
    where l.site_id = :site_id and l.retired_at is null order by l.id
""")
_INSERT_ORDER = text("""
    insert into lane_order (id, site_id, lane_id, device_id, actor, reason, given_at)
    values (:id, :site_id, :lane_id, :device_id, :actor, :reason, :given_at)
""")
_END_ORDER = text("""
    update lane_order set result = :result, detail = :detail, ended_at = :at where id = :id and result is null
""")
_ORDERS = text("""
    select * from lane_order where site_id = :site_id and (cast(:id as uuid) is null or id = :id)
    order by id desc limit :limit
""")
_MOMENTS = text("""
    select lane_id, open_until, waiting, waiting_since, partner, escort, escort_at, supervised_at, hosts
    from lane_moment where site_id = :site_id order by lane_id
""")
