"""The SQL that finds names for ids of people, cards, staff, devices and tokens; card numbers are masked."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text


def names(session: Connection, site_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of the ids of this site that have one."""
    rows = session.execute(_NAMES, {"site_id": site_id, "ids": list(ids)})
    return {row.id: row.name for row in rows}


_NAMES = text("""
    select id, name || ' (' || number || ')' as name from person where site_id = :site_id and id = any(:ids)
    union all select id, '···' || right(number, 4) from card where site_id = :site_id and id = any(:ids)
    union all select id, name || ' (' || login || ')' from staff where site_id = :site_id and id = any(:ids)
    union all select id, name from device where site_id = :site_id and id = any(:ids)
    union all select id, name from api_token where site_id = :site_id and id = any(:ids)
""")
