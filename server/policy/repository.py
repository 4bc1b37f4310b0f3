"""The SQL of the policy tables, and of the notice that a version is out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text

EMPTY_HASH = bytes(32)
"""The content hash of no items."""


class PolicyState(NamedTuple):
    """Where a site's policy stands."""

    version: int
    item_count: int
    content_hash: bytes


def insert_state(session: Connection, site_id: UUID) -> None:
    """Give a site its policy row at version 0; does nothing when it has one."""
    session.execute(_INSERT_STATE, {"site_id": site_id, "empty": EMPTY_HASH})


def lock_state(session: Connection, site_id: UUID) -> PolicyState:
    """Lock and return a site's policy row. Whoever holds it is the only publisher."""
    row = session.execute(_LOCK_STATE, {"site_id": site_id}).one_or_none()
    if row is None:
        insert_state(session, site_id)
        row = session.execute(_LOCK_STATE, {"site_id": site_id}).one()
    return PolicyState(row[0], row[1], bytes(row[2]))


def state(session: Connection, site_id: UUID) -> PolicyState:
    """Return a site's policy row without a lock."""
    row = session.execute(_STATE, {"site_id": site_id}).one_or_none()
    return PolicyState(row[0], row[1], bytes(row[2])) if row else PolicyState(0, 0, EMPTY_HASH)


def write_state(session: Connection, site_id: UUID, new: PolicyState) -> None:
    """Write a site's policy row."""
    session.execute(_WRITE_STATE, {"site_id": site_id, **new._asdict()})


def bodies(session: Connection, site_id: UUID, keys: Collection[str]) -> dict[str, bytes]:
    """Return the stored bodies under these keys, those of removed items left out."""
    rows = session.execute(_BODIES, {"site_id": site_id, "keys": list(keys)})
    return {key: bytes(body) for key, body in rows}


def bodies_of_kinds(session: Connection, site_id: UUID, kinds: Collection[str]) -> dict[str, bytes]:
    """Return all stored bodies of these kinds, those of removed items left out."""
    rows = session.execute(_BODIES_OF_KINDS, {"site_id": site_id, "kinds": list(kinds)})
    return {key: bytes(body) for key, body in rows}


def upsert_items(session: Connection, site_id: UUID, version: int, items: Mapping[str, bytes]) -> None:
    """Write items at a version; an empty body stays as the mark of a removal."""
    parameters = {"site_id": site_id, "version": version, "keys": list(items), "bodies": list(items.values())}
    session.execute(_UPSERT_ITEMS, parameters)


def items_since(session: Connection, site_id: UUID, version: int) -> tuple[int, list[tuple[str, bytes]]]:
    """Return the newest version and the items changed after `version`, removals included.

    One statement, so that the items are those of that very version whatever is published meanwhile.
    """
    rows = session.execute(_ITEMS_SINCE, {"site_id": site_id, "version": version}).all()
    newest = rows[0][0] if rows else 0
    return newest, [(row[1], bytes(row[2])) for row in rows if row[1] is not None]


def refused_cards(session: Connection, site_id: UUID) -> list[tuple[int, bytes]]:
    """Return version and body of every card item whose card is not active.

    Looks for bytes, as bodies are written without spaces: reading JSON of 240,000 cards takes seconds.
    """
    rows = session.execute(_REFUSED_CARDS, {"site_id": site_id})
    return [(version, bytes(body)) for version, body in rows]


def insert_notice(session: Connection, notice_id: UUID, site_id: UUID, version: int, at: datetime) -> None:
    """Put the news of a version into the outbox."""
    payload = msgspec.json.encode({"version": version}).decode()
    session.execute(_INSERT_NOTICE, {"id": notice_id, "site_id": site_id, "payload": payload, "at": at})


_INSERT_STATE = text("""
    insert into policy_state (site_id, version, item_count, content_hash) values (:site_id, 0, 0, :empty)
    on conflict (site_id) do nothing
""")
_STATE = text("select version, item_count, content_hash from policy_state where site_id = :site_id")
_LOCK_STATE = text("""
    select version, item_count, content_hash from policy_state where site_id = :site_id for update
""")
_WRITE_STATE = text("""
    update policy_state set version = :version, item_count = :item_count, content_hash = :content_hash
    where site_id = :site_id
""")
_BODIES = text("""
    select key, body from policy_item where site_id = :site_id and key = any(:keys) and body <> ''
""")
_BODIES_OF_KINDS = text("""
    select key, body from policy_item
    where site_id = :site_id and split_part(key, '/', 1) = any(:kinds) and body <> ''
""")
_UPSERT_ITEMS = text("""
    insert into policy_item (site_id, key, version, body)
    select :site_id, key, :version, body
    from unnest(cast(:keys as text[]), cast(:bodies as bytea[])) as item(key, body)
    on conflict (site_id, key) do update set version = excluded.version, body = excluded.body
""")
_ITEMS_SINCE = text("""
    select s.version, i.key, i.body
    from policy_state s left join policy_item i on i.site_id = s.site_id and i.version > :version
    where s.site_id = :site_id order by i.version, i.key
""")
_REFUSED_CARDS = text("""
    select version, body from policy_item
    where site_id = :site_id and key like 'card/%' and body <> ''
        and position(cast('"state":"active"' as bytea) in body) = 0
    order by key
""")
_INSERT_NOTICE = text("""
    insert into outbox (id, site_id, topic, payload, created_at)
    values (:id, :site_id, 'policy', cast(:payload as json), :at)
""")
