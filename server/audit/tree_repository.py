"""The SQL of the audit tree. Leaves, nodes, checkpoints and cosignatures are added and read, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

MAX_LEAVES = 1_000
"""Rows that one transaction seals, and that one read of an export returns."""
MAX_HEADS = 1_000

Rows = Sequence[RowMapping]


def lock_tree(session: Connection) -> RowMapping | None:
    """Take the one sealer's place and return the tree's row; None while another process has it."""
    return session.execute(_LOCK_TREE).mappings().one_or_none()


def unsealed(session: Connection) -> Rows:
    """Return audit rows without a leaf, oldest first, at most `MAX_LEAVES`."""
    return session.execute(_UNSEALED, {"limit": MAX_LEAVES}).mappings().all()


def moved_journals(session: Connection) -> Rows:
    """Return the journals that went on since a leaf last pinned them."""
    return session.execute(_MOVED_JOURNALS, {"limit": MAX_HEADS}).mappings().all()


def node(session: Connection, level: int, index: int) -> bytes:
    """Return the hash of a complete subtree; level 0 are the leaves. Raises LookupError."""
    statement = _LEAF_HASH if level == 0 else _NODE
    found = session.execute(statement, {"level": level, "index": index}).scalar()
    if found is None:
        msg = f"the audit tree has no node {index} on level {level}"
        raise LookupError(msg)
    return bytes(found)


def insert_leaves(session: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add leaves: number, hash (hex), audit_id or content."""
    session.execute(_INSERT_LEAVES, {"rows": msgspec.json.encode(rows).decode()})


def insert_nodes(session: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add inner nodes: level, index, hash (hex)."""
    session.execute(_INSERT_NODES, {"rows": msgspec.json.encode(rows).decode()})


def insert_heads(session: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Note which state of which journal a leaf pins: device_id, epoch, through, leaf."""
    if rows:
        session.execute(_INSERT_HEADS, list(rows))


def sealed(session: Connection, size: int, heads_at: datetime | None, audit_ids: Sequence[UUID]) -> None:
    """Set the tree's size and take the sealed rows off the waiting list."""
    session.execute(_SET_TREE, {"size": size, "heads_at": heads_at})
    session.execute(_NOT_WAITING, {"ids": list(audit_ids)})


def insert_checkpoint(session: Connection, size: int, root: bytes, note: str, at: datetime) -> None:
    """Add a signed checkpoint."""
    session.execute(_INSERT_CHECKPOINT, {"size": size, "root": root, "note": note, "at": at})


def newest_checkpoint(session: Connection) -> RowMapping | None:
    """Return the newest checkpoint: size, root, note, at."""
    return session.execute(_NEWEST_CHECKPOINT).mappings().one_or_none()


def checkpoints(session: Connection, first: int, last: int) -> Rows:
    """Return the checkpoints of sizes from `first` to `last`, with the notes of their witnesses."""
    return session.execute(_CHECKPOINTS, {"first": first, "last": last}).mappings().all()


def insert_cosignature(session: Connection, size: int, device_id: UUID, note: str, at: datetime) -> None:
    """Keep a witness's signature; a repeat is nothing new."""
    session.execute(_INSERT_COSIGNATURE, {"size": size, "device_id": device_id, "note": note, "at": at})


def insert_restore(session: Connection, statement_id: UUID, note: str, at: datetime) -> None:
    """Keep a restore statement."""
    session.execute(_INSERT_RESTORE, {"id": statement_id, "note": note, "at": at})


def newest_restore(session: Connection) -> str:
    """Return the newest restore statement; empty when there is none."""
    return str(session.execute(_NEWEST_RESTORE).scalar() or "")


def leaves(session: Connection, size: int, start: int = 0) -> Iterator[Rows]:
    """Yield the leaves from `start` to `size` in order, with the audit rows that they seal, in pieces."""
    for first in range(start, size, MAX_LEAVES):
        last = min(first + MAX_LEAVES, size)
        yield session.execute(_LEAVES, {"first": first, "last": last}).mappings().all()


def witnesses(session: Connection) -> Rows:
    """Return every device with its key, its state and the size of the newest checkpoint that it cosigned."""
    return session.execute(_WITNESSES).mappings().all()


def waiting_since(session: Connection) -> tuple[int, datetime | None]:
    """Return how many rows wait for their seal, and the instant of the oldest."""
    row = session.execute(_WAITING).one()
    return int(row.number), row.oldest


_LOCK_TREE = text("select * from audit_tree for update skip locked")
_UNSEALED = text("""
    select a.* from audit_unsealed u join audit a on a.id = u.audit_id order by a.id limit :limit
""")
_MOVED_JOURNALS = text("""
    select e.device_id, e.epoch, e.acked_through, e.head_hash from device_epoch e
    where e.acked_through > coalesce((select max(h.through) from audit_journal_head h
                                      where h.device_id = e.device_id and h.epoch = e.epoch), 0)
    order by e.device_id, e.epoch limit :limit
""")
_LEAF_HASH = text("select hash from audit_leaf where number = :index and 0 = :level")
_NODE = text("select hash from audit_node where level = :level and index = :index")
_INSERT_LEAVES = text("""
    insert into audit_leaf (number, hash, audit_id, content)
    select number, decode(hash, 'hex'), audit_id, content
    from json_to_recordset(cast(:rows as json)) as r (number bigint, hash text, audit_id uuid, content text)
""")
_INSERT_NODES = text("""
    insert into audit_node (level, index, hash) select level, index, decode(hash, 'hex')
    from json_to_recordset(cast(:rows as json)) as r (level smallint, index bigint, hash text)
""")
_INSERT_HEADS = text("""
    insert into audit_journal_head (device_id, epoch, through, leaf) values (:device_id, :epoch, :through, :leaf)
""")
_SET_TREE = text("update audit_tree set size = :size, heads_at = :heads_at")
_NOT_WAITING = text("delete from audit_unsealed where audit_id = any(:ids)")
_INSERT_CHECKPOINT = text("insert into audit_checkpoint (size, root, note, at) values (:size, :root, :note, :at)")
_NEWEST_CHECKPOINT = text("select * from audit_checkpoint order by size desc limit 1")
_CHECKPOINTS = text("""
    select c.size, c.note, coalesce(
        (select array_agg(w.note order by w.device_id) from audit_cosignature w where w.size = c.size), '{}'
    ) as cosignatures
    from audit_checkpoint c where c.size between :first and :last order by c.size
""")
_INSERT_COSIGNATURE = text("""
    insert into audit_cosignature (size, device_id, note, at) values (:size, :device_id, :note, :at)
    on conflict do nothing
""")
_INSERT_RESTORE = text("insert into audit_restore (id, note, at) values (:id, :note, :at)")
_NEWEST_RESTORE = text("select note from audit_restore order by at desc, id desc limit 1")
_LEAVES = text("""
    select l.number, l.hash, l.content, l.audit_id, a.id, a.site_id, a.actor, a.action, a.object, a.before, a.after,
        a.reason, a.at, a.origin
    from audit_leaf l left join audit a on a.id = l.audit_id
    where l.number >= :first and l.number < :last order by l.number
""")
_WITNESSES = text("""
    select d.id, d.name, d.public_key, d.state,
        coalesce((select max(w.size) from audit_cosignature w where w.device_id = d.id), 0) as size
    from device d order by d.name, d.id
""")
_WAITING = text("""
    select count(*) as number, min(a.at) as oldest from audit_unsealed u join audit a on a.id = u.audit_id
""")
