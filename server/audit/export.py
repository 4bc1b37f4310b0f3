"""Writing the sealed audit log into a file that proves itself: `server.audit.verification` reads it, offline.

JSON lines: a head, every leaf with its content in order, every checkpoint after its last leaf with the signatures of
its witnesses, and an end that repeats the counts. Rows that are not sealed yet are not in it; the end says how many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from cardcore.checkpoint import origin_of
from server.audit import tree_repository as tree
from server.audit.content import audit_content
from server.database import ReadSession

FORMAT = "onecard-audit-1"


def export_lines(session: ReadSession, server_key: bytes) -> Iterator[bytes]:
    """Yield the lines of an export as it stands in this (stable) transaction, each with its line feed."""
    newest = tree.newest_checkpoint(session)
    size = 0 if newest is None else int(newest["size"])
    waiting, _ = tree.waiting_since(session)
    yield _line({"format": FORMAT, "origin": origin_of(server_key), "server_key": server_key.hex()})
    for row in tree.witnesses(session):
        yield _line({"witness": str(row["id"]), "key": bytes(row["public_key"]).hex()})
    if restore := tree.newest_restore(session):
        yield _line({"restore": restore})
    count = 0
    for rows in tree.leaves(session, size):
        pinned = {row["size"]: row for row in tree.checkpoints(session, count + 1, count + len(rows))}
        for row in rows:
            yield _line({"leaf": row["number"], "content": content_of(row)})
            count += 1
            if count in pinned:
                found = pinned[count]
                yield _line({"checkpoint": found["note"], "cosignatures": list(found["cosignatures"])})
    yield _line({"end": count, "unsealed": waiting})


def content_of(row: RowMapping) -> str:
    """Return what the row says now; a row that is gone says nothing, and the verifier will see it."""
    if row["audit_id"] is None:
        return str(row["content"])
    return "" if row["id"] is None else audit_content(row)


def _line(values: dict[str, Any]) -> bytes:
    return msgspec.json.encode(values) + b"\n"
