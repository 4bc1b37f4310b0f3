"""The SQL of the live feed: names of places and people."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from cardcore.ids import SiteId
from server.database import ReadSession


class Place(NamedTuple):
    """A lane or till as people call it."""

    name_en: str
    name_zh: str
    is_inward: bool | None
    """None at a till."""


class Holder(NamedTuple):
    """Whose card it was."""

    name: str
    department: str


def places(session: ReadSession, site: SiteId) -> dict[str, Place]:
    """Return lanes and tills by id. A lane is inward when it leads away from the zone `outside`."""
    rows = session.execute(
        text(
            "select id, name_en, name_zh, from_zone = 'outside' from lane where site_id = :site"
            " union all select id, name_en, name_zh, null from till where site_id = :site order by 1"
        ),
        {"site": site},
    )
    return {row[0]: Place(row[1], row[2], row[3]) for row in rows}


def holders(session: ReadSession, site: SiteId, people: Collection[UUID]) -> dict[UUID, Holder]:
    """Return names and departments of people."""
    if not people:
        return {}
    rows = session.execute(
        text(
            "select p.id, p.name, coalesce(d.name_zh, '') from person p"
            " left join department d on (d.site_id, d.id) = (p.site_id, p.department_id)"
            " where p.site_id = :site and p.id = any(:people) order by 1"
        ),
        {"site": site, "people": sorted(people)},
    )
    return {row[0]: Holder(row[1], row[2]) for row in rows}
