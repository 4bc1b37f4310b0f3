"""The SQL of the live feed: names of places and people."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
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
    photo_at: datetime | None = None
    """When the photo was put there; None without one."""


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
    """Return names and departments of people, and whether there is a photo."""
    if not people:
        return {}
    rows = session.execute(
        text(
            "select p.id, p.name, coalesce(d.name_zh, ''), f.changed_at from person p"
            " left join department d on (d.site_id, d.id) = (p.site_id, p.department_id)"
            " left join person_photo f on f.person_id = p.id"
            " where p.site_id = :site and p.id = any(:people) order by 1"
        ),
        {"site": site, "people": sorted(people)},
    )
    return {row[0]: Holder(row[1], row[2], row[3]) for row in rows}


def photos(session: ReadSession, site: SiteId, people: Collection[UUID]) -> dict[UUID, bytes]:
    """Return the photos of those people who have one, as they are kept."""
    if not people:
        return {}
    rows = session.execute(
        text("select person_id, content from person_photo where site_id = :site and person_id = any(:people)"),
        {"site": site, "people": sorted(people)},
    )
    return {row[0]: bytes(row[1]) for row in rows}
