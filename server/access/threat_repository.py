"""The SQL of threat plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def plans(session: Connection, site_id: UUID) -> Sequence[RowMapping]:
    """Return all plans of a site, in force or not."""
    return session.execute(_PLANS, {"site_id": site_id}).mappings().all()


def lock(session: Connection, site_id: UUID, plan_id: str) -> RowMapping | None:
    """Lock and return a plan."""
    return session.execute(_LOCK, {"site_id": site_id, "id": plan_id}).mappings().one_or_none()


def upsert(session: Connection, site_id: UUID, row: Mapping[str, Any]) -> None:
    """Add or change a plan; whether it is in force stays as it is."""
    session.execute(_UPSERT, {**row, "site_id": site_id})


def set_active(
    session: Connection, site_id: UUID, plan_id: str, since: datetime | None, until: datetime | None
) -> None:
    """Put a plan in force, or end it (`since` None)."""
    session.execute(_SET_ACTIVE, {"site_id": site_id, "id": plan_id, "since": since, "until": until})


def ended(session: Connection, site_id: UUID, now: datetime) -> list[str]:
    """Lock and return the plans whose time is over, in order."""
    return list(session.execute(_ENDED, {"site_id": site_id, "now": now}).scalars())


_PLANS = text("select * from threat_plan where site_id = :site_id order by rank desc, id")
_LOCK = text("select * from threat_plan where site_id = :site_id and id = :id for update")
_UPSERT = text("""
    insert into threat_plan (site_id, id, name_en, name_zh, zones, rank, effect, minutes)
    values (:site_id, :id, :name_en, :name_zh, :zones, :rank, :effect, :minutes)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        zones = excluded.zones, rank = excluded.rank, effect = excluded.effect, minutes = excluded.minutes
""")
_SET_ACTIVE = text("""
    update threat_plan set active_since = :since, active_until = :until where site_id = :site_id and id = :id
""")
_ENDED = text("""
    select id from threat_plan where site_id = :site_id and active_until <= :now order by id for update
""")
