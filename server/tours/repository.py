"""The SQL of tours and rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def upsert_tour(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a tour: site_id, id, name_en, name_zh, tolerance_minutes, starts, is_active."""
    session.execute(_UPSERT, row)


def replace_stops(session: Connection, site_id: UUID, tour_id: str, lanes: Sequence[str], due: Sequence[int]) -> None:
    """Set a tour's checkpoints, in order."""
    session.execute(_CLEAR_STOPS, {"site_id": site_id, "tour_id": tour_id})
    values = {"site_id": site_id, "tour_id": tour_id, "lanes": list(lanes), "due": list(due)}
    session.execute(_INSERT_STOPS, values)


def replace_guards(session: Connection, site_id: UUID, tour_id: str, people: Sequence[UUID]) -> None:
    """Set who walks a tour."""
    session.execute(_CLEAR_GUARDS, {"site_id": site_id, "tour_id": tour_id})
    session.execute(_INSERT_GUARDS, {"site_id": site_id, "tour_id": tour_id, "people": list(people)})


def tours(session: Connection, site_id: UUID) -> Rows:
    """Return all tours: own columns, lanes, due_minutes, guards (ids and names)."""
    return session.execute(_TOURS, {"site_id": site_id}).mappings().all()


def insert_round(session: Connection, row: Mapping[str, Any]) -> bool:
    """Begin a round, unless one of this tour and start is there; tell whether it was begun."""
    return session.execute(_INSERT_ROUND, row).rowcount > 0


def running(session: Connection, site_id: UUID) -> Rows:
    """Lock and return the rounds that run, with the tour's tolerance and guards."""
    return session.execute(_RUNNING, {"site_id": site_id}).mappings().all()


def note_alarmed(session: Connection, round_id: UUID, positions: Sequence[int]) -> None:
    """Note the checkpoints whose alarm was raised."""
    session.execute(_NOTE_ALARMED, {"id": round_id, "positions": list(positions)})


def end_round(session: Connection, round_id: UUID, values: Mapping[str, Any]) -> None:
    """End a round: state, at, result (JSON text or None)."""
    session.execute(_END, {"id": round_id, **values})


def lock_round(session: Connection, site_id: UUID, round_id: UUID) -> RowMapping | None:
    """Lock and return a round."""
    return session.execute(_LOCK_ROUND, {"site_id": site_id, "id": round_id}).mappings().one_or_none()


def rounds(session: Connection, site_id: UUID, since: datetime, limit: int) -> Rows:
    """Return rounds that began since an instant, newest first, with the tour's names, tolerance and guards."""
    return session.execute(_ROUNDS, {"site_id": site_id, "since": since, "limit": limit}).mappings().all()


_UPSERT = text("""
    insert into tour (site_id, id, name_en, name_zh, tolerance_minutes, starts, is_active)
    values (:site_id, :id, :name_en, :name_zh, :tolerance_minutes, :starts, :is_active)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        tolerance_minutes = excluded.tolerance_minutes, starts = excluded.starts, is_active = excluded.is_active
""")
_CLEAR_STOPS = text("delete from tour_checkpoint where site_id = :site_id and tour_id = :tour_id")
_INSERT_STOPS = text("""
    insert into tour_checkpoint (site_id, tour_id, position, lane_id, due_minutes)
    select :site_id, :tour_id, k.position, k.lane, k.due
    from unnest(cast(:lanes as text[]), cast(:due as integer[])) with ordinality k(lane, due, position)
""")
_CLEAR_GUARDS = text("delete from tour_guard where site_id = :site_id and tour_id = :tour_id")
_INSERT_GUARDS = text("""
    insert into tour_guard (site_id, tour_id, person_id) select :site_id, :tour_id, unnest(cast(:people as uuid[]))
""")
_PARTS = """
    array(select c.lane_id from tour_checkpoint c where c.site_id = t.site_id and c.tour_id = t.id order by c.position)
        as lanes,
    array(select c.due_minutes from tour_checkpoint c where c.site_id = t.site_id and c.tour_id = t.id
        order by c.position) as due_minutes,
    array(select g.person_id from tour_guard g where g.site_id = t.site_id and g.tour_id = t.id order by g.person_id)
        as guards
"""
_TOURS = text(f"select t.*, {_PARTS} from tour t where t.site_id = :site_id order by t.id")  # noqa: S608 - a constant of this module
_INSERT_ROUND = text("""
    insert into tour_round (id, site_id, tour_id, starts_at, begun_by, plan, state)
    values (:id, :site_id, :tour_id, :starts_at, :begun_by, cast(:plan as jsonb), 'running')
    on conflict (site_id, tour_id, starts_at) do nothing
""")
_RUNNING = text(f"""
    select r.*, t.tolerance_minutes, t.name_en, t.name_zh, {_PARTS}
    from tour_round r join tour t on t.site_id = r.site_id and t.id = r.tour_id
    where r.site_id = :site_id and r.state = 'running' order by r.id for update of r
""")  # noqa: S608 - constants of this module
_NOTE_ALARMED = text("update tour_round set alarmed = alarmed || cast(:positions as integer[]) where id = :id")
_END = text("""
    update tour_round set state = :state, ended_at = :at, result = cast(:result as jsonb) where id = :id
""")
_LOCK_ROUND = text("select * from tour_round where site_id = :site_id and id = :id for update")
_ROUNDS = text(f"""
    select r.*, t.tolerance_minutes, t.name_en, t.name_zh, {_PARTS}
    from tour_round r join tour t on t.site_id = r.site_id and t.id = r.tour_id
    where r.site_id = :site_id and r.starts_at >= :since order by r.starts_at desc, r.id limit :limit
""")  # noqa: S608 - constants of this module
