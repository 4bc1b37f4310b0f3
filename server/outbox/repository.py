"""The outbox's SQL. `append` belongs into the business transaction; the rest serves the pump and the readers.

Numbers are given after the commit, by one pump at a time a site (it holds the row in `outbox_head`), in the order of
creation as far as commits allow: a transaction that commits late gets a later number, and none is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSON

from cardcore.ids import SiteId
from server.database import ReadSession, WriteSession
from server.system import System

MAX_TOPIC_CHARACTERS = 64
MAX_SITES = 1_000
MAX_ROWS = 1_000
"""Rows that one call numbers, returns or deletes at most."""


class OutboxEvent(NamedTuple):
    """One published event of a site."""

    site_id: SiteId
    number: int
    topic: str
    payload: Any
    """JSON as it was written: a map, or a list where one transaction tells of several things."""
    created_at: datetime


def append(session: WriteSession, system: System, site: SiteId, topic: str, payload: Mapping[str, Any]) -> None:
    """Write an event into the running transaction; `payload` is JSON without floats near money or personal names."""
    if not 0 < len(topic) <= MAX_TOPIC_CHARACTERS:
        msg = f"a topic has 1 to {MAX_TOPIC_CHARACTERS} characters, got {len(topic)}"
        raise ValueError(msg)
    session.execute(
        text(
            "insert into outbox (id, site_id, topic, payload, created_at) values (:id, :site, :topic, :payload, :at)"
        ).bindparams(bindparam("payload", type_=JSON)),
        {
            "id": system.ids.uuid7(),
            "site": site,
            "topic": topic,
            "payload": dict(payload),
            "at": system.clock.now(),
        },
    )


def sites_waiting(session: ReadSession | WriteSession) -> Sequence[SiteId]:
    """Return the sites that have events without a number."""
    rows = session.execute(
        text("select distinct site_id from outbox where number is null limit :limit"), {"limit": MAX_SITES}
    )
    return [SiteId(row.site_id) for row in rows]


def number_waiting(session: WriteSession, site: SiteId, limit: int = MAX_ROWS) -> list[OutboxEvent]:
    """Give a site's waiting events numbers, at most `limit`, and return them; the site's head is held till commit."""
    session.execute(text("insert into outbox_head (site_id) values (:site) on conflict do nothing"), {"site": site})
    head = session.execute(
        text("select number from outbox_head where site_id = :site for update"), {"site": site}
    ).scalar_one()
    rows = session.execute(
        text(
            "with waiting as (select id, created_at from outbox where site_id = :site and number is null"
            " order by created_at, id limit :limit for update skip locked),"
            " placed as (select id, row_number() over (order by created_at, id) as place from waiting)"
            " update outbox o set number = :head + placed.place from placed where o.id = placed.id"
            " returning o.site_id, o.number, o.topic, o.payload, o.created_at"
        ),
        {"site": site, "limit": limit, "head": head},
    ).all()
    if rows:
        session.execute(
            text("update outbox_head set number = :number where site_id = :site"),
            {"number": head + len(rows), "site": site},
        )
    return sorted((OutboxEvent(*row) for row in rows), key=lambda event: event.number)


def since(
    session: ReadSession, site: SiteId, number: int, topics: Sequence[str] | None = None, limit: int = MAX_ROWS
) -> list[OutboxEvent]:
    """Return a site's events after `number`, of some topics or of all, in order, at most `limit`."""
    rows = session.execute(
        text(
            "select site_id, number, topic, payload, created_at from outbox"
            " where site_id = :site and number > :number"
            " and (cast(:topics as text[]) is null or topic = any(:topics)) order by number limit :limit"
        ),
        {"site": site, "number": number, "topics": list(topics) if topics else None, "limit": min(limit, MAX_ROWS)},
    )
    return [OutboxEvent(*row) for row in rows]


def newest(session: ReadSession, site: SiteId, topics: Sequence[str], count: int) -> list[OutboxEvent]:
    """Return a site's newest `count` events of some topics, oldest first."""
    rows = session.execute(
        text(
            "select site_id, number, topic, payload, created_at from outbox where site_id = :site"
            " and number is not null and topic = any(:topics) order by number desc limit :limit"
        ),
        {"site": site, "topics": list(topics), "limit": min(count, MAX_ROWS)},
    ).all()
    return [OutboxEvent(*row) for row in reversed(rows)]


def head(session: ReadSession, site: SiteId) -> int:
    """Return the number of a site's newest event; 0 when there is none."""
    found = session.execute(text("select number from outbox_head where site_id = :site"), {"site": site}).scalar()
    return 0 if found is None else int(found)


def delete_older(session: WriteSession, before: datetime, limit: int = MAX_ROWS) -> int:
    """Delete published events from before an instant, at most `limit`; return how many."""
    result = session.execute(
        text(
            "delete from outbox where id in (select id from outbox where number is not null"
            " and created_at < :before limit :limit)"
        ),
        {"before": before, "limit": limit},
    )
    return int(result.rowcount)
