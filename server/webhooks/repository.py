"""The SQL of webhooks as people work with them: add, change, list, look at the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def insert(session: Connection, row: Mapping[str, Any]) -> bool:
    """Add a webhook; False when its name is taken."""
    return session.execute(_INSERT, row).rowcount > 0


def count(session: Connection, site_id: UUID) -> int:
    """Count the webhooks of a site."""
    return int(session.execute(_COUNT, {"site_id": site_id}).scalar_one())


def lock(session: Connection, site_id: UUID, webhook_id: UUID) -> RowMapping | None:
    """Lock and return a webhook, or None if unknown or of another site."""
    return session.execute(_LOCK, {"site_id": site_id, "id": webhook_id}).mappings().one_or_none()


def listed(session: Connection, site_id: UUID, limit: int) -> Sequence[RowMapping]:
    """Return a site's webhooks by name, each with the events behind its mark."""
    return session.execute(_LISTED, {"site_id": site_id, "limit": limit}).mappings().all()


def set_state(session: Connection, webhook_id: UUID, state: str, at: datetime) -> None:
    """Pause or go on; who sends for it now stops, and failures are forgotten."""
    session.execute(_SET_STATE, {"id": webhook_id, "state": state, "at": at})


def set_cursor(session: Connection, webhook_id: UUID, cursor: int, at: datetime) -> None:
    """Begin again after an event; who sends for it now stops."""
    session.execute(_SET_CURSOR, {"id": webhook_id, "cursor": cursor, "at": at})


def set_secret(session: Connection, webhook_id: UUID, secret: bytes, old: bytes, old_until: datetime) -> None:
    """Put a new secret in front; the old one signs too until an instant."""
    session.execute(_SET_SECRET, {"id": webhook_id, "secret": secret, "old": old, "old_until": old_until})


def set_ping(session: Connection, webhook_id: UUID, ping: UUID) -> None:
    """Let a test message be sent."""
    session.execute(_SET_PING, {"id": webhook_id, "ping": ping})


def delete(session: Connection, webhook_id: UUID) -> None:
    """Forget a webhook with its log."""
    session.execute(_DELETE, {"id": webhook_id})


def deliveries(session: Connection, webhook_id: UUID, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return the log of one webhook, newest first, older than an entry if one is given."""
    return session.execute(_DELIVERIES, {"id": webhook_id, "before": before, "limit": limit}).mappings().all()


def oldest_kept(session: Connection, site_id: UUID) -> int | None:
    """Return the number of the oldest event that the outbox still holds."""
    found = session.execute(_OLDEST, {"site_id": site_id}).scalar()
    return None if found is None else int(found)


_INSERT = text("""
    insert into webhook (id, site_id, name, url, topics, secret, cursor, next_at, created_at)
    values (:id, :site_id, :name, :url, :topics, :secret, :cursor, :at, :at)
    on conflict (site_id, name) do nothing
""")
_COUNT = text("select count(*) from webhook where site_id = :site_id")
_LOCK = text("""
    select id, name, url, topics, secret, state, cursor from webhook where site_id = :site_id and id = :id for update
""")
_LISTED = text("""
    select w.id, w.name, w.url, w.topics, w.state, w.cursor, greatest(coalesce(h.number, 0) - w.cursor, 0) as behind,
        w.failures, w.failing_since, w.next_at, w.delivered_at, w.old_secret_until, w.created_at
    from webhook w left join outbox_head h on h.site_id = w.site_id
    where w.site_id = :site_id order by w.name limit :limit
""")
_SET_STATE = text("""
    update webhook set state = :state, failures = 0, failing_since = null, next_at = :at, lease = null,
        leased_until = null
    where id = :id
""")
_SET_CURSOR = text("""
    update webhook set cursor = :cursor, failures = 0, failing_since = null, next_at = :at, lease = null,
        leased_until = null
    where id = :id
""")
_SET_SECRET = text("""
    update webhook set secret = :secret, old_secret = :old, old_secret_until = :old_until where id = :id
""")
_SET_PING = text("update webhook set ping = :ping where id = :id")
_DELETE = text("delete from webhook where id = :id")
_DELIVERIES = text("""
    select id, number, event, topic, at, result, status, took_ms, attempt from webhook_delivery
    where webhook_id = :id and (cast(:before as uuid) is null or id < :before) order by id desc limit :limit
""")
_OLDEST = text("select min(number) from outbox where site_id = :site_id and number is not null")
