"""The sealer: gives audit rows their places in the hash tree and signs where the tree stands.

One call is one transaction. Any number of processes may try; the one that holds the tree's row seals, the others find
nothing to do. A row that commits late gets a later leaf, so writers never wait and the tree never forks (I20).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import RowMapping

from cardcore import merkle
from cardcore.checkpoint import Checkpoint, origin_of
from cardcore.clock import to_millis
from server.audit import tree_repository as tree
from server.audit.content import audit_content, journal_content
from server.database import WriteSession
from server.system import System

HEADS_EVERY = timedelta(minutes=10)
"""How often the state of every device's journal becomes a leaf, so that charges are pinned without a row each."""


def seal(session: WriteSession, system: System, key: Ed25519PrivateKey, generation: str) -> int:
    """Seal what waits, at most `MAX_LEAVES` rows and as many journals; return how many leaves the tree grew."""
    state = tree.lock_tree(session)
    if state is None:
        return 0
    now, size = system.clock.now(), int(state["size"])
    rows = tree.unsealed(session)
    journals, heads_at = _journals(session, state, now)
    contents = [(row["id"], audit_content(row)) for row in rows] + [(None, journal_content(row)) for row in journals]
    if not contents:
        return 0
    hashes = [merkle.leaf_hash(content.encode()) for _, content in contents]
    leaves = [
        {"number": size + place, "hash": digest.hex(), "audit_id": audit_id, "content": None if audit_id else content}
        for place, ((audit_id, content), digest) in enumerate(zip(contents, hashes, strict=True))
    ]
    grown = list(merkle.grown(size, hashes, partial(tree.node, session)))
    tree.insert_leaves(session, leaves)
    tree.insert_nodes(session, [_node_row(*found) for found in grown if found[0] > 0])
    tree.insert_heads(session, _head_rows(journals, size + len(rows)))
    tree.sealed(session, size + len(leaves), heads_at, [row["id"] for row in rows])
    _checkpoint(session, key, size + len(leaves), generation, now)
    return len(leaves)


def _journals(session: WriteSession, state: RowMapping, now: datetime) -> tuple[Sequence[RowMapping], datetime | None]:
    """Return the journals to pin now, and the instant at which that was last looked after."""
    last = state["heads_at"]
    if last is not None and now - last < HEADS_EVERY:
        return (), last
    return tree.moved_journals(session), now


def _checkpoint(session: WriteSession, key: Ed25519PrivateKey, size: int, generation: str, now: datetime) -> None:
    root = merkle.root(size, partial(tree.node, session))
    origin = origin_of(key.public_key().public_bytes_raw())
    checkpoint = Checkpoint(origin, size, root, generation, to_millis(now))
    tree.insert_checkpoint(session, size, root, checkpoint.signed(key), now)


def _node_row(level: int, index: int, digest: bytes) -> dict[str, Any]:
    return {"level": level, "index": index, "hash": digest.hex()}


def _head_rows(journals: Sequence[RowMapping], first: int) -> list[dict[str, Any]]:
    return [
        {"device_id": row["device_id"], "epoch": row["epoch"], "through": row["acked_through"], "leaf": first + place}
        for place, row in enumerate(journals)
    ]
