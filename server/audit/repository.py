"""The SQL of the audit trail: rows are added and read, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

MAX_ROWS = 200
"""Rows of one answer."""


def insert(session: Connection, row: Mapping[str, Any]) -> None:
    """Add one row; `before` and `after` are anything JSON can say, or None."""
    values = dict(row)
    for side in ("before", "after"):
        values[side] = None if values[side] is None else msgspec.json.encode(values[side]).decode()
    session.execute(_INSERT, values)


def of_object(session: Connection, site_id: UUID, subject: str, actions: Sequence[str] = ()) -> Sequence[RowMapping]:
    """Return what was done to one object, newest first, at most `MAX_ROWS`; with `actions` only these deeds."""
    values = {"site_id": site_id, "object": subject, "actions": list(actions), "limit": MAX_ROWS}
    return session.execute(_OF_OBJECT, values).mappings().all()


def found(session: Connection, site_id: UUID, wanted: Mapping[str, Any], limit: int) -> Sequence[RowMapping]:
    """Return rows of a site, newest first.

    `wanted` has `actor`, `action`, `object`, `origin` (empty: any), `since`, `until`, and `before_at`,
    `before_id`: the row where the answer before this one ended.
    """
    return session.execute(_FOUND, {"site_id": site_id, "limit": limit, **wanted}).mappings().all()


def actions(session: Connection, site_id: UUID) -> list[str]:
    """Return every kind of deed that the trail holds."""
    return list(session.execute(_ACTIONS, {"site_id": site_id}).scalars())


_INSERT = text("""
    insert into audit (id, site_id, actor, action, object, before, after, reason, at, origin)
    values (:id, :site_id, :actor, :action, :object, cast(:before as jsonb), cast(:after as jsonb), :reason, :at,
        :origin)
""")
_OF_OBJECT = text("""
    select a.at, a.actor, a.action, a.before, a.after, a.reason, a.origin, s.name as staff_name
    from audit a left join staff s on a.actor = 'staff:' || s.id
    where a.site_id = :site_id and a.object = :object
        and (cardinality(cast(:actions as text[])) = 0 or a.action = any(:actions))
    order by a.at desc, a.id desc limit :limit
""")
_FOUND = text("""
    select a.id, a.at, a.actor, a.action, a.object, a.before, a.after, a.reason, a.origin,
        s.name as staff_name
    from audit a left join staff s on a.actor = 'staff:' || s.id
    where (a.site_id = :site_id or a.site_id is null) and a.at >= :since and a.at < :until
        and (:actor = '' or a.actor = :actor) and (:action = '' or a.action = :action)
        and (:object = '' or a.object = :object)
        and (:origin = '' or a.origin in (:origin, 'address:' || :origin)) and (a.at, a.id) < (:before_at, :before_id)
    order by a.at desc, a.id desc limit :limit
""")
_ACTIONS = text("""
    with recursive kinds as (
        (select action from audit where site_id = :site_id order by action limit 1)
        union all
        select (select action from audit where site_id = :site_id and action > kinds.action order by action limit 1)
        from kinds where kinds.action is not null
    )
    select action from kinds where action is not null
""")
