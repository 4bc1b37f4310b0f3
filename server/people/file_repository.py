"""The SQL of photos, and of files between their upload and their import."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def put_photo(session: Connection, site_id: UUID, person_id: UUID, content: bytes, at: datetime) -> None:
    """Keep a person's photo in place of an older one."""
    values = {"site_id": site_id, "person_id": person_id, "content": content, "at": at}
    session.execute(_PUT_PHOTO, values)


def drop_photo(session: Connection, site_id: UUID, person_id: UUID) -> bool:
    """Delete a person's photo; tell whether there was one."""
    return session.execute(_DROP_PHOTO, {"site_id": site_id, "person_id": person_id}).first() is not None


def photo(session: Connection, site_id: UUID, person_id: UUID) -> bytes | None:
    """Return a person's photo."""
    found = session.execute(_PHOTO, {"site_id": site_id, "person_id": person_id}).scalar_one_or_none()
    return None if found is None else bytes(found)


def add_draft(session: Connection, row: Mapping[str, Any], stale_before: datetime) -> None:
    """Keep a file (id, site_id, staff_id, name, content, created_at) and forget those that were left lying."""
    session.execute(_DROP_STALE, {"before": stale_before})
    session.execute(_ADD_DRAFT, dict(row))


def draft(session: Connection, site_id: UUID, draft_id: UUID, staff_id: UUID) -> RowMapping | None:
    """Return a file of this member of staff."""
    values = {"site_id": site_id, "id": draft_id, "staff_id": staff_id}
    return session.execute(_DRAFT, values).mappings().one_or_none()


def drop_draft(session: Connection, draft_id: UUID) -> None:
    """Forget a file."""
    session.execute(_DROP_DRAFT, {"id": draft_id})


_PUT_PHOTO = text("""
    insert into person_photo (person_id, site_id, content, changed_at) values (:person_id, :site_id, :content, :at)
    on conflict (person_id) do update set content = excluded.content, changed_at = excluded.changed_at
""")
_DROP_PHOTO = text("delete from person_photo where site_id = :site_id and person_id = :person_id returning person_id")
_PHOTO = text("select content from person_photo where site_id = :site_id and person_id = :person_id")
_DROP_STALE = text("delete from import_draft where created_at < :before")
_ADD_DRAFT = text("""
    insert into import_draft (id, site_id, staff_id, name, content, created_at)
    values (:id, :site_id, :staff_id, :name, :content, :created_at)
""")
_DRAFT = text("select * from import_draft where site_id = :site_id and id = :id and staff_id = :staff_id")
_DROP_DRAFT = text("delete from import_draft where id = :id")
