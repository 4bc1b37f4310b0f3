"""The SQL of sending: who sends for which webhook, what comes next, how far it got. A lost lease changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def claim(session: Connection, lease: UUID, now: datetime, until: datetime) -> RowMapping | None:
    """Lease the webhook that waits longest and has something to send; None when there is none."""
    return session.execute(_CLAIM, {"lease": lease, "now": now, "until": until}).mappings().one_or_none()


def head(session: Connection, site_id: UUID) -> int:
    """Return the number of the newest event of a site."""
    return int(session.execute(_HEAD, {"site_id": site_id}).scalar() or 0)


def events(
    session: Connection, site_id: UUID, after: int, through: int, topics: Sequence[str], limit: int
) -> Sequence[RowMapping]:
    """Return events of some topics after a number and not past another, in order."""
    values = {"site_id": site_id, "after": after, "through": through, "topics": list(topics), "limit": limit}
    return session.execute(_EVENTS, values).mappings().all()


def oldest_after(session: Connection, site_id: UUID, after: int) -> int | None:
    """Return the number of the first event that is kept after a number."""
    found = session.execute(_OLDEST_AFTER, {"site_id": site_id, "after": after}).scalar()
    return None if found is None else int(found)


def moved(session: Connection, lease: UUID, cursor: int, delivered_at: datetime | None, until: datetime) -> bool:
    """Write down how far a leased webhook got and hold it longer; False when the lease is lost."""
    values = {"lease": lease, "cursor": cursor, "delivered_at": delivered_at, "until": until}
    return session.execute(_MOVED, values).rowcount > 0


def skipped(session: Connection, lease: UUID, cursor: int) -> None:
    """Move the mark of a leased webhook past events that it does not follow or that are kept no more."""
    session.execute(_SKIPPED, {"lease": lease, "cursor": cursor})


def failed(session: Connection, lease: UUID, row: Mapping[str, Any]) -> bool:
    """Write down a failure: `state`, `at` (now) and `next_at`; ends the lease. False when it was lost."""
    return session.execute(_FAILED, {"lease": lease, **row}).rowcount > 0


def pinged(session: Connection, lease: UUID) -> bool:
    """Write down that the test message was tried; False when the lease is lost."""
    return session.execute(_PINGED, {"lease": lease}).rowcount > 0


def release(session: Connection, lease: UUID) -> None:
    """End a lease."""
    session.execute(_RELEASE, {"lease": lease})


def note(session: Connection, row: Mapping[str, Any]) -> None:
    """Write one line of the delivery log; the webhook may have been removed meanwhile."""
    session.execute(_NOTE, row)


def forget(session: Connection, before: datetime, limit: int) -> int:
    """Delete old lines of the log, at most `limit`; return how many."""
    return int(session.execute(_FORGET, {"before": before, "limit": limit}).rowcount)


_CLAIM = text("""
    update webhook set lease = :lease, leased_until = :until where id = (
        select w.id from webhook w left join outbox_head h on h.site_id = w.site_id
        where (w.leased_until is null or w.leased_until < :now)
            and (w.ping is not null or (w.state = 'active' and w.next_at <= :now and w.cursor < h.number))
        order by w.next_at, w.id limit 1 for update of w skip locked
    )
    returning id, site_id, name, url, topics, secret, old_secret, old_secret_until, lease, cursor, failures,
        failing_since, state, ping, next_at
""")
_HEAD = text("select number from outbox_head where site_id = :site_id")
_EVENTS = text("""
    select id, number, topic, payload, created_at from outbox
    where site_id = :site_id and number > :after and number <= :through and topic = any(:topics)
    order by number limit :limit
""")
_OLDEST_AFTER = text("select min(number) from outbox where site_id = :site_id and number > :after")
_MOVED = text("""
    update webhook set cursor = :cursor, failures = 0, failing_since = null, leased_until = :until,
        delivered_at = coalesce(:delivered_at, delivered_at), next_at = coalesce(:delivered_at, next_at)
    where lease = :lease
""")
_SKIPPED = text("update webhook set cursor = :cursor where lease = :lease")
_FAILED = text("""
    update webhook set failures = failures + 1, failing_since = coalesce(failing_since, :at), next_at = :next_at,
        state = :state, lease = null, leased_until = null
    where lease = :lease
""")
_PINGED = text("update webhook set ping = null where lease = :lease")
_RELEASE = text("update webhook set lease = null, leased_until = null where lease = :lease")
_NOTE = text("""
    insert into webhook_delivery (id, webhook_id, number, event, topic, at, result, status, took_ms, attempt)
    select :id, w.id, :number, :event, :topic, :at, :result, :status, :took_ms, :attempt
    from webhook w where w.id = :webhook
""")
_FORGET = text("""
    delete from webhook_delivery where id in (select id from webhook_delivery where at < :before limit :limit)
""")
