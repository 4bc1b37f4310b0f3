"""The SQL of access levels that whole groups hold."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def rows(session: Connection, site_id: UUID) -> Sequence[RowMapping]:
    """Return all grants: level_id, kind, key, in order."""
    return session.execute(_ROWS, {"site_id": site_id}).mappings().all()


def replace(session: Connection, site_id: UUID, level_id: str, groups: Sequence[tuple[str, str]]) -> None:
    """Give a level to exactly these groups (kind, key)."""
    parameters = {"site_id": site_id, "level_id": level_id, **_columns(groups)}
    session.execute(_CLEAR, parameters)
    session.execute(_INSERT, parameters)


def cards_of(session: Connection, site_id: UUID, groups: Sequence[tuple[str, str]]) -> list[UUID]:
    """Return the cards of all who belong to one of these groups."""
    return list(session.execute(_CARDS, {"site_id": site_id, **_columns(groups)}).scalars())


def _columns(groups: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"kinds": [str(kind) for kind, _ in groups], "keys": [key for _, key in groups]}


_ROWS = text("select level_id, kind, key from level_grant where site_id = :site_id order by level_id, kind, key")
_CLEAR = text("delete from level_grant where site_id = :site_id and level_id = :level_id")
_INSERT = text("""
    insert into level_grant (site_id, level_id, kind, key)
    select :site_id, :level_id, kind, key
    from unnest(cast(:kinds as text[]), cast(:keys as text[])) as given(kind, key)
""")
_CARDS = text("""
    select c.id from card c join person p on p.id = c.person_id
    join unnest(cast(:kinds as text[]), cast(:keys as text[])) as g(kind, key) on
        (g.kind = 'category' and g.key = p.category_id) or (g.kind = 'department' and g.key = p.department_id)
        or (g.kind = 'product' and g.key = c.product)
    where c.site_id = :site_id group by c.id order by c.id
""")
